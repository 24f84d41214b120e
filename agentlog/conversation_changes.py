"""What may become of a conversation: pure decisions, from the window in view to events. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

import msgspec

from agentlog.checks import check_kind
from agentlog.errors import NotFound, Refused
from agentlog.message import as_cost, as_usage
from agentlog.session_changes import present
from eventlog.errors import BadInput
from eventlog.events import (
    NULL,
    ConversationEvent,
    HeadMoved,
    MessageAppended,
    MessageEdited,
    MessagesRemoved,
    Usage,
    UsageRecorded,
    raw,
)
from projections import conversation as projection
from projections.message import OPAQUE, Message, add_usage
from projections.session import Session
from projections.window import Window

# Fields of a message that an edit sets as they are; what adds up and what is opaque come apart.
_PLAIN = (
    "role", "parent_id", "model", "response_id", "request_id", "stop_reason", "sidechain", "compact_summary",
)  # fmt: skip
CLEARABLE = ("content", "parent_id", "model", "response_id", "request_id", "stop_reason", *OPAQUE[1:])
# What one event may say at most (fields.Integer).
_USAGE_MAX = 2**31 - 1
_USAGE_EVENTS_MAX = 1000  # of one call


class Edits(TypedDict, total=False):
    """What of a message can be changed; None leaves it as it is. `usage` and `cost` are the new ones."""

    role: str | None
    content: Any
    parent_id: str | None
    model: str | None
    response_id: str | None
    request_id: str | None
    stop_reason: str | None
    sidechain: bool | None
    compact_summary: bool | None
    source: Any
    metadata: Any
    environment: Any
    usage: Any
    cost: Any


class Wanted(msgspec.Struct, frozen=True):
    """A message as somebody wants it to be.

    Attributes:
        event: all of it.
        occurred_at: of a new one.
        whole: whether a field without a value is to have none; otherwise it stays as it is.
    """

    event: MessageAppended
    occurred_at: Any = None
    whole: bool = True


def decide_compact(
    key: str,
    events: Sequence[ConversationEvent],
    session: Session | None,
    conversation: projection.Conversation | None,
) -> Sequence[ConversationEvent]:
    """A window that holds messages can be compacted."""
    present(key, session)
    if conversation is None or not conversation.window_message_count:
        raise Refused(
            f"the active window of session {key!r} holds no message", hint="there is nothing to compact"
        )
    return events


def in_view(key: str, window: Window, message_id: str) -> Message:
    """Return a message of the window, or raise NotFound."""
    check_kind(message_id, str, "message_id", "a text")
    message = window.find(message_id)
    if message is None:
        raise NotFound(
            f"session {key!r} has no message {message_id!r} in view",
            hint="`conversation.load` shows those that are",
            key=message_id,
        )
    return message


def decide_edit(
    key: str, message_id: str, edits: Edits, clear: Sequence[str], window: Window
) -> list[ConversationEvent]:
    """A message in view changes; what changes nothing is not written."""
    said = in_view(key, window, message_id).exactly()
    fields: dict[str, Any] = {name: _default(name) for name in clear}
    for name, value in edits.items():
        if value is not None:
            fields[name] = raw(value) if name in OPAQUE else value
    if edits.get("usage") is not None:
        fields["usage"] = as_usage(edits["usage"])
    if edits.get("cost") is not None:
        fields["cost"] = as_cost(edits["cost"])
    edit = difference(said, msgspec.structs.replace(said, **fields))
    return [] if edit is None else [edit]


def check_edit(message_id: str, edits: Edits, clear: Sequence[str]) -> MessageEdited:
    """Return an edit of the fields given, for what it says to be looked at. Raises BadInput, BadPayload."""
    for name in clear:
        if name not in CLEARABLE:
            raise BadInput(
                f"{name!r} of message {message_id!r} cannot be cleared", hint=f"one of {', '.join(CLEARABLE)}"
            )
        if edits.get(name) is not None:
            raise BadInput(f"{name!r} of message {message_id!r} was given and is to be cleared: choose one")
    given = {name: value for name, value in edits.items() if value is not None}
    if not given and not clear:
        raise BadInput(
            f"nothing to change in message {message_id!r} was given", hint="give at least one field"
        )
    fields: dict[str, Any] = {n: raw(value) if n in OPAQUE else value for n, value in given.items()}
    fields["usage"] = as_usage(edits.get("usage"))
    fields["cost"] = as_cost(edits.get("cost"))
    return MessageEdited(message_id, **fields)


def difference(was: MessageAppended, wanted: MessageAppended, whole: bool = True) -> MessageEdited | None:
    """Return the edit that makes one message of another; None when they are the same.

    `whole`: also what `wanted` does not say is meant: it is to have no value.
    """
    fields: dict[str, Any] = {}
    cleared = []
    for name in (*_PLAIN, *OPAQUE):
        before, after = getattr(was, name), getattr(wanted, name)
        if before == after or (not whole and after in (None, NULL, False)):
            continue
        if after is None or after == NULL:
            cleared.append(name)
        else:
            fields[name] = after
    if wanted.usage is not None or whole:
        usage = add_usage(wanted.usage, was.usage or Usage(), -1)
        fields["usage"] = None if usage == Usage() else usage
    if wanted.cost is not None or whole:
        cost = (wanted.cost or 0) - (was.cost or 0)
        fields["cost"] = cost if cost else None
    edit = MessageEdited(was.message_id, **fields, cleared=tuple(cleared))
    return None if edit == MessageEdited(was.message_id) else edit


def decide_remove(
    key: str, message_ids: Sequence[str], reason: str | None, window: Window
) -> list[ConversationEvent]:
    """Messages in view leave it; the next one follows the last that stays."""
    for message_id in message_ids:
        in_view(key, window, message_id)
    return [removal(window, message_ids, reason)]


def removal(window: Window, message_ids: Sequence[str], reason: str | None) -> MessagesRemoved:
    """Return the event that removes messages in view: each one that has such an id."""
    gone = set(message_ids)
    # One id for each message that leaves, so that the count of the window stays right.
    ids = tuple(message.message_id for message in window.messages if message.message_id in gone)
    left = [m for m in window.messages if m.message_id not in gone and not m.sidechain]
    head = window.head
    if head in gone:
        head = left[-1].message_id if left else None
    return MessagesRemoved(ids, head, reason)


def decide_pop(key: str, count: int, reason: str | None, window: Window) -> list[ConversationEvent]:
    """The last messages leave; of an empty window none do."""
    ids = [message.message_id for message in window.messages[-count:]]
    return [removal(window, ids, reason)] if ids else []


def decide_rewind(
    key: str, message_id: str | None, reason: str | None, window: Window
) -> list[ConversationEvent]:
    """The conversation goes on after a message of this generation, in view or not; None: from the start."""
    check_kind(message_id, str | None, "message_id", "a text")
    if message_id == window.head and (not window.messages or window.messages[-1].message_id == message_id):
        return []
    if message_id is None:
        return [HeadMoved(window.start, 0, None, reason)]
    if window.find(message_id) is not None:
        last = max(n for n, message in enumerate(window.messages) if message.message_id == message_id)
        return [HeadMoved(window.start, last + 1, message_id, reason)]
    way = window.way_to(message_id)
    if not way:
        raise NotFound(
            f"the current generation of session {key!r} has no message {message_id!r}",
            hint="`conversation.heads` shows the ends of its branches",
            key=message_id,
        )
    return [HeadMoved(min(message.version for message in way), len(way), message_id, reason)]


def decide_save(
    key: str, wanted: Sequence[Wanted], known_version: int | None, window: Window
) -> list[tuple[ConversationEvent, Any]]:
    """The window becomes what is wanted: events with the source's time of each, in proportion to the changes.

    Args:
        known_version: what the caller had loaded; messages in view from up to there, and not wanted, are
            removed. Later ones, which it cannot know of, stay. None: none are removed.
    """
    shown = {message.message_id: message for message in window.messages}
    places = {message.message_id: n for n, message in enumerate(window.messages)}
    changes: list[tuple[ConversationEvent, Any]] = []
    seen: set[str] = set()
    place = -1
    for want in wanted:
        id = want.event.message_id
        if id in seen:
            raise BadInput(f"message {id!r} of session {key!r} was given twice")
        seen.add(id)
        if id not in shown:
            place = len(places)
            changes.append((want.event, want.occurred_at))
            continue
        if places[id] < place:
            raise BadInput(
                f"message {id!r} of session {key!r} stands before others that were given before it",
                hint="give messages in the order of the window, new ones at the end",
            )
        place = places[id]
        edit = difference(shown[id].exactly(), want.event, want.whole)
        if edit is not None:
            changes.append((edit, None))
    if known_version is not None:
        gone = [
            message.message_id
            for message in window.messages
            if message.message_id not in seen and message.version <= known_version
        ]
        if gone:
            changes.insert(0, (removal(window, gone, None), None))
    return changes


def spent(usage: Any, cost: Any, model: str | None, source: Any) -> list[UsageRecorded]:
    """Return the events that record tokens and money, as many as such numbers take. Raises BadInput."""
    try:
        left = dict(usage) if isinstance(usage, dict) else msgspec.structs.asdict(usage or Usage())
        parts = max([1, *(-(-abs(int(value)) // _USAGE_MAX) for value in left.values())])
    except (TypeError, ValueError, OverflowError) as error:
        raise BadInput(f"usage cannot be read: {error}") from error
    for name, value in left.items():
        if not isinstance(value, int):
            raise BadInput(f"{name} is {value!r} and must be a whole number of tokens")
    if parts > _USAGE_EVENTS_MAX:
        raise BadInput(f"usage counts more than {_USAGE_MAX * _USAGE_EVENTS_MAX:,} tokens of a kind: {left}")
    events = []
    for part in range(parts):
        now = {name: max(-_USAGE_MAX, min(_USAGE_MAX, value)) for name, value in left.items()}
        left = {name: value - now[name] for name, value in left.items()}
        events.append(
            UsageRecorded(
                as_usage(now) if usage is not None else None,
                as_cost(cost) if part == 0 else None,
                model,
                NULL if source is None else raw(source),
            )
        )
    return events


def _default(name: str) -> Any:
    return NULL if name in OPAQUE else None
