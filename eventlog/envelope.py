"""The event as it stands on a line: fields, bytes, hashes.

One JSON object on one line, UTF-8, fields in this order, no spaces, absent fields left out:

    {"position":7,"tenant":"acme","stream":{"kind":"session","key":"agent:main"},"version":3,
     "type":"message_appended","schema":1,"id":"0190…","time":"2026-11-22T07:44:36.123456Z",
     "occurred_at":"…","encoding":"base64","data":{…},"meta":{…}}

Strings are escaped as msgspec does it: quote, backslash and control characters only. `data` and
`meta` are verbatim. Two hashes (docs/formats/event.md):

    hash(n)  = SHA-256(canonical ‖ SHA-256(data))
               canonical = the line's object without position, version, time and data
    chain(n) = SHA-256(chain(n-1) ‖ position ‖ version ‖ time ‖ hash(n))
               three big-endian int64; time in microseconds since 1970; chain(0) = 32 zero bytes

`data` enters the hash through its own digest, so that it can one day be erased without breaking
the chain. Nothing here does I/O or knows what an event means.
"""

from __future__ import annotations

import re
import struct
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Annotated, Any, ClassVar, NamedTuple

import msgspec
from msgspec import Raw

from eventlog.errors import BadIdentifier, BadInput, BadPayload, EventTooLarge, shown
from eventlog.payload import decode_payload, encode_payload

MAX_EVENT_BYTES = 16 * 1024 * 1024
# Room for all of a line but data, meta and the stream: 19-digit numbers, a 63-character type.
OTHER_FIELDS_BYTES = 384
MAX_META_BYTES = 64 * 1024
MAX_TENANT_BYTES = 256
MAX_KEY_BYTES = 1024
MAX_SCHEMA = 32_767
# The one name in `meta` that is the log's: a keyed command notes its key there (command.py).
KEY_FIELD = "idempotency"
CHAIN_START = bytes(32)

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")
_LINK = struct.Struct(">qqq")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_text = msgspec.json.Encoder().encode


class StreamId(NamedTuple):
    """Identity of a stream: three columns, never one joined string."""

    tenant: str
    kind: str
    key: str

    def __str__(self) -> str:
        owner = f" of tenant {self.tenant!r}" if self.tenant else ""
        return f"{self.kind} {self.key!r}{owner}"


class Stream(msgspec.Struct, frozen=True, gc=False):
    """The stream as it stands in the line; the tenant has a field of its own."""

    kind: str
    key: str


# What fits into the chain's int64. A greater one is damage, and no event.
_Ordinal = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]


class Event(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One event of the log, the same from either copy.

    `data` and `meta` are left raw: read `.value` where a fold needs it. `time` and `occurred_at`
    are RFC 3339, UTC, microseconds, so they sort as text.
    """

    position: _Ordinal
    tenant: str
    stream: Stream
    version: _Ordinal
    type: str
    schema: int
    id: str
    time: str
    occurred_at: str | None = None
    encoding: str | None = None
    data: Raw
    meta: Raw
    # An event of the log is decoded where a fold needs it; see `NewEvent.said`. (No property: folds ask
    # for it with each event, and a call takes ten times as long.)
    said: ClassVar[None] = None

    @property
    def stream_id(self) -> StreamId:
        return StreamId(self.tenant, self.stream.kind, self.stream.key)

    @property
    def value(self) -> Any:
        """The payload as Python objects."""
        return decode_payload(self.data, self.encoding)

    @property
    def metadata(self) -> dict[str, Any]:
        """`meta` as a dict."""
        return msgspec.json.decode(self.meta, type=dict[str, Any])


class NewEvent(msgspec.Struct, frozen=True, gc=False):
    """An event that has been checked, encoded and hashed, and has no place in the log yet.

    `said` is `data` as its maker read it back, or None. Never written: it spares the inline folds
    a decoding, the longest step of folding a message.
    """

    stream: StreamId
    type: str
    schema: int
    id: str
    occurred_at: str | None
    encoding: str | None
    data: bytes
    meta: bytes
    hash: bytes
    said: Any = None


def new_event(
    stream: StreamId,
    type: str,
    data: Any,
    *,
    id: str,
    schema: int = 1,
    meta: bytes = b"{}",
    occurred_at: str | None = None,
) -> NewEvent:
    """Check, encode and hash one event.

    Args:
        stream: a StreamId from `check_stream`.
        type: past tense, `[a-z][a-z0-9_]*`, at most 63 characters.
        data: see `payload.encode_payload`.
        id: a UUID in its canonical text form (`clock.Ids` makes version 7; `check_id` checks).
        schema: version of the shape of `data`, 1 to 32,767.
        meta: JSON object as bytes, from `encode_meta`.
        occurred_at: the source's own time, from `format_time`.
    Raises:
        BadIdentifier, BadPayload, EventTooLarge: nothing was written.
    """
    if not _NAME.match(type):
        raise BadIdentifier(f"event type {type!r} must match [a-z][a-z0-9_]* and have at most 63 characters")
    if not 1 <= schema <= MAX_SCHEMA:
        raise BadInput(f"schema {schema} of {type!r} must be from 1 to {MAX_SCHEMA}")
    line, encoding = encode_payload(data)
    return hashed(stream, type, schema, id, occurred_at, encoding, line, meta)


def with_meta(event: NewEvent, meta: bytes) -> NewEvent:
    """Return the event with other `meta`, hashed anew. Raises EventTooLarge like `new_event`."""
    fields = (event.stream, event.type, event.schema, event.id, event.occurred_at, event.encoding)
    return hashed(*fields, event.data, meta, event.said)


def hashed(
    stream: StreamId,
    type: str,
    schema: int,
    id: str,
    occurred_at: str | None,
    encoding: str | None,
    data: bytes,
    meta: bytes,
    said: Any = None,
) -> NewEvent:
    """Return an event of parts that were checked and encoded. Raises EventTooLarge like `new_event`."""
    length = len(data) + len(meta) + len(_stream_part(stream)) + OTHER_FIELDS_BYTES
    if length > MAX_EVENT_BYTES:
        raise _too_large(type, stream, length)
    hash = event_hash(stream, type, schema, id, occurred_at, encoding, data, meta)
    return NewEvent(stream, type, schema, id, occurred_at, encoding, data, meta, hash, said)


def event_hash(
    stream: StreamId,
    type: str,
    schema: int,
    id: str,
    occurred_at: str | None,
    encoding: str | None,
    data: bytes,
    meta: bytes,
) -> bytes:
    """Return hash(n): what was said, without its place in the log. 32 bytes."""
    canonical = b'{%b%b"meta":%b}%b' % (
        _stream_part(stream),
        _said_part(type, schema, id, occurred_at, encoding),
        meta,
        sha256(data).digest(),
    )
    return sha256(canonical).digest()


def chain_hash(previous: bytes, position: int, version: int, time_us: int, hash: bytes) -> bytes:
    """Return chain(n) from chain(n-1): what was said and where it stands. 32 bytes."""
    return sha256(previous + _LINK.pack(position, version, time_us) + hash).digest()


def encode_line(event: NewEvent, position: int, version: int, time: str) -> bytes:
    """Return the event's line, newline included: the same bytes in both copies."""
    return b'{"position":%d,%b"version":%d,%b"data":%b,"meta":%b}\n' % (
        position,
        _stream_part(event.stream),
        version,
        _said_part(event.type, event.schema, event.id, event.occurred_at, event.encoding, time),
        event.data,
        event.meta,
    )


def unplaced(event: Event) -> NewEvent:
    """Return the event without its place, its hash recomputed from its fields."""
    data, meta, stream = bytes(event.data), bytes(event.meta), event.stream_id
    hash = event_hash(
        stream, event.type, event.schema, event.id, event.occurred_at, event.encoding, data, meta
    )
    return NewEvent(
        stream, event.type, event.schema, event.id, event.occurred_at, event.encoding, data, meta, hash
    )


def _too_large(type: str, stream: StreamId, length: int) -> EventTooLarge:
    return EventTooLarge(
        f"{type} on {stream} is {length:,} bytes when encoded, over the limit of {MAX_EVENT_BYTES:,}",
        hint="split it, or keep large content outside of the log and append a reference",
        length_bytes=length,
        limit_bytes=MAX_EVENT_BYTES,
    )


def check_stream(tenant: str, kind: str, key: str) -> StreamId:
    """Return the identity of a stream, or refuse it.

    Raises:
        BadIdentifier: the kind is not `[a-z][a-z0-9_]*`; tenant or key hold NUL or a lone
            surrogate; the key is empty; either is too long (256 and 1,024 bytes of UTF-8).
    """
    if not isinstance(kind, str) or not _NAME.match(kind):
        raise BadIdentifier(f"stream kind {shown(kind)} must match [a-z][a-z0-9_]*, 63 characters at most")
    check_text(tenant, "tenant", MAX_TENANT_BYTES)
    check_text(key, f"{kind} key", MAX_KEY_BYTES)
    if not key:
        raise BadIdentifier(f"{kind} key is empty", hint="give the stream a key")
    return StreamId(tenant, kind, key)


def check_text(value: str, what: str, limit_bytes: int) -> str:
    """Return `value` if an identifier column can hold it: no NUL, no lone surrogate, not too long."""
    if not isinstance(value, str):
        raise BadIdentifier(f"{what} must be str, not {type(value).__name__}")
    if "\x00" in value:
        raise BadIdentifier(f"{what} {value!r} holds a NUL character, which identifiers cannot")
    try:
        length = len(value.encode())
    except UnicodeEncodeError as error:
        raise BadIdentifier(
            f"{what} {value!r} holds a lone surrogate at index {error.start}, which identifiers cannot"
        ) from error
    if length > limit_bytes:
        raise BadIdentifier(
            f"{what} is {length} bytes long, over the limit of {limit_bytes}: {value[:40]!r}…"
        )
    return value


def check_id(value: str | uuid.UUID) -> str:
    """Return an event id in canonical text form, or raise BadIdentifier."""
    try:
        return str(uuid.UUID(str(value)))
    except ValueError as error:
        raise BadIdentifier(f"event id {value!r} is not a UUID") from error


def encode_meta(meta: dict[str, Any]) -> bytes:
    """Encode `meta`: a JSON object, strict (no lone surrogates, depth 128), at most 64 KiB.

    Raises:
        BadPayload: it is none, or it has a field "idempotency". A restore of Postgres believes that
            field, so a caller's would be a key that no command ever had.
    """
    if not isinstance(meta, dict):
        raise BadPayload(f"meta must be a dict, not {type(meta).__name__}")
    if KEY_FIELD in meta:
        raise BadPayload(
            f"meta has a field {KEY_FIELD!r}, which is the log's own: it notes idempotency keys there",
            hint="name the field otherwise; a command's key is its `idempotency_key`",
        )
    line, encoding = encode_payload(meta)
    if encoding is not None:
        raise BadPayload("meta holds a lone surrogate or a number or nesting no strict JSON reader takes")
    if len(line) > MAX_META_BYTES:
        raise BadPayload(f"meta is {len(line):,} bytes when encoded, over the limit of {MAX_META_BYTES:,}")
    return line


def format_time(value: datetime) -> str:
    """Return RFC 3339 in UTC with microseconds, e.g. `2026-11-22T07:44:36.000000Z`."""
    if value.tzinfo is None:
        raise BadInput(f"time {value.isoformat()} has no time zone", hint="add one, e.g. tzinfo=UTC")
    try:
        value = value.astimezone(UTC)
    except OverflowError as error:
        raise BadInput(f"time {value.isoformat()} is not within the years 1 to 9999 in UTC") from error
    return value.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse_time(text: str) -> datetime:
    """Return the datetime of an RFC 3339 text with a time zone; raise BadInput otherwise."""
    try:
        value = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInput(f"{text!r} is not an RFC 3339 time such as 2026-11-22T07:44:36Z") from error
    if value.tzinfo is None:
        raise BadInput(f"time {text!r} has no time zone", hint="end it with Z or an offset")
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise BadInput(f"time {text!r} is not within the years 1 to 9999 in UTC") from error


@lru_cache(maxsize=256)
def time_to_us(text: str) -> int:
    """Microseconds since 1970 of a time as it stands on a line; ValueError when it is none.

    Exact: integers throughout.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return (moment - _EPOCH) // _MICROSECOND


def us_to_time(time_us: int) -> str:
    """The inverse of `time_to_us`."""
    second, micros = divmod(time_us, 1_000_000)
    return f"{_second(second)}.{micros:06d}Z"


@lru_cache(maxsize=256)
def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat(timespec="seconds")


def decode_lines(text: bytes) -> Sequence[Event]:
    """Return the events of a block of lines, in order, payloads left raw.

    Raises:
        msgspec.DecodeError: a line is not an event; the caller knows where it stands.
    """
    try:
        return _decoder.decode_lines(text)
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from error


_decoder = msgspec.json.Decoder(Event)


@lru_cache(maxsize=65_536)
def _stream_part(stream: StreamId) -> bytes:
    return b'"tenant":%b,"stream":{"kind":%b,"key":%b},' % (
        _text(stream.tenant),
        _text(stream.kind),
        _text(stream.key),
    )


def _said_part(
    type: str, schema: int, id: str, occurred_at: str | None, encoding: str | None, time: str | None = None
) -> bytes:
    """The fields between the version and the data. Formatted as text first: that takes half as long."""
    part = f'"type":"{type}","schema":{schema},"id":"{id}",'
    if time is not None:
        part = f'{part}"time":"{time}",'
    if occurred_at is not None:
        part = f'{part}"occurred_at":"{occurred_at}",'
    if encoding is not None:
        part = f'{part}"encoding":"{encoding}",'
    return part.encode()
