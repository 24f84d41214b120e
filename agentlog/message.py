"""Messages in and out: a provider's dict to an event, and an event of the log back. No I/O.

What the event has no field for travels in `source` as `{"message": {…}}`: the shape that imported
messages have as well, so that both come back the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from eventlog.envelope import Event, time_to_us
from eventlog.errors import BadInput
from eventlog.events import NULL, MessageAppended, Usage, raw
from projections.message import MESSAGE, Message, exact_fields, read_said

__all__ = ["ArchivedMessage", "Draft", "Message", "as_cost", "as_usage", "new_message", "read_message"]


class ArchivedMessage(NamedTuple):
    """A message as it was appended, and its place: among those of its generation, from 0."""

    generation: int
    seq: int
    message: Message


class Draft(msgspec.Struct, frozen=True):
    """A message that is to be appended or saved, with what belongs to it besides the provider's dict.

    Attributes:
        message: a provider's message: at least `role`; all of it is kept.
        usage: the tokens this message adds: `Usage`, or a dict with its names.
        cost: what it adds to the bill, in US dollars, exactly: Decimal, int or text, no float.
        message_id: unique in its session; without it the message's own `id`, else a new one.
        parent_id: the message it follows; without it the head.
        metadata, environment: any JSON value.
        occurred_at: the source's own time, with a time zone.
    """

    message: Mapping[str, Any]
    usage: Usage | Mapping[str, int] | None = None
    cost: Decimal | int | str | None = None
    model: str | None = None
    message_id: str | None = None
    parent_id: str | None = None
    response_id: str | None = None
    request_id: str | None = None
    stop_reason: str | None = None
    sidechain: bool = False
    compact_summary: bool = False
    metadata: Any = None
    environment: Any = None
    occurred_at: datetime | None = None

    def event(self, id: str) -> MessageAppended:
        """Return its event; `id` is its message's id when nothing else names it. Raises as `new_message`."""
        fields = msgspec.structs.asdict(self)
        del fields["message"], fields["occurred_at"]
        return new_message(self.message, id=id, **fields)


def new_message(
    message: Mapping[str, Any],
    *,
    id: str,
    usage: Usage | Mapping[str, int] | None = None,
    cost: Decimal | int | str | None = None,
    metadata: Any = None,
    environment: Any = None,
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
        usage=as_usage(usage),
        cost=as_cost(cost),
        source=raw({"message": rest}) if rest else NULL,
        metadata=NULL if metadata is None else raw(metadata),
        environment=NULL if environment is None else raw(environment),
        **fields,
    )


def read_message(event: Event) -> Message | None:
    """Return the message of an event as it was appended; None when it is another kind of event.

    Raises:
        FormatTooNew: it is a message this release cannot read; leaving it out would be a lie.
    """
    if event.type != MESSAGE:
        return None
    said = read_said(event.type, event.schema, event.data, event.encoding, event.position)
    occurred_us = None if event.occurred_at is None else time_to_us(event.occurred_at)
    exact = exact_fields(event.data, event.encoding)
    return Message(
        said, said.parent_id, event.version, event.position, time_to_us(event.time), occurred_us, None, exact
    )


def as_usage(usage: Usage | Mapping[str, int] | None) -> Usage | None:
    """Return usage as events have it. Raises BadInput."""
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


def as_cost(cost: Decimal | int | str | None) -> Decimal | None:
    """Return an amount as events have it. Raises BadInput."""
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
