"""What a session is: its attributes and whether it is active, ended or deleted. Not what is said in it.

One row per session stream, made by its first event of any kind: appending to a session that
nobody created creates it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, assert_never

import msgspec
from msgspec import Raw

from eventlog.events import (
    NULL,
    SESSION,
    ConversationCleared,
    ConversationCompacted,
    GenerationStarted,
    HeadMoved,
    MessageAppended,
    MessageEdited,
    MessagesRemoved,
    RecordKept,
    SessionCreated,
    SessionDeleted,
    SessionEnded,
    SessionUpdated,
    SummaryRecorded,
    TodosReplaced,
    UsageRecorded,
)
from projections.columns import moment, opaque, stream_key
from projections.fold import Fold

ACTIVE, ENDED, DELETED = "active", "ended", "deleted"


class Session(msgspec.Struct, frozen=True, gc=False):
    """A row of `sessions`. `state` is active, ended, deleted, or an agent's own word."""

    title: str | None = None
    agent: str | None = None
    model: str | None = None
    mode: str | None = None
    state: str = ACTIVE
    parent: str | None = None
    source: str | None = None
    directory: str | None = None
    git_branch: str | None = None
    tool_version: str | None = None
    expires_at: datetime | None = None
    error: str | None = None
    config: Raw = NULL
    session_type: str | None = None
    permissions: Raw = NULL
    static_context_hash: str | None = None
    created_at: datetime | None = None


SessionChange = SessionCreated | SessionUpdated | SessionEnded | SessionDeleted


def evolve(session: Session, event: SessionChange, version: int) -> Session:
    """Return the session after `event`.

    Created: also brings back what was ended or deleted. Updated: of a deleted session too, which
    stays deleted unless a state is given. Ended: a deleted session stays deleted.
    """
    match event:
        case SessionCreated():
            # Whatever went wrong before, it begins anew.
            changed = msgspec.structs.replace(session, **{"state": ACTIVE, "error": None} | _given(event))
        case SessionUpdated():
            changed = msgspec.structs.replace(session, **_without(event.cleared) | _given(event))
        case SessionEnded():
            changed = session if session.state == DELETED else _in_state(session, ENDED)
        case SessionDeleted():
            changed = _in_state(session, DELETED)
        case _:
            assert_never(event)
    return session if changed == session else changed


def _given(event: SessionCreated | SessionUpdated) -> dict[str, Any]:
    """Return the attributes that `event` gives, as columns hold them."""
    given = {}
    for name in event.__struct_fields__:
        value = getattr(event, name)
        if name in _TEXTS and value is not None:
            given[name] = value
        elif name in _TIMES and value is not None:
            given[name] = moment(value)
        elif name in _OPAQUE and value != NULL:
            given[name] = opaque(value)
    if (key := stream_key(event.parent)) is not None:
        given["parent"] = key
    return given


def _without(cleared: tuple[str, ...]) -> dict[str, Any]:
    """Return the attributes that lose their value; names of later releases mean nothing here."""
    return {name: NULL if name in _OPAQUE else None for name in cleared if name in CLEARABLE}


_TEXTS = frozenset(
    (
        *("title", "agent", "model", "mode", "state", "source", "directory", "git_branch", "tool_version"),
        *("error", "session_type", "static_context_hash"),
    )
)
_TIMES = frozenset(("expires_at", "created_at"))
_OPAQUE = frozenset(("config", "permissions"))
CLEARABLE = (_TEXTS | _TIMES | _OPAQUE | {"parent"}) - {"state"}


def _in_state(session: Session, state: str) -> Session:
    return msgspec.structs.replace(session, state=state)


SESSIONS = Fold(
    "sessions",
    version=2,
    kind=SESSION,
    state=Session,
    evolve=evolve,
    folds=(SessionCreated, SessionUpdated, SessionEnded, SessionDeleted),
    initial=Session(),
    begins=(
        RecordKept,
        MessageAppended,
        ConversationCompacted,
        SummaryRecorded,
        GenerationStarted,
        TodosReplaced,
        MessageEdited,
        MessagesRemoved,
        HeadMoved,
        ConversationCleared,
        UsageRecorded,
    ),
)
