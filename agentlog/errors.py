"""Every error a user of agentlog can meet: those of the log, and the refusals of the face.

    AgentlogError               (the log's own tree stands at the top of eventlog/errors.py)
    └── Refused                 what stands in the log does not allow the call; nothing was appended
        ├── NotFound            there is no such session or queue item
        ├── AlreadyExists       there is one already
        ├── Busy                the session works on another message
        ├── ClaimLost           the claim is over, and another worker may have it
        └── WrongTenant         the store was opened for another tenant

A refusal rests on what Postgres said at that moment, never on memory alone.
"""

from __future__ import annotations

from eventlog.errors import (
    AgentlogError,
    BadIdentifier,
    BadInput,
    BadPayload,
    Closed,
    Conflict,
    CopiesDisagree,
    Damaged,
    EmbeddedPostgresError,
    EventTooLarge,
    FormatTooNew,
    LogUnavailable,
    MirrorUnavailable,
    NotMirrored,
    OutcomeUnknown,
    PostgresTooOld,
    ProjectionMismatch,
    SchemaMismatch,
)

__all__ = [
    "AgentlogError",
    "AlreadyExists",
    "BadIdentifier",
    "BadInput",
    "BadPayload",
    "Busy",
    "ClaimLost",
    "Closed",
    "Conflict",
    "CopiesDisagree",
    "Damaged",
    "EmbeddedPostgresError",
    "EventTooLarge",
    "FormatTooNew",
    "LogUnavailable",
    "MirrorUnavailable",
    "NotFound",
    "NotMirrored",
    "OutcomeUnknown",
    "PostgresTooOld",
    "ProjectionMismatch",
    "Refused",
    "SchemaMismatch",
    "WrongTenant",
]


class Refused(AgentlogError):
    """What stands in the log does not allow the call. Nothing was appended."""


class NotFound(Refused):
    """There is no such session or queue item, or it was deleted.

    Attributes:
        key: what was looked for.
    """

    key: str


class AlreadyExists(Refused):
    """There is a session or queue item with that key already.

    Attributes:
        key: the key that is taken.
    """

    key: str


class Busy(Refused):
    """A message that was not to wait came while its session worked on another, or others waited.

    Attributes:
        session: its key.
        item: id of what it works on, or of what waits.
    """

    session: str
    item: str


class ClaimLost(Refused):
    """Who claimed this does not hold it any more: its lease was over, or it was interrupted or finished.

    Attributes:
        key: id of the item or task.
        token: the claim's position, which is not the newest.
    """

    key: str
    token: int


class WrongTenant(Refused):
    """The store was opened for one tenant, and another one was named.

    Attributes:
        tenant: whom the store was opened for.
    """

    tenant: str
