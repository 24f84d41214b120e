"""Every kind of event, from its name to its struct and back: reading is total, writing reads back. No I/O."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, get_args

import msgspec
from msgspec import Raw

from eventlog.envelope import NewEvent, StreamId, hashed, new_event
from eventlog.errors import BadInput, BadPayload
from eventlog.events.access import AccessEvent
from eventlog.events.archive import ArchiveEvent
from eventlog.events.conversation import ConversationEvent, MessageAppended, MessageEdited, UsageRecorded
from eventlog.events.delivery import DeliveryEvent
from eventlog.events.external import ExternalEvent
from eventlog.events.keyvalue import KeyValueEvent
from eventlog.events.lane import LaneEvent
from eventlog.events.plan import PlanEvent
from eventlog.events.queue import QueueEvent
from eventlog.events.schedule import ScheduleEvent, ScheduleListEvent
from eventlog.events.session import AliasEvent, SessionEvent
from eventlog.events.task import TaskEvent
from eventlog.events.upcast import UPCASTERS, upcast
from eventlog.payload import encode_payload, exact_json, is_strict
from eventlog.strict import strict_json

AgentEvent = (
    SessionEvent
    | AliasEvent
    | ConversationEvent
    | ArchiveEvent
    | QueueEvent
    | TaskEvent
    | LaneEvent
    | PlanEvent
    | KeyValueEvent
    | AccessEvent
    | ExternalEvent
    | ScheduleEvent
    | ScheduleListEvent
    | DeliveryEvent
)


class UnknownEvent(msgspec.Struct, frozen=True):
    """An event this release cannot read: kept exactly, folded as nothing.

    `reason` is for people: an unknown type, a newer schema, data of another shape.
    """

    type: str
    schema: int
    reason: str


def event_type(event: type[Any]) -> str:
    """Return the name an event class has in the log: `MessageAppended` is `message_appended`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", event.__name__).lower()


EVENT_TYPES: dict[str, type[Any]] = {event_type(kind): kind for kind in get_args(AgentEvent)}

# The schema each type is written with; 1 unless its shape ever changed.
SCHEMAS: dict[str, int] = dict.fromkeys(EVENT_TYPES, 1)

_TYPE_OF = {kind: name for name, kind in EVENT_TYPES.items()}
_COSTING = frozenset(map(event_type, (MessageAppended, MessageEdited, UsageRecorded)))
_encode = msgspec.json.Encoder().encode
_DECODE = {name: msgspec.json.Decoder(kind).decode for name, kind in EVENT_TYPES.items()}


def decode_event(
    type: str, schema: int, data: bytes | Raw, encoding: str | None
) -> AgentEvent | UnknownEvent:
    """Return the event of a payload. Total: what cannot be read is an UnknownEvent.

    A payload with an `encoding` is read as strict JSON (see `eventlog.strict`): good for folds,
    not the exact text. `Event.value` has that.
    """
    decode = _DECODE.get(type)
    if decode is None:
        return UnknownEvent(type, schema, "this release does not know the type")
    try:
        if encoding is not None:
            data = strict_json(exact_json(bytes(data), encoding))
        if schema != SCHEMAS[type]:
            data = upcast(type, schema, data, SCHEMAS[type], UPCASTERS)
        return decode(data)  # type: ignore[no-any-return]
    except KeyError:
        return UnknownEvent(type, schema, f"this release knows schema {SCHEMAS[type]}")
    except (ValueError, RecursionError) as error:
        return UnknownEvent(type, schema, str(error))


def decoder(type: str) -> Callable[[bytes | Raw], Any]:
    """Return what decodes data of a type of EVENT_TYPES in its present shape; it raises ValueError."""
    return _DECODE[type]


def raw(value: Any) -> Raw:
    """Return a Python value as the verbatim JSON that fields such as `content` take.

    Raises:
        BadPayload: see `payload.encode_payload`.
    """
    return Raw(exact_json(*encode_payload(value)))


def new(
    stream: StreamId,
    event: AgentEvent,
    *,
    id: str,
    meta: bytes = b"{}",
    occurred_at: str | None = None,
) -> NewEvent:
    """Encode and hash `event`, having read it back: what folds cannot read is refused here.

    Raises:
        BadPayload: a field has another type or is out of range, a Raw is not one JSON value,
            or a cost is not finite.
        BadInput: `event` is none of EVENT_TYPES.
        BadIdentifier, EventTooLarge: see `envelope.new_event`.
    """
    name = _TYPE_OF.get(event.__class__)
    if name is None:
        raise BadInput(
            f"{event.__class__.__name__} is no event", hint="see docs/reference/events.md for those there are"
        )
    schema = SCHEMAS[name]
    if name in _COSTING and event.cost is not None and not event.cost.is_finite():  # type: ignore[union-attr]
        raise BadPayload(f"cost of {name} is {event.cost}, which is no amount")  # type: ignore[union-attr]
    try:
        line = _encode(event)
        # Raws are copied unread. That they come back equal shows each is one JSON value that did
        # not run into the next field; that no reader stumbles over it, `is_strict` has seen. A float
        # that is not finite was written as null, so it does not come back equal either.
        said = _DECODE[name](line)
        if said == event and is_strict(line):
            return hashed(stream, name, schema, id, occurred_at, None, line, meta, said)
    except (UnicodeEncodeError, RecursionError, TypeError, ValueError):
        pass  # the pass over its fields below accepts it, or says which of them is wrong
    data = Raw(_field_by_field(name, event))
    made = new_event(stream, name, data, id=id, schema=schema, meta=meta, occurred_at=occurred_at)
    read = decode_event(name, schema, made.data, made.encoding)
    if isinstance(read, UnknownEvent):
        raise BadPayload(f"{name} would not be readable: {read.reason}")
    return made


def _field_by_field(name: str, event: AgentEvent) -> bytes:
    """Encode each field by itself: the slow way, for lone surrogates and Raws with white space."""
    parts = []
    for field in msgspec.structs.fields(event):
        value = getattr(event, field.name)
        if value is field.default:
            continue
        try:
            parts.append(b'"%b":%b' % (field.encode_name.encode(), bytes(raw(value))))
        except BadPayload as error:
            raise BadPayload(f"{field.name} of {name}: {error}") from error
    return b"{%b}" % b",".join(parts)
