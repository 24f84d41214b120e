"""What happens to a session as a whole. Stream kind `session`, one stream per session.

Messages are in `conversation`, generations in `archive`, todos in `plan`: all on the same stream.
Other names for a session have streams of their own, kind `session_alias`, keyed by the other name.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from eventlog.events.fields import NULL, Time, Word


class SessionCreated(msgspec.Struct, frozen=True, omit_defaults=True):
    """A session began, or one that was ended or deleted came back.

    Fields that are given replace what was known; the others stay.
    """

    title: str | None = None
    agent: str | None = None
    model: str | None = None
    mode: str | None = None
    parent: str | None = None
    source: str | None = None
    directory: str | None = None
    git_branch: str | None = None
    tool_version: str | None = None
    config: Raw = NULL
    expires_at: Time | None = None
    session_type: Word | None = None
    permissions: Raw = NULL
    static_context_hash: str | None = None
    created_at: Time | None = None


class SessionUpdated(msgspec.Struct, frozen=True, omit_defaults=True):
    """Some of a session's attributes changed: those given, and those cleared, which have no value now."""

    title: str | None = None
    agent: str | None = None
    model: str | None = None
    mode: str | None = None
    state: Word | None = None
    config: Raw = NULL
    expires_at: Time | None = None
    error: str | None = None
    parent: str | None = None
    source: str | None = None
    directory: str | None = None
    git_branch: str | None = None
    tool_version: str | None = None
    session_type: Word | None = None
    permissions: Raw = NULL
    static_context_hash: str | None = None
    cleared: tuple[str, ...] = ()


class SessionEnded(msgspec.Struct, frozen=True, omit_defaults=True):
    """The session is over; its messages stay where they are."""

    reason: str | None = None


class SessionDeleted(msgspec.Struct, frozen=True, omit_defaults=True):
    """The session is out of sight. The log and the archive keep everything."""

    reason: str | None = None


class RecordKept(msgspec.Struct, frozen=True, omit_defaults=True):
    """A source's record that we do not interpret, verbatim."""

    source: str
    record: Raw
    kind: str | None = None


class AliasSet(msgspec.Struct, frozen=True, omit_defaults=True):
    """Another name stands for a session, whatever it stood for before. Stream kind `session_alias`."""

    session: str


class AliasRemoved(msgspec.Struct, frozen=True, omit_defaults=True):
    """The other name stands for nothing any more."""

    reason: str | None = None


SessionEvent = SessionCreated | SessionUpdated | SessionEnded | SessionDeleted | RecordKept
AliasEvent = AliasSet | AliasRemoved
