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

from agentlog.checks import check_kind
from eventlog.envelope import Event, time_to_us
from eventlog.errors import BadInput, shown
from eventlog.events import NULL, MessageAppended, Usage, raw
from projections.message import MESSAGE, Message, exact_fields, read_said

# The archive's column ends there; sums keep 37 of the digits.
COST_END = 10**8
COST_DIGITS_MAX = 50

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
        cost: what it adds to the bill, in US dollars, exactly: Decimal, int or text, no float; below 10^8,
            at most 50 digits after the point.
        message_id: meant to be unique in its session; without it the message's own `id`, else a new one.
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
        BadInput: no role; a usage with unknown names; a cost that is none; either below 0 without a
            `response_id`.
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
    usage, cost = as_usage(usage), as_cost(cost)
    if fields.get("response_id") is None:
        check_not_below_0(usage, cost)
    return MessageAppended(
        role=role,
        content=raw(message.get("content")),
        usage=usage,
        cost=cost,
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
    check_kind(usage, Mapping, "usage", "Usage or a dict with its names")
    unknown = sorted(map(str, set(usage) - set(Usage.__struct_fields__)))
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
    if cost is None:
        return cost
    if isinstance(cost, bool) or not isinstance(cost, Decimal | int | str):
        # A float would write 0.1 as 0.1000000000000000055…
        raise BadInput(
            f"cost must be Decimal, int or str, not {type(cost).__name__}", hint="Decimal('0.0125')"
        )
    try:
        amount = Decimal(cost)
    except ArithmeticError as error:
        raise BadInput(f"cost {shown(cost)} is no number") from error
    digits = amount.as_tuple().exponent  # a text for what is not finite
    if not isinstance(digits, int) or abs(amount) >= COST_END or digits < -COST_DIGITS_MAX:
        raise BadInput(
            f"cost {shown(cost)} must be finite, below 10^8 dollars, and have at most"
            f" {COST_DIGITS_MAX} digits after the point"
        )
    return amount


def check_not_below_0(usage: Usage | None, cost: Decimal | None) -> None:
    """Raise BadInput where a message that is a response by itself is said to have used less than nothing.

    Not for one of several messages of a response: it may correct what an earlier one said.
    """
    amounts: dict[str, int | Decimal | None] = {"cost": cost}
    amounts |= msgspec.structs.asdict(usage) if usage is not None else {}
    for name, amount in amounts.items():
        # Of another type it is refused where the event is made.
        if isinstance(amount, int | Decimal) and amount < 0:
            raise BadInput(
                f"{name} of a message is {amount} and must be at least 0",
                hint="only a message with a response_id corrects others of its response; or use record_usage",
            )
