"""The append call: a batch becomes parameters, the result row becomes verdicts.

One round trip for any batch; a lone event on a lone stream takes the scalar function. Sending is
all this file does: forming batches is batch.py, reacting to verdicts is writer.py.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import asyncpg
import msgspec

from eventlog.batch import Batch
from eventlog.clock import Clock
from eventlog.postgres.arrays import numbers, texts, words
from eventlog.postgres.sql import Statements
from eventlog.postgres.stored import take_times_as_text

# How often the mirror's durable position is noted in Postgres, at most.
MARK_INTERVAL_S = 0.1


class Stale(msgspec.Struct, frozen=True):
    """A stream that was not where the batch believed it: slot index, true id and version."""

    slot: int
    id: int | None
    version: int


class Duplicate(msgspec.Struct, frozen=True):
    """A key that was used before: its number in the batch, and where the original stands."""

    key: int
    first_position: int
    event_count: int


class Appended(msgspec.Struct, frozen=True):
    """What the append function did with a batch.

    Attributes:
        first_position: of the first accepted event; the rest follow without gap.
        time_us: when they were accepted, one time for the whole batch.
        chain_before, chain_after: the chain around what was accepted.
        stream_ids: by slot, for accepted groups.
        refused: groups that were not appended.
    """

    first_position: int
    time_us: int
    chain_before: bytes
    chain_after: bytes
    stream_ids: list[int | None]
    refused: frozenset[int]
    stale: list[Stale]
    duplicates: list[Duplicate]


class Appender:
    """Sends batches over one connection. Not safe for concurrent use: one batch is in flight."""

    def __init__(
        self,
        connection: asyncpg.Connection,
        statements: Statements,
        *,
        epoch: int,
        projections: str,
        mirror: uuid.UUID,
        idempotency_ttl_s: float,
        clock: Clock,
    ) -> None:
        self.connection = connection
        self.epoch = epoch
        self._tail = (epoch, projections, mirror)
        self._ttl = timedelta(seconds=idempotency_ttl_s)
        self._statements = statements
        self._clock = clock
        self._marked_at = -MARK_INTERVAL_S
        self._many: asyncpg.prepared_stmt.PreparedStatement | None = None
        self._one: asyncpg.prepared_stmt.PreparedStatement | None = None

    async def prepare(self) -> None:
        """Prepare both statements, so that the first append costs what the others do."""
        await take_times_as_text(self.connection)
        self._many = await self.connection.prepare(self._statements.append)
        self._one = await self.connection.prepare(self._statements.append_one)

    async def send(self, batch: Batch, durable_position: int) -> Appended:
        """Append the batch; the durable position of the mirror travels along as its witness."""
        assert self._many is not None, "prepare() comes first"
        assert self._one is not None
        tail = (*self._tail, self._mark(durable_position))
        if len(batch.events) == 1 and len(batch.slots) == 1 and not batch.keys:
            return _from_one(await self._one.fetchrow(*self._one_event(batch), *tail))
        return _from_many(await self._many.fetchrow(*self._many_events(batch), *tail))

    def _mark(self, durable_position: int) -> int | None:
        """The position to note in Postgres; None when one was noted a moment ago: it is a write more."""
        now = self._clock.monotonic()
        if now - self._marked_at < MARK_INTERVAL_S:
            return None
        self._marked_at = now
        return durable_position

    def _one_event(self, batch: Batch) -> tuple[Any, ...]:
        event, slot, rows = batch.events[0], batch.slots[0], batch.rows_json()
        [(compressed, data)] = batch.stored
        return (
            slot.id,
            *slot.stream,
            slot.base.version,
            event.type,
            event.schema,
            event.id,
            event.occurred_at,
            event.encoding,
            compressed,
            data,
            event.meta,
            event.hash,
            words(rows),
            list(rows.values()),
        )

    def _many_events(self, batch: Batch) -> tuple[Any, ...]:
        slots, events, keys = batch.slots, batch.events, batch.keys
        owners = {entry.pending: entry.slot for entry in batch.entries} if keys else {}
        pending_keys = list(keys.values())
        rows = batch.rows_json()
        return (
            numbers([slot.group for slot in slots]),
            texts([slot.stream.tenant for slot in slots]),
            words([slot.stream.kind for slot in slots]),
            texts([slot.stream.key for slot in slots]),
            numbers([slot.id for slot in slots]),
            numbers([slot.base.version for slot in slots]),
            numbers([slot.version for slot in slots]),
            numbers([slots[owners[pending] - 1].group for pending, _ in pending_keys]),
            texts([tenant for tenant, _ in keys]),
            texts([key for _, key in keys]),
            numbers([ordinal for _, ordinal in pending_keys]),
            numbers([len(pending.command.events) for pending, _ in pending_keys]),
            self._ttl,
            numbers([slot.index for slot in batch.event_slots]),
            numbers(batch.versions),
            words([event.type for event in events]),
            numbers([event.schema for event in events]),
            words([event.id for event in events]),
            texts([event.occurred_at for event in events]),
            texts([event.encoding for event in events]),
            *_contents(batch),
            b"".join([event.hash for event in events]),
            words(rows),
            list(rows.values()),
        )


def _contents(batch: Batch) -> tuple[str, str, str, str, bytes]:
    """Data and meta of all events as one value: asyncpg takes 2 us for each element of an array."""
    marks: list[str] = []
    starts: list[int] = []
    data_lengths: list[int] = []
    meta_lengths: list[int] = []
    parts: list[bytes] = []
    start = 1
    for event, (compressed, data) in zip(batch.events, batch.stored, strict=True):
        meta = event.meta
        marks.append("t" if compressed else "f")
        starts.append(start)
        data_lengths.append(len(data))
        meta_lengths.append(len(meta))
        parts += (data, meta)
        start += len(data) + len(meta)
    return (
        words(marks),
        numbers(starts),
        numbers(data_lengths),
        numbers(meta_lengths),
        b"".join(parts),
    )


def _from_one(row: asyncpg.Record) -> Appended:
    first, time_us, before, after, stream_id, stale_version = row
    stale = [] if stale_version is None else [Stale(1, stream_id, stale_version)]
    return Appended(
        first, time_us or 0, before, after or before, [stream_id], frozenset([1] if stale else ()), stale, []
    )


def _from_many(row: asyncpg.Record) -> Appended:
    stale = zip(row["stale"] or (), row["stale_id"] or (), row["stale_version"] or (), strict=True)
    duplicates = zip(
        row["duplicate"] or (), row["duplicate_position"] or (), row["duplicate_count"] or (), strict=True
    )
    return Appended(
        row["first_position"],
        row["time_us"],
        row["chain_before"],
        row["chain_after"],
        row["stream_ids"],
        frozenset(row["refused"] or ()),
        [Stale(*values) for values in stale],
        [Duplicate(*values) for values in duplicates],
    )
