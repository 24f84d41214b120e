"""Every error the log raises, as one tree.

    AgentlogError
    ├── BadInput                the caller's value cannot be accepted; nothing was written
    │   ├── BadIdentifier       tenant, stream kind, stream key, event type, schema name
    │   ├── BadPayload          data or meta is not JSON we can keep exactly
    │   └── EventTooLarge       an encoded event is over MAX_EVENT_BYTES
    ├── Conflict                a stream is not at the expected version: reload, decide again
    ├── LogUnavailable          Postgres cannot be reached, or is no Postgres we can use
    │   └── PostgresTooOld
    ├── OutcomeUnknown          the connection died in a commit and the truth cannot be read yet
    ├── NotMirrored             Postgres has the events, the local segment does not (yet)
    ├── MirrorUnavailable       the local disk refuses; nothing was appended anywhere
    ├── Damaged                 a copy of the log is not what was written; positions are named
    │   └── CopiesDisagree      both copies read well but tell different stories
    ├── FormatTooNew            written by a newer agentlog
    ├── SchemaMismatch          the database schema is missing, foreign, older or altered
    ├── ProjectionMismatch      this process folds other projections than the store was made with
    ├── EmbeddedPostgresError   the bundled server cannot be started, with its own words
    └── Closed                  the store was closed, or opened before a fork or in another event loop

Each message says what is, what was expected, and what to do; the values are attributes.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "AgentlogError",
    "BadIdentifier",
    "BadInput",
    "BadPayload",
    "Closed",
    "Conflict",
    "CopiesDisagree",
    "Damaged",
    "EmbeddedPostgresError",
    "EventTooLarge",
    "FormatTooNew",
    "LogUnavailable",
    "MirrorUnavailable",
    "NotMirrored",
    "OutcomeUnknown",
    "PostgresTooOld",
    "ProjectionMismatch",
    "SchemaMismatch",
]


class AgentlogError(Exception):
    """Base of all errors raised by agentlog.

    Attributes:
        hint: what to do next, already part of the message; empty when there is nothing to do.
    """

    def __init__(self, message: str, *, hint: str = "", **values: Any) -> None:
        super().__init__(f"{message}; {hint}" if hint else message)
        self.hint = hint
        for name, value in values.items():
            setattr(self, name, value)


def shown(value: object) -> str:
    """Return a value as messages show it: the beginning of its repr, where that is long."""
    try:
        text = repr(value)
    except ValueError:  # an int of more digits than Python writes
        return "of thousands of digits"
    return text if len(text) <= 80 else f"{text[:80]}…"


class BadInput(AgentlogError, ValueError):
    """A value handed in cannot be accepted. Nothing was written."""


class BadIdentifier(BadInput):
    """A tenant, stream kind, key, event type or schema name breaks its rule."""


class BadPayload(BadInput):
    """`data` or `meta` is not JSON that can be kept exactly."""


class EventTooLarge(BadInput):
    """One encoded event is longer than MAX_EVENT_BYTES.

    Attributes:
        length_bytes: the encoded length.
        limit_bytes: MAX_EVENT_BYTES.
    """

    length_bytes: int
    limit_bytes: int


class Conflict(AgentlogError):
    """A stream is not at the version the command expected. Nothing of the command was appended.

    Attributes:
        stream: the stream that moved, a StreamId.
        expected_version: what the command expected; 0 means "no stream".
        actual_version: where the stream stands.
    """

    stream: Any
    expected_version: int
    actual_version: int


class LogUnavailable(AgentlogError):
    """Postgres cannot be reached. Nothing was appended."""


class PostgresTooOld(LogUnavailable):
    """The server is older than the oldest supported major version (14)."""


class OutcomeUnknown(AgentlogError):
    """The connection was lost during a commit and the truth could not be read yet.

    Never treat it as a failure: append again with the same event ids (or the same
    idempotency key) once Postgres is back; what was committed is not appended twice.
    """


class NotMirrored(AgentlogError):
    """Postgres has the events; the local segment could not be written or synced.

    Attributes:
        receipt: the Receipt the append would have returned. Do not append again.
    """

    receipt: Any


class MirrorUnavailable(AgentlogError):
    """The local segments refuse writes, so the append was refused before its commit; or refuse reads."""


class Damaged(AgentlogError):
    """A copy of the log does not read as written. Nothing was cut or changed.

    Attributes:
        first_position: first position that cannot be trusted.
        last_position: last such position, or None when it is unknown.
        where: the file or table.
    """

    first_position: int
    last_position: int | None
    where: str


class CopiesDisagree(Damaged):
    """Postgres is behind the segments, or has another chain (failover, an old backup restored)."""


class FormatTooNew(AgentlogError):
    """A file or database was written by a newer agentlog; use that release or a newer one."""


class SchemaMismatch(AgentlogError):
    """The Postgres schema is missing, belongs to something else, is older, or was altered."""


class ProjectionMismatch(AgentlogError):
    """This process folds another set of inline projections than the store was migrated for."""


class EmbeddedPostgresError(AgentlogError):
    """The bundled Postgres cannot be installed, started or reached."""


class Closed(AgentlogError):
    """The store was closed, or was opened before a fork or in another event loop; open it again here."""
