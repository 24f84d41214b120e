"""What a session is: its attributes and whether it is active, ended or deleted. Not what is said in it.

One row per session stream, made by its first event of any kind: appending to a session that
nobody created creates it.
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

import msgspec
from msgspec import Raw

from eventlog.events import (
    NULL,
    SESSION,
    ConversationCompacted,
    GenerationStarted,
    MessageAppended,
    RecordKept,
    SessionCreated,
    SessionDeleted,
    SessionEnded,
    SessionUpdated,
    SummaryRecorded,
    TodosReplaced,
)
from projections.columns import moment, stream_key
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


SessionChange = SessionCreated | SessionUpdated | SessionEnded | SessionDeleted


def evolve(session: Session, event: SessionChange, version: int) -> Session:
    """Return the session after `event`.

    Created: also brings back what was ended or deleted. Updated: of a deleted session too, which
    stays deleted unless a state is given. Ended: a deleted session stays deleted.
    """
    match event:
        case SessionCreated():
            changed = _with(session, event, ACTIVE, event.parent, error=None)
        case SessionUpdated():
            changed = _with(
                session, event, event.state, None, error=session.error if event.error is None else event.error
            )
        case SessionEnded():
            changed = session if session.state == DELETED else _in_state(session, ENDED)
        case SessionDeleted():
            changed = _in_state(session, DELETED)
        case _:
            assert_never(event)
    return session if changed == session else changed


def _with(
    session: Session,
    event: SessionCreated | SessionUpdated,
    state: str | None,
    parent: str | None,
    error: str | None,
) -> Session:
    """Return the session with the fields `event` gives; those it does not give stay."""
    given = {
        name: value
        for name in event.__struct_fields__
        if name in _COPIED and (value := getattr(event, name)) is not None
    }
    given["error"] = error
    if state is not None:
        given["state"] = state
    if (key := stream_key(parent)) is not None:
        given["parent"] = key
    if event.expires_at is not None:
        given["expires_at"] = moment(event.expires_at)
    if event.config != NULL:
        given["config"] = event.config.copy()  # a view would keep the whole event in memory
    return msgspec.structs.replace(session, **given)


_COPIED = frozenset(("title", "agent", "model", "mode", "source", "directory", "git_branch", "tool_version"))


def _in_state(session: Session, state: str) -> Session:
    return msgspec.structs.replace(session, state=state)


SESSIONS = Fold(
    "sessions",
    version=1,
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
    ),
)
