"""What callers hand to the log, and what they get back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from eventlog.envelope import OTHER_FIELDS_BYTES, NewEvent, StreamId, check_text, with_meta
from eventlog.errors import BadInput, shown
from eventlog.settings import DURABILITIES

MAX_EVENTS_PER_COMMAND = 10_000
# A batch is one block of a segment, and a block holds at most 64 MiB of lines.
MAX_COMMAND_BYTES = 32 * 1024 * 1024
MAX_IDEMPOTENCY_KEY_BYTES = 512
VERSION_MAX = 2**63 - 1


class Command(msgspec.Struct, frozen=True):
    """Events to append together: all of them or none, contiguous, in this order.

    Attributes:
        events: 1 to 10,000 events of at most 32 MiB, on one stream or several of one tenant.
        expected: exact version a stream must have before; 0 means the stream must not exist.
            Streams that are not named may be anywhere. A stream may be named without being
            written to.
        idempotency_key: a repeat within the key's lifetime returns the first Receipt, whatever
            the events; at most 512 bytes. It is noted in the `meta` of the first event.
        durability: "both" or "postgres" for this command alone; None takes the log's setting.
        observe: inline projections whose states, right after the command's last event and on its stream,
            the Receipt is to tell.
    """

    events: Sequence[NewEvent]
    expected: Mapping[StreamId, int] = msgspec.field(default_factory=dict)
    idempotency_key: str | None = None
    durability: str | None = None
    observe: Sequence[str] = ()

    def check(self) -> int:
        """Return at most how many bytes its lines take; raise BadInput when it can never be appended."""
        if not 1 <= len(self.events) <= MAX_EVENTS_PER_COMMAND:
            raise BadInput(
                f"a command has {len(self.events)} events and must have 1 to {MAX_EVENTS_PER_COMMAND:,}"
            )
        tenant = self.events[0].stream.tenant
        # Escaping makes up to six bytes of a character of the stream's identity.
        length = (OTHER_FIELDS_BYTES + 6 * len(tenant)) * len(self.events)
        for event in self.events:
            length += len(event.data) + len(event.meta) + 6 * len(event.stream.key)
            if event.stream.tenant != tenant:
                raise _several_tenants(tenant, event.stream)
        if length > MAX_COMMAND_BYTES:
            raise BadInput(
                f"a command has {length:,} bytes of events, over the limit of {MAX_COMMAND_BYTES:,}",
                hint="append its events as several commands",
            )
        for stream, version in self.expected.items():
            if stream.tenant != tenant:
                raise _several_tenants(tenant, stream)
            # What cannot be a version must not get as far as a batch, which it would share with others.
            check_place(version, f"expected version of {stream}")
        if self.idempotency_key is not None:
            check_text(self.idempotency_key, "idempotency key", MAX_IDEMPOTENCY_KEY_BYTES)
        if self.durability is not None and self.durability not in DURABILITIES:
            raise BadInput(f"durability {shown(self.durability)} must be one of {', '.join(DURABILITIES)}")
        return length


def check_place(value: int, what: str) -> int:
    """Return a position, a version or a count as Postgres holds it; raise BadInput unless it is one."""
    if not isinstance(value, int) or not 0 <= value <= VERSION_MAX:
        raise BadInput(f"{what} {shown(value)} must be a whole number from 0 to 2^63 - 1")
    return value


def _several_tenants(tenant: str, other: StreamId) -> BadInput:
    return BadInput(
        f"a command names streams of tenant {tenant!r} and {other.tenant!r} and must keep to one tenant"
    )


class KeyNote(msgspec.Struct, frozen=True):
    """What the first event of a keyed command tells in its `meta`, under KEY_FIELD: "idempotency".

    So that keys survive in the segments, and Postgres restored from them still knows the key.
    `encode_meta` refuses that name to callers, so nobody else writes it.
    """

    key: str
    events: int


class _Noted(msgspec.Struct, frozen=True):
    idempotency: KeyNote | None = None


_noted = msgspec.json.Decoder(_Noted)


def with_key_note(command: Command) -> Command:
    """Return a command that was checked with its idempotency key in its first event's `meta`."""
    assert command.idempotency_key is not None
    first = command.events[0]
    note = msgspec.json.encode(_Noted(KeyNote(command.idempotency_key, len(command.events))))
    meta = note if first.meta == b"{}" else first.meta[:-1] + b"," + note[1:]
    return msgspec.structs.replace(command, events=[with_meta(first, meta), *command.events[1:]])


def key_note(meta: bytes) -> KeyNote | None:
    """The note in an event's `meta`; None when there is none, or it is not of our making."""
    if b'"idempotency"' not in meta:
        return None
    try:
        return _noted.decode(meta).idempotency
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors, and so is no UTF-8
        return None


class Receipt(msgspec.Struct, frozen=True):
    """Proof that a command stands in the log.

    Attributes:
        first_position, last_position: where its events stand, contiguous.
        versions: of each stream written to, the version of the command's last event on it.
        time: when the log accepted it, RFC 3339.
        duplicate: True when an earlier command with this idempotency key is meant.
        states: what was to be observed, by projection; None where that is not known any more: a
            duplicate, or a commit whose answer was lost.
    """

    first_position: int
    last_position: int
    versions: dict[StreamId, int]
    time: str
    duplicate: bool = False
    states: Mapping[str, Any] | None = None


class Head(msgspec.Struct, frozen=True):
    """Where the log stands: its last position (0: empty), that event's time, and the chain there."""

    position: int
    time: str
    chain: bytes
