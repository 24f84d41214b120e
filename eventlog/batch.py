"""Form one append batch from waiting commands: check, fold, number, group. Pure, no I/O.

The writer knows each stream at some version, with the states its inline projections had there. A
batch is built on that knowledge and says so (the stamp); the append function refuses what turns
out to be stale. Commands that touch the same streams form a *group*, refused or accepted as one,
because the rows folded for a stream count all of the group's commands on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum, auto
from typing import Any, NamedTuple

import msgspec

from eventlog.command import Command, Receipt
from eventlog.envelope import NewEvent, StreamId
from eventlog.projection import InlineProjection, without_nul

_encode = msgspec.json.Encoder().encode


class StreamState:
    """A stream as the writer knows it: id, version, and each projection's state there."""

    __slots__ = ("confirmed", "id", "states", "version")

    def __init__(self, id: int | None, version: int, states: Sequence[Any], confirmed: int) -> None:
        self.id = id
        self.version = version
        self.states = states
        # The tick at which Postgres was last asked; commands that came later may know better.
        self.confirmed = confirmed


class Pending:
    """A command waiting for its verdict."""

    __slots__ = (
        "alone",
        "attempts",
        "bytes",
        "command",
        "committed",
        "followers",
        "future",
        "looked_up_on",
        "maybe_sent",
        "observed",
        "stored",
        "streams",
        "tick",
        "wait_for_mirror",
    )

    def __init__(
        self,
        command: Command,
        length: int,
        future: asyncio.Future[Receipt],
        tick: int,
        wait_for_mirror: bool,
    ) -> None:
        self.command = command
        self.stored: list[tuple[bool, bytes]] = []  # (compressed, data) of each event, see `store`
        self.future = future
        self.tick = tick
        self.wait_for_mirror = wait_for_mirror
        self.streams: tuple[StreamId, ...]
        if len(command.events) == 1 and not command.expected:  # most commands
            self.streams = (command.events[0].stream,)
        else:
            named = [event.stream for event in command.events] + list(command.expected)
            self.streams = tuple(dict.fromkeys(named))
        self.bytes = length  # at most what its lines take
        self.maybe_sent = False  # a commit with it inside, or with its event ids, lost its answer
        # Then: what was known of its streams before it was last looked up.
        self.looked_up_on: list[StreamState | None] | None = None
        self.observed: dict[str, Any] | None = None  # the states its command asks for, after it
        self.committed = False  # Postgres has it; only the mirror may still keep it waiting
        self.attempts = 0  # how often it was rolled back, or its connection lost
        self.alone = False  # Postgres refused a batch with it inside: a batch of its own shows why
        self.followers: list[Pending] = []  # the same idempotency key, in the same batch

    def store(self, stored: Callable[[bytes], tuple[bool, bytes]]) -> None:
        """Make its data what Postgres is to have, unless that was done. Before it comes into a batch."""
        self.stored = self.stored or [stored(event.data) for event in self.command.events]

    def known_in(self, known: Mapping[StreamId, StreamState]) -> list[StreamState | None]:
        """What is known of each of its streams; equal only to itself: every append makes new states."""
        return [known.get(stream) for stream in self.streams]


class Slot:
    """A stream inside the batch: where it started (the stamp) and where it has got to."""

    __slots__ = ("base", "group", "id", "index", "states", "stream", "version")

    def __init__(self, stream: StreamId, index: int, base: StreamState) -> None:
        self.stream = stream
        self.index = index  # 1-based, as the append function counts
        self.group = index
        self.base = base
        self.id = base.id
        self.version = base.version
        self.states = list(base.states)


class Row:
    """One projection row to be written: the newest state, and the events that made it."""

    __slots__ = ("first", "last", "slot", "state", "version")

    def __init__(self, slot: Slot, first: int) -> None:
        self.slot = slot
        self.first = first
        self.last = first
        self.version = 0
        self.state: Any = None


class Entry(NamedTuple):
    """A command in a batch: the ordinal of its first event, and its first slot, both 1-based."""

    pending: Pending
    ordinal: int
    slot: int


class Batch:
    """Commands in one append: the slots, the events with their versions, the rows."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.slots: list[Slot] = []
        self.events: list[NewEvent] = []
        self.stored: list[tuple[bool, bytes]] = []  # of each event
        self.event_slots: list[Slot] = []
        self.versions: list[int] = []
        self.rows: dict[str, dict[Any, Row]] = {}
        self.keys: dict[tuple[str, str], tuple[Pending, int]] = {}
        self.deferred: list[Pending] = []  # must wait for the verdict of something before them
        self.doubtful: list[Pending] = []  # an expected version differs; Postgres must be asked first
        self.conflicts: list[tuple[Pending, StreamId, int, int]] = []  # (…, expected, actual)
        self._by_stream: dict[StreamId, Slot] = {}
        self._interested: dict[tuple[str, str], Sequence[tuple[int, InlineProjection, bool]]] = {}

    def rows_json(self) -> dict[str, str]:
        """The projection rows as the append function takes them: a JSON array by table."""
        tables = {}
        for name, rows in self.rows.items():
            parts = [
                b'{"s":%d,"f":%d,"l":%d,"version":%d,%b'
                % (row.slot.index, row.first, row.last, row.version, _encode(row.state)[1:])
                for row in rows.values()
            ]
            tables[name] = without_nul(b"[%b]" % b",".join(parts)).decode()
        return tables

    def formed_on(self, pending: Pending) -> list[StreamState | None]:
        """What was known of a command's streams when it came into this batch."""
        bases = [self._by_stream[stream].base for stream in pending.streams]
        return [base if base.confirmed else None for base in bases]

    def group_of(self, entry: Entry) -> int:
        """The group that an entry is refused or accepted with."""
        return self.slots[entry.slot - 1].group

    def slot(
        self,
        stream: StreamId,
        known: Mapping[StreamId, StreamState],
        folds: Mapping[str, Sequence[InlineProjection]],
    ) -> Slot:
        slot = self._by_stream.get(stream)
        if slot is None:
            base = known.get(stream) or StreamState(None, 0, (None,) * len(folds.get(stream.kind, ())), 0)
            slot = self._by_stream[stream] = Slot(stream, len(self.slots) + 1, base)
            self.slots.append(slot)
        return slot

    def interested(
        self, kind: str, type: str, folds: Mapping[str, Sequence[InlineProjection]]
    ) -> Sequence[tuple[int, InlineProjection, bool]]:
        """The projections that an event of this type concerns: (number, projection, begins alone)."""
        found = self._interested.get((kind, type))
        if found is None:
            found = self._interested[kind, type] = [
                (number, projection, type in projection.begins)
                for number, projection in enumerate(folds.get(kind, ()))
                if type in projection.types
            ]
        return found

    def write_row(self, projection: InlineProjection, slot: Slot, state: Any) -> None:
        """Note that the latest event made `state` the newest state of a row."""
        rows = self.rows.setdefault(projection.name, {})
        identity = (
            (slot.index, *[getattr(state, name) for name in projection.row_key])
            if projection.row_key
            else slot.index
        )
        row = rows.get(identity)
        if row is None:
            row = rows[identity] = Row(slot, len(self.events))
        row.last = len(self.events)
        row.version = slot.version
        row.state = state

    def version_of(self, stream: StreamId, known: Mapping[StreamId, StreamState]) -> tuple[int, int, bool]:
        """(version, tick it was confirmed at, changed in this batch) of a stream."""
        slot = self._by_stream.get(stream)
        if slot is not None:
            return slot.version, slot.base.confirmed, slot.version != slot.base.version
        base = known.get(stream)
        return (base.version, base.confirmed, False) if base else (0, 0, False)


class FoldFailed(Exception):
    """A projection broke its promise to be total. Fails its command, nothing else."""

    def __init__(self, pending: Pending, error: Exception) -> None:
        super().__init__(str(error))
        self.pending = pending
        self.error = error


def form_batch(
    waiting: Iterable[Pending],
    known: Mapping[StreamId, StreamState],
    folds: Mapping[str, Sequence[InlineProjection]],
) -> Batch:
    """Form a batch from `waiting`, in order, on the streams as they are known.

    Args:
        known: streams by identity; an absent one is believed new.
        folds: inline projections by stream kind.
    Raises:
        FoldFailed: an `evolve` raised; form again without that command.
    """
    batch = Batch()
    blocked: set[StreamId] = set()
    for pending in waiting:
        # Commands on one stream keep their order: whoever follows one that waits, waits too.
        if blocked and not blocked.isdisjoint(pending.streams):
            verdict = _Verdict.DEFERRED
        elif pending.command.expected or pending.command.idempotency_key is not None:
            verdict = _judge(batch, pending, known)
        else:
            verdict = _Verdict.ADMITTED
        if verdict is _Verdict.ADMITTED:
            _add(batch, pending, known, folds)
        elif verdict is not _Verdict.ANSWERED:
            (batch.deferred if verdict is _Verdict.DEFERRED else batch.doubtful).append(pending)
            blocked.update(pending.streams)
    return batch


class _Verdict(Enum):
    ADMITTED = auto()
    DEFERRED = auto()
    DOUBTFUL = auto()
    ANSWERED = auto()  # it is in `conflicts`, or follows the command with the same key


def _judge(batch: Batch, pending: Pending, known: Mapping[StreamId, StreamState]) -> _Verdict:
    """Look at a command's key and expected versions."""
    key = pending.command.idempotency_key
    owner = (pending.streams[0].tenant, key or "")
    first = batch.keys.get(owner) if key is not None else None
    if first is not None:
        # A repeat is answered like the first one, whatever it expects; it waits when the first one
        # would be told before the segment is synced and it would not.
        if not first[0].wait_for_mirror and pending.wait_for_mirror:
            return _Verdict.DEFERRED
        if pending not in first[0].followers:
            first[0].followers.append(pending)
        return _Verdict.ANSWERED
    for stream, expected in pending.command.expected.items():
        version, confirmed, changed = batch.version_of(stream, known)
        if version == expected:
            continue
        if changed:
            return _Verdict.DEFERRED
        if confirmed <= pending.tick:
            return _Verdict.DOUBTFUL
        batch.conflicts.append((pending, stream, expected, version))
        return _Verdict.ANSWERED
    if key is not None:
        batch.keys[owner] = (pending, len(batch.events) + 1)
    return _Verdict.ADMITTED


def _add(
    batch: Batch,
    pending: Pending,
    known: Mapping[StreamId, StreamState],
    folds: Mapping[str, Sequence[InlineProjection]],
) -> None:
    batch.entries.append(
        Entry(pending, len(batch.events) + 1, batch.slot(pending.streams[0], known, folds).index)
    )
    if len(pending.streams) > 1:
        _join(batch, [batch.slot(stream, known, folds) for stream in pending.streams])
    assert pending.stored, "its data was made what Postgres is to have"
    batch.stored += pending.stored
    for event in pending.command.events:
        stream = event.stream
        slot = batch.slot(stream, known, folds)
        slot.version += 1
        batch.events.append(event)
        batch.event_slots.append(slot)
        batch.versions.append(slot.version)
        states = slot.states
        for number, projection, begins in batch.interested(stream.kind, event.type, folds):
            before = states[number]
            if begins and before is not None:
                continue
            try:
                after = projection.evolve(before, event, slot.version)
            except Exception as error:
                raise FoldFailed(pending, error) from error
            if after is not before:
                states[number] = after
                batch.write_row(projection, slot, after)
    if pending.command.observe:
        of_kind = zip(folds.get(slot.stream.kind, ()), slot.states, strict=True)
        pending.observed = {p.name: state for p, state in of_kind if p.name in pending.command.observe}


def _join(batch: Batch, slots: Sequence[Slot]) -> None:
    """Make one group of all groups these slots are in."""
    groups = {slot.group for slot in slots}
    if len(groups) > 1:
        lowest = min(groups)
        for slot in batch.slots:
            if slot.group in groups:
                slot.group = lowest


def unanswered(commands: Sequence[Pending]) -> list[Pending]:
    """Those whose callers wait. Who went away leaves behind whoever sent the same key after it."""
    found: list[Pending] = []
    for pending in commands:
        if not pending.future.done():
            found.append(pending)
        else:
            found += unanswered(pending.followers)
    return found
