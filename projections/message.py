"""One message as it stands: what was appended, with what was edited since. No I/O.

What is opaque (content, source, metadata, environment) stays JSON until somebody looks at it, so that a
window of thousands of messages is read for what it costs to fetch it.
"""

from __future__ import annotations

import copy
from typing import Any

import msgspec

from eventlog.envelope import us_to_time
from eventlog.errors import FormatTooNew
from eventlog.events import (
    NULL,
    SCHEMAS,
    MessageAppended,
    MessageEdited,
    UnknownEvent,
    Usage,
    decode_event,
    raw,
)
from eventlog.payload import decode_payload
from projections.columns import add_cost

MESSAGE, EDIT = "message_appended", "message_edited"
OPAQUE = ("content", "source", "metadata", "environment")


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message of a conversation, as it stands in the log.

    What is opaque is decoded when it is looked at, anew each time: who changes what came back changes
    no message.

    Attributes:
        said: its fields as the event has them, opaque ones as JSON.
        follows: id of the message it comes after: its parent, or what was the head.
        version: place in the session's stream; position: place in the whole log.
        time_us: when the log accepted it, in microseconds since 1970; see `time`.
        occurred_us: the source's own time, if it said one; see `occurred_at`.
        edited_version: of the latest edit; None when there was none.
    """

    said: MessageAppended
    follows: str | None
    version: int
    position: int
    time_us: int
    occurred_us: int | None = None
    edited_version: int | None = None
    # Opaque fields that strict JSON cannot say (lone surrogates, huge numbers), decoded exactly.
    exact: dict[str, Any] | None = None

    def __repr__(self) -> str:
        """As somebody would look at it: how it is kept says little."""
        names = ("message_id", "role", "content", "version", "position")
        return f"Message({', '.join(f'{name}={getattr(self, name)!r}' for name in names)}, …)"

    @property
    def message_id(self) -> str:
        """The provider's, the source's or the caller's id; meant to be unique in its session."""
        return self.said.message_id

    @property
    def role(self) -> str:
        """user, assistant, system, tool, …"""
        return self.said.role

    @property
    def content(self) -> Any:
        """Exactly what was appended: a text, or a list of blocks."""
        return self._opaque("content")

    @property
    def message(self) -> dict[str, Any]:
        """The dict that was appended; for an imported one, what its source calls message."""
        source = self._opaque("source")
        rest = source.get("message") if isinstance(source, dict) else None
        return {**(rest if isinstance(rest, dict) else {}), "role": self.role, "content": self.content}

    @property
    def source(self) -> Any:
        """For an imported message the rest of its record; None otherwise."""
        source = self._opaque("source")
        return None if isinstance(source, dict) and source.keys() == {"message"} else source

    @property
    def metadata(self) -> Any:
        """What the caller said about it: any JSON value."""
        return self._opaque("metadata")

    @property
    def environment(self) -> Any:
        """Where it was said: any JSON value."""
        return self._opaque("environment")

    @property
    def parent_id(self) -> str | None:
        """The message it was said to follow; None where it just came next."""
        return self.said.parent_id

    @property
    def model(self) -> str | None:
        """The model it came from."""
        return self.said.model

    @property
    def response_id(self) -> str | None:
        """Groups the messages of one API response."""
        return self.said.response_id

    @property
    def request_id(self) -> str | None:
        """The provider's id of the request."""
        return self.said.request_id

    @property
    def stop_reason(self) -> str | None:
        """Why the model stopped."""
        return self.said.stop_reason

    @property
    def usage(self) -> Usage | None:
        """Tokens this message adds; None when nothing was said."""
        return self.said.usage

    @property
    def cost(self) -> Any:
        """What it adds to the bill, a Decimal of US dollars; None when nothing was said."""
        return self.said.cost

    @property
    def sidechain(self) -> bool:
        """Said in a sub-agent's side conversation."""
        return self.said.sidechain

    @property
    def compact_summary(self) -> bool:
        """It stands for messages that a compaction took out of the window."""
        return self.said.compact_summary

    @property
    def time(self) -> str:
        """When the log accepted it, RFC 3339."""
        return us_to_time(self.time_us)

    @property
    def occurred_at(self) -> str | None:
        """The source's own time, RFC 3339."""
        return None if self.occurred_us is None else us_to_time(self.occurred_us)

    def asdict(self) -> dict[str, Any]:
        """Return all that is known of it, opaque values decoded: for JSON and for people."""
        return {name: getattr(self, name) for name in SHOWN}

    def changed(self, **fields: Any) -> Message:
        """Return it with other fields of its event, opaque ones as Python values. For `conversation.save`.

        Raises TypeError for a field there is not, BadPayload for what is no JSON.
        """
        opaque = {name: copy.deepcopy(fields[name]) for name in OPAQUE if name in fields}
        said = msgspec.structs.replace(self.said, **fields | {n: raw(v) for n, v in opaque.items()})
        return msgspec.structs.replace(self, said=said, exact={**(self.exact or {}), **opaque} or None)

    def exactly(self) -> MessageAppended:
        """Return its event to the digit, as it could be appended again."""
        if not self.exact:
            return self.said
        return msgspec.structs.replace(self.said, **{n: raw(v) for n, v in self.exact.items()})

    def _opaque(self, name: str) -> Any:
        if self.exact is not None and name in self.exact:
            return copy.deepcopy(self.exact[name])
        return decode_payload(getattr(self.said, name), None)


SHOWN = (
    "message_id", "role", "content", "message", "parent_id", "model", "response_id", "request_id",
    "stop_reason", "usage", "cost", "sidechain", "compact_summary", "metadata", "environment", "source",
    "version", "position", "time", "occurred_at", "edited_version",
)  # fmt: skip


def read_said(type: str, schema: int, data: Any, encoding: str | None, position: int) -> Any:
    """Return what an event says.

    Raises FormatTooNew when this release cannot read it; leaving a message out would be a lie.
    """
    said = decode_event(type, schema, data, encoding)
    if said.__class__ is UnknownEvent:
        what = "message" if type == MESSAGE else f"event {type!r}"
        raise FormatTooNew(
            f"the {what} at position {position} cannot be read: {said.reason}",
            hint="read it with the agentlog that wrote it; `store.log.read_stream` shows it as it is",
        )
    return said


def read_message(schema: int, data: Any, encoding: str | None, position: int) -> MessageAppended:
    """Return a message's event. Raises as `read_said`. The way of nearly all of them is short."""
    if encoding is None and schema == SCHEMAS[MESSAGE]:
        try:
            return _decode_message(data)
        except (ValueError, RecursionError):
            pass  # the long way says what is wrong
    said: MessageAppended = read_said(MESSAGE, schema, data, encoding, position)
    return said


_decode_message = msgspec.json.Decoder(MessageAppended).decode


def exact_fields(data: Any, encoding: str | None) -> dict[str, Any] | None:
    """Return the opaque fields of a payload that strict JSON cannot hold, as Python values."""
    if encoding is None:
        return None
    value = decode_payload(data, encoding)
    return {name: value[name] for name in OPAQUE if name in value}


def with_edit(message: Message, edit: MessageEdited, version: int, exact: dict[str, Any] | None) -> Message:
    """Return the message after an edit. Total: names that are no field mean nothing."""
    said = message.said
    fields: dict[str, Any] = {
        field.name: field.default
        for field in _FIELDS
        if field.name in edit.cleared and field.default is not msgspec.NODEFAULT
    }
    if "content" in edit.cleared:
        fields["content"] = NULL
    for name in _EDITABLE:
        value = getattr(edit, name)
        if value is not None and value != NULL:
            fields[name] = value
    if edit.usage is not None:
        fields["usage"] = add_usage(said.usage, edit.usage)
    if edit.cost is not None:
        fields["cost"] = edit.cost if said.cost is None else add_cost(said.cost, edit.cost)
    kept = {name: value for name, value in (message.exact or {}).items() if name not in fields}
    return msgspec.structs.replace(
        message,
        said=msgspec.structs.replace(said, **fields),
        edited_version=version,
        exact={**kept, **{n: v for n, v in (exact or {}).items() if n in fields}} or None,
    )


def add_usage(one: Usage | None, other: Usage, sign: int = 1) -> Usage:
    """Return the sum, kind by kind; `sign` -1: the difference."""
    before = one or Usage()
    return Usage(*[getattr(before, name) + sign * getattr(other, name) for name in Usage.__struct_fields__])


_FIELDS = [field for field in msgspec.structs.fields(MessageAppended) if field.name != "message_id"]
_EDITABLE = tuple(field.name for field in _FIELDS if field.name not in ("usage", "cost"))
