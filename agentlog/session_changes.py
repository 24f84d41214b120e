"""What may become of a session: pure decisions, from what stands in the log to events. No I/O.

Attributes that are not given stay as they are; which of them lose their value is said by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypedDict

import msgspec

from agentlog.checks import check_key, check_list
from agentlog.errors import AlreadyExists, NotFound
from eventlog.errors import BadInput
from eventlog.events import (
    NULL,
    SessionCreated,
    SessionEnded,
    SessionEvent,
    SessionUpdated,
    raw,
)
from projections import session as projection


class Attributes(TypedDict, total=False):
    """What a session has when it begins. None is the same as not given.

    title: for people. agent, model, mode: the agent's own words.
    session_type: main, subagent, …; 1 to 63 characters.
    parent: key of the session it came from; it need not be there (yet).
    source, directory, git_branch, tool_version: of an imported session, or whoever has them.
    config, permissions: any JSON value; kept to the digit.
    static_context_hash: digest of what stands before every conversation, as the agent computes it.
    expires_at: with a time zone; `Sessions.cleanup` deletes it after that.
    created_at: where it began earlier than the log heard of it.
    """

    title: str | None
    agent: str | None
    model: str | None
    mode: str | None
    session_type: str | None
    parent: str | None
    source: str | None
    directory: str | None
    git_branch: str | None
    tool_version: str | None
    config: Any
    permissions: Any
    static_context_hash: str | None
    expires_at: datetime | None
    created_at: datetime | None


class Changes(TypedDict, total=False):
    """What of a session can change: its Attributes but `created_at`, and

    state: a word of the agent's own, or "active" to resume a session that was ended.
    error: what went wrong last.
    """

    title: str | None
    agent: str | None
    model: str | None
    mode: str | None
    session_type: str | None
    parent: str | None
    source: str | None
    directory: str | None
    git_branch: str | None
    tool_version: str | None
    config: Any
    permissions: Any
    static_context_hash: str | None
    expires_at: datetime | None
    state: str | None
    error: str | None


# What `update` can clear, and `save` clears where it is not given.
CLEARABLE = tuple(name for name in Changes.__annotations__ if name in projection.CLEARABLE)


def created(key: str, attributes: Attributes) -> SessionCreated:
    """Return the event of a new session. Raises BadInput, BadPayload."""
    _check(key, attributes)
    return SessionCreated(**_fields(attributes))


def updated(key: str, changes: Changes, clear: Sequence[str]) -> SessionUpdated:
    """Return the event of a change. Raises BadInput, BadPayload."""
    fields = msgspec.structs.asdict(saved(key, changes))
    clear = check_list(clear, "clear")
    for name in clear:
        if name not in CLEARABLE:
            raise BadInput(
                f"{name!r} of session {key!r} cannot be cleared", hint=f"one of {', '.join(CLEARABLE)}"
            )
        if fields[name] not in (None, NULL):
            raise BadInput(f"{name!r} of session {key!r} was given and is to be cleared: choose one")
    event = SessionUpdated(**fields | {"cleared": tuple(dict.fromkeys(clear))})
    if event == SessionUpdated():
        raise BadInput(f"nothing to change in session {key!r} was given", hint="give at least one attribute")
    return event


def saved(key: str, changes: Changes) -> SessionUpdated:
    """Return the event of all that is given. Raises BadInput, BadPayload."""
    _check(key, changes)
    return SessionUpdated(**_fields(changes))


def decide_create(key: str, event: SessionCreated, session: projection.Session | None) -> list[SessionEvent]:
    """A session is created where there is none, or where it was deleted."""
    if session is not None and session.state != projection.DELETED:
        hint = "choose another key, or change it with update"
        if session.state == projection.ENDED:
            hint = "choose another key, or resume it: update(key, state='active')"
        raise AlreadyExists(f"session {key!r} exists and is {session.state}", hint=hint, key=key)
    return [event]


def decide_update(key: str, event: SessionUpdated, session: projection.Session | None) -> list[SessionEvent]:
    """A session that is there changes; what changes nothing is not written."""
    known = present(key, session)
    return [] if projection.evolve(known, event, 0) is known else [event]


def decide_save(event: SessionUpdated, session: projection.Session | None) -> list[SessionEvent]:
    """A session is as `event` says: made, brought back, or changed; what it does not give has no value."""
    begins: list[SessionEvent] = []
    known = projection.Session() if session is None else session
    if session is None or session.state == projection.DELETED:
        begins = [SessionCreated()]
        known = projection.evolve(known, SessionCreated(), 0)
    lost = [
        name
        for name in CLEARABLE
        if getattr(event, name) in (None, NULL) and getattr(known, name) not in (None, NULL)
    ]
    saved = msgspec.structs.replace(event, cleared=tuple(lost))
    return begins + ([] if projection.evolve(known, saved, 0) is known else [saved])


def decide_end(key: str, reason: str | None, session: projection.Session | None) -> list[SessionEvent]:
    """Ending twice is ending once."""
    return [] if present(key, session).state == projection.ENDED else [SessionEnded(reason)]


def present(key: str, session: projection.Session | None) -> projection.Session:
    """Return the session, or raise NotFound when there is none or it was deleted."""
    if session is None:
        raise NotFound(f"there is no session {key!r}", hint="create it, or check key and tenant", key=key)
    if session.state == projection.DELETED:
        raise NotFound(f"session {key!r} was deleted", hint="create it again to bring it back", key=key)
    return session


def _fields(attributes: Attributes | Changes) -> dict[str, Any]:
    given = {name: value for name, value in attributes.items() if value is not None}
    for name in ("config", "permissions"):
        if name in given:
            given[name] = raw(given[name])
    return given


def _check(key: str, attributes: Attributes | Changes) -> None:
    check_key(attributes.get("parent"), "parent")
    if attributes.get("parent") == key:
        raise BadInput(f"session {key!r} cannot be its own parent")
    if attributes.get("state") == projection.DELETED:
        raise BadInput("state 'deleted' cannot be set by an update", hint="use delete")
