"""Messages in and out: a provider's dict to an event, and an event back to that dict. No I/O.

What the event has no field for travels in `source` as `{"message": {…}}`: the shape that imported
messages have as well, so that both come back the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from eventlog.envelope import Event
from eventlog.errors import BadInput, FormatTooNew
from eventlog.events import NULL, MessageAppended, UnknownEvent, Usage, decode_event, raw
from eventlog.payload import decode_payload


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a conversation, as it stands in the log.

    Attributes:
        message: the dict that was appended; for an imported one, what its source calls message.
        role, content: of it. content is exactly what was appended.
        usage: tokens this message adds; None when nothing was said.
        source: for an imported message the rest of its record; None otherwise.
        version: place in the session's stream; position: place in the whole log.
        time: when the log accepted it; occurred_at: the source's own time, if it said one.
    """

    message_id: str
    role: str
    content: Any
    message: dict[str, Any]
    parent_id: str | None
    model: str | None
    response_id: str | None
    request_id: str | None
    stop_reason: str | None
    usage: Usage | None
    cost: Decimal | None
    sidechain: bool
    compact_summary: bool
    source: Any
    version: int
    position: int
    time: str
    occurred_at: str | None


def new_message(
    message: Mapping[str, Any],
    *,
    id: str,
    usage: Usage | Mapping[str, int] | None = None,
    cost: Decimal | int | str | None = None,
    **fields: Any,
) -> MessageAppended:
    """Return the event of a message.

    Args:
        message: at least a `role`; `content` is any JSON value; every other member is kept.
        id: the message's id when neither `fields` nor the message itself gives one.
        fields: of MessageAppended.
    Raises:
        BadInput: no role; a usage with unknown names; a cost that is no number.
        BadPayload: content that is no JSON.
    """
    if not isinstance(message, Mapping):
        raise BadInput(f"a message must be a dict, not {type(message).__name__}")
    role = message.get("role")
    if not isinstance(role, str) or not role:
        raise BadInput(
            f"the message has role {role!r} and must have a text",
            hint="e.g. {'role': 'user', 'content': 'hello'}",
        )
    own_id = message.get("id")
    rest = {name: value for name, value in message.items() if name not in ("role", "content")}
    fields["message_id"] = fields.get("message_id") or (own_id if isinstance(own_id, str) and own_id else id)
    return MessageAppended(
        role=role,
        content=raw(message.get("content")),
        usage=_usage(usage),
        cost=_cost(cost),
        source=raw({"message": rest}) if rest else NULL,
        **fields,
    )


def read_message(event: Event) -> Message | None:
    """Return the message of an event; None when it is another kind of event.

    Raises:
        FormatTooNew: it is a message this release cannot read; leaving it out would be a lie.
    """
    if event.type != "message_appended":
        return None
    said = decode_event(event.type, event.schema, event.data, event.encoding)
    if isinstance(said, UnknownEvent):
        raise FormatTooNew(
            f"the message at position {event.position} cannot be read: {said.reason}",
            hint="read it with the agentlog that wrote it; `store.log.read_stream` shows it as it is",
        )
    assert isinstance(said, MessageAppended)
    if event.encoding is None:
        content, source = decode_payload(said.content, None), decode_payload(said.source, None)
    else:  # `decode_event` repairs what strict JSON cannot hold; the payload itself is exact
        value = event.value
        content, source = value["content"], value.get("source")
    extra = source.get("message") if isinstance(source, dict) else None
    message = {**(extra if isinstance(extra, dict) else {}), "role": said.role, "content": content}
    return Message(
        content=content,
        message=message,
        source=None if _is_ours(source) else source,
        version=event.version,
        position=event.position,
        time=event.time,
        occurred_at=event.occurred_at,
        **{name: getattr(said, name) for name in _SAME},
    )


_SAME = (
    "message_id", "role", "parent_id", "model", "response_id", "request_id", "stop_reason",
    "usage", "cost", "sidechain", "compact_summary",
)  # fmt: skip


def _is_ours(source: Any) -> bool:
    return isinstance(source, dict) and source.keys() == {"message"}


def _usage(usage: Usage | Mapping[str, int] | None) -> Usage | None:
    if usage is None or isinstance(usage, Usage):
        return usage
    unknown = sorted(set(usage) - set(Usage.__struct_fields__))
    if unknown:
        raise BadInput(
            f"usage has {', '.join(map(repr, unknown))}, which it cannot",
            hint=f"it takes {', '.join(Usage.__struct_fields__)}",
        )
    try:
        return msgspec.convert(dict(usage), type=Usage)
    except msgspec.ValidationError as error:
        raise BadInput(f"usage cannot be read: {error}") from error


def _cost(cost: Decimal | int | str | None) -> Decimal | None:
    if cost is None or isinstance(cost, Decimal):
        return cost
    if isinstance(cost, bool) or not isinstance(cost, int | str):
        # A float would write 0.1 as 0.1000000000000000055…
        raise BadInput(
            f"cost must be Decimal, int or str, not {type(cost).__name__}", hint="Decimal('0.0125')"
        )
    try:
        return Decimal(cost)
    except ArithmeticError as error:
        raise BadInput(f"cost {cost!r} is no number") from error
