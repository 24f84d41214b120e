"""Make one copy of the log from the other: Postgres from the segments, the segments from Postgres.

Both give byte for byte the same lines. Nothing that exists is overwritten: the target must be empty.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import islice
from pathlib import Path

import asyncpg
import msgspec

from eventlog.clock import SystemClock
from eventlog.command import key_note
from eventlog.directory import DataDirectory
from eventlog.envelope import CHAIN_START, Event, StreamId, decode_lines, unplaced
from eventlog.errors import BadInput, Damaged
from eventlog.io import Io, SystemIo
from eventlog.mirror import Mirror
from eventlog.postgres.connect import Target, session
from eventlog.postgres.migrate import migrate
from eventlog.postgres.reads import Reads
from eventlog.postgres.sql import gate_key
from eventlog.postgres.stored import take_times_as_text
from eventlog.projection import InlineProjection
from eventlog.segment.store import SegmentStore
from eventlog.settings import Settings
from projections.catalog import INLINE, VIEWS_SQL
from replay.blocks import ReadBlock, readable_blocks
from replay.examine import verify_site
from replay.fold_all import FoldAll
from replay.records import Record, RecordMaker, copy_events, copy_streams
from replay.report import Progress, RestoreReport, no_progress, positions
from replay.site import COMMAND_TIMEOUT_S, Site, open_site
from replay.statements import filled
from replay.tables import write_rows

BLOCKS_AT_ONCE = 32


async def restore_postgres(
    data: Path,
    postgres: Target,
    *,
    projections: Sequence[InlineProjection] = INLINE,
    views_sql: Sequence[str] = (VIEWS_SQL,),
    settings: Settings | None = None,
    progress: Progress | None = None,
    io: Io | None = None,
) -> RestoreReport:
    """Fill an empty schema (made when missing) from the segments, in one transaction.

    Events, streams, head with the same log id and chain, idempotency keys that have not expired,
    projections. The epoch grows, so that a writer of before opens again.

    Args:
        progress: called with ("segments" or "restore", position, last position).
    Raises:
        BadInput: the schema holds events, or there is no data directory.
        Damaged: the segments are; nothing was restored.
    """
    site = open_site(data, postgres, projections, views_sql, settings, io)
    tell, started = progress or no_progress, site.clock.monotonic()
    await site.reads.close()
    if site.log_id is None:
        raise BadInput(f"{data} never belonged to a log", hint="there is nothing to restore from")
    await asyncio.to_thread(_cut_torn_tail, site)
    findings, end = await asyncio.to_thread(verify_site, site, tell)
    if findings:
        first, last = findings[0].first_position, findings[0].last_position
        raise Damaged(
            f"the segments are damaged, {positions(first, last)}: {findings[0].problem}",
            hint="restore needs whole segments; nothing was changed",
            first_position=first,
            last_position=last,
            where=findings[0].where,
        )
    schema, wait_s = site.settings.schema, site.settings.connect_timeout_s
    async with session(postgres, timeout_s=wait_s, command_timeout_s=None) as connection:
        await migrate(connection, schema, projections, views_sql)
        async with connection.transaction():
            await connection.execute(filled("take_gate"), gate_key(schema))
            position = await connection.fetchval(filled("head_position", schema=schema))
            rows = await connection.fetchval(filled("last_row", schema=schema))
            if position or rows:
                raise BadInput(
                    f"schema {schema!r} holds events up to position {max(position, rows)}",
                    hint="restore into an empty schema, or run `agentlog repair`",
                )
            await take_times_as_text(connection)
            await _Restore(site, connection, end, tell).run()
    return RestoreReport(events=end, seconds=site.clock.monotonic() - started)


def _cut_torn_tail(site: Site) -> None:
    """Cut bytes that nobody was promised, as opening the log does; refuse what is damaged."""
    open_segments(site.directory, site.settings, site.io).close()


class _Restore:
    """One restore of Postgres, inside of its transaction."""

    def __init__(self, site: Site, connection: asyncpg.Connection, end: int, tell: Progress) -> None:
        self._site = site
        self._connection = connection
        self._end = end
        self._tell = tell
        self._fold = FoldAll(site.projections)
        self._ids: dict[StreamId, int] = {}
        self._maker = RecordMaker(site.settings)
        self._chain = CHAIN_START
        self._last: Event | None = None
        self._keys: list[tuple[str, str, int, int, str]] = []  # tenant, key, position, events, time

    async def run(self) -> None:
        schema = self._site.settings.schema
        log_id = self._site.log_id
        assert log_id is not None
        blocks = readable_blocks(self._site.io, self._site.segments, log_id, self._end)
        while records := await asyncio.to_thread(self._records, blocks):
            await copy_events(self._connection, schema, records)
            self._tell("restore", self._fold.position, self._end)
        # Invariant: what verify saw is what was copied.
        assert self._fold.position == self._end
        streams = self._fold.streams.items()
        await copy_streams(
            self._connection,
            schema,
            ((self._ids[stream], stream, folded.version) for stream, folded in streams),
        )
        await self._connection.executemany(filled("restore_key", schema=schema), self._expiring())
        for projection in self._site.projections:
            everything = {id for stream, id in self._ids.items() if stream.kind == projection.kind}
            await write_rows(self._connection, schema, self._fold, projection, self._ids, everything)
        time = self._last.time if self._last is not None else "1970-01-01T00:00:00Z"
        await self._connection.execute(
            filled("set_head", schema=schema), log_id, self._end, time, self._chain
        )

    def _expiring(self) -> list[tuple[str, str, int, int, str, timedelta]]:
        lifetime = timedelta(seconds=self._site.settings.idempotency_ttl_s)
        return [(*key, lifetime) for key in self._keys]

    def _records(self, blocks: Iterator[ReadBlock]) -> list[Record]:
        """Return the records of some blocks; in a thread."""
        records: list[Record] = []
        for block in islice(blocks, BLOCKS_AT_ONCE):
            events = decode_lines(b"".join(block.lines))
            assert block.header.chain_before == self._chain, "the segments were verified"
            self._chain = block.header.chain_after
            for event in events:
                new = unplaced(event)
                id = self._ids.setdefault(new.stream, len(self._ids) + 1)
                chain = self._chain if event is events[-1] else None
                if (note := key_note(new.meta)) is not None:
                    key = (event.tenant, note.key, event.position, note.events, event.time)
                    self._keys.append(key)
                records.append(self._maker.record(event, id, new.hash, chain))
            self._fold.add(events)
            self._last = events[-1]
        return records


async def restore_segments(
    data: Path,
    postgres: Target,
    *,
    settings: Settings | None = None,
    progress: Progress | None = None,
    io: Io | None = None,
) -> RestoreReport:
    """Write the segments of an empty data directory from Postgres.

    An interrupted restore goes on where it stopped when the log is opened.

    Args:
        progress: called with ("restore", position, last position).
    Raises:
        BadInput: the directory has segments already.
        CopiesDisagree: the directory belongs to another log.
        Damaged: Postgres is; what stands before that was written.
    """
    io, clock, settings = io or SystemIo(), SystemClock(), settings or Settings()
    tell, started = progress or no_progress, clock.monotonic()
    directory = DataDirectory(data, io)
    if any(directory.segments.glob("*.ndjson.zst")):
        raise BadInput(
            f"{directory.segments} holds segments",
            hint="open the log, which copies what they lack; or run `agentlog repair`",
        )
    reads = Reads(postgres, msgspec.structs.replace(settings, command_timeout_s=COMMAND_TIMEOUT_S), {})
    try:
        head = await reads.head()
        directory.belongs_to(head["log_id"])
        await forget_witness(directory, reads, 0)
        await copy_missing(directory, reads, settings, io, head["position"], tell)
    finally:
        await reads.close()
    return RestoreReport(events=head["position"], seconds=clock.monotonic() - started)


async def forget_witness(directory: DataDirectory, reads: Reads, position: int) -> None:
    """Let Postgres know how far this directory is synced, when that is less than it was."""
    await reads.fetch(reads.statements.register_mirror, directory.id, str(directory.segments))
    await reads.fetch(filled("lower_mirror", schema=reads.statements.schema), directory.id, position)


async def copy_missing(
    directory: DataDirectory, reads: Reads, settings: Settings, io: Io, until: int, tell: Progress
) -> None:
    """Append to the segments what they lack up to a position, from Postgres, checked and synced."""
    epoch = (await reads.head())["epoch"]
    mirror = await asyncio.to_thread(Mirror, lambda: open_segments(directory, settings, io, epoch), reads)
    try:
        await mirror.catch_up(until, lambda position: tell("restore", position, until))
    finally:
        await mirror.close()


def open_segments(directory: DataDirectory, settings: Settings, io: Io, epoch: int = 0) -> SegmentStore:
    """Open the segments of a directory that belongs to a log; `epoch` goes into what is written."""
    log_id = directory.log_id
    assert log_id is not None
    return SegmentStore.open(
        str(directory.segments),
        log_id=log_id,
        io=io,
        clock=SystemClock(),
        settings=settings,
        epoch=epoch,
    )
