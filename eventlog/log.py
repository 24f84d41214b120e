"""The log: append, read, follow. Wires the pieces of this package together; each does its own work.

opening   directory.py, postgres/connect.py + migrate.py, segment/, mirror.py
append    writer.py → batch.py → postgres/append.py → acknowledge.py → mirror.py
reading   local segments as far as they are synced, Postgres beyond
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from eventlog.acknowledge import Acknowledger
from eventlog.clock import Clock, Ids, SystemClock
from eventlog.command import Command, Head, Receipt, check_place
from eventlog.directory import DataDirectory
from eventlog.envelope import Event, StreamId, us_to_time
from eventlog.errors import BadInput, LogUnavailable, MirrorUnavailable, shown
from eventlog.home import Home
from eventlog.io import Io, SystemIo
from eventlog.mirror import Mirror, check_follows, compare_heads
from eventlog.notify import Notifier
from eventlog.postgres import migrate as schema
from eventlog.postgres.append import Appender
from eventlog.postgres.connect import (
    Target,
    cannot_write,
    check_durable,
    check_writable,
    connect,
    is_broken,
    session,
    unavailable,
)
from eventlog.postgres.reads import PAGE_EVENTS, Reads
from eventlog.postgres.retry import retried
from eventlog.postgres.sql import Statements
from eventlog.projection import InlineProjection, signature
from eventlog.segment.store import SegmentStore
from eventlog.settings import Settings
from eventlog.subscription import follow
from eventlog.writer import Writer

STREAM_EVENTS_MAX = 1_000_000


class Parts(NamedTuple):
    """What an open log is made of; `Log.open` builds it."""

    directory: DataDirectory
    reads: Reads
    mirror: Mirror
    acknowledger: Acknowledger
    writer: Writer
    notifier: Notifier


class Log:
    """An open log. Use `Log.open`; close it, or use it as an async context manager.

    Attributes:
        settings, clock, ids: as opened.
        projections: the inline projections, in table order.
        views_sql: what makes the views on their tables.
        reads: read access to Postgres (`await reads.fetch(sql, …)`).
        home: where it can be used. notifier: tells that there may be more, here or elsewhere; a hint.
    """

    def __init__(
        self,
        parts: Parts,
        settings: Settings,
        projections: Sequence[InlineProjection],
        views_sql: Sequence[str],
        clock: Clock,
    ) -> None:
        self.settings = settings
        self.projections = projections
        self.views_sql = views_sql
        self.clock = clock
        self.ids = Ids(clock)
        self.reads = parts.reads
        self.directory = parts.directory
        self.notifier = parts.notifier
        self._parts = parts
        self.home = Home()
        self._closing: asyncio.Task[None] | None = None
        # Where a projection's state stands among those of its stream kind.
        self._places = {
            projection.name: (kind, number)
            for kind, folds in _by_kind(projections).items()
            for number, projection in enumerate(folds)
        }

    @classmethod
    async def open(
        cls,
        data: Path,
        postgres: Target,
        *,
        projections: Sequence[InlineProjection],
        views_sql: Sequence[str] = (),
        settings: Settings | None = None,
        migrate: bool = False,
        unfilled: bool = False,
        io: Io | None = None,
        clock: Clock | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Log:
        """Open a log: the data directory's segments and the Postgres schema belong together.

        Recovers after a crash: a torn segment tail is cut (a copy goes to quarantine/), what the
        segments lack is copied from Postgres before anything is appended.

        Args:
            migrate: bring the database schema up to this release; otherwise a schema that is not
                up to date is refused.
            unfilled: open it although projection tables have yet to be rebuilt: for the rebuild
                itself. Until that is done the append function refuses everybody.
            progress: called with the position reached while missing events are copied.
        Raises:
            LogUnavailable, PostgresTooOld, SchemaMismatch, ProjectionMismatch, FormatTooNew,
            MirrorUnavailable, Damaged, CopiesDisagree, BadInput.
        """
        settings, io, clock = settings or Settings(), io or SystemIo(), clock or SystemClock()
        directory = DataDirectory(data, io)
        await _check_schema(postgres, settings, projections, views_sql, migrate, unfilled)
        reads = Reads(postgres, settings, _by_kind(projections))
        mirror: Mirror | None = None
        try:
            head = await reads.head()
            directory.belongs_to(head["log_id"])
            mirror = await _open_mirror(directory, reads, settings, io, clock, head["epoch"])
            await compare_heads(mirror, reads)
            await mirror.catch_up(head["position"], progress)
        except BaseException as error:
            if mirror is not None:
                await mirror.close()
            await reads.close()
            if cannot_write(error):
                raise unavailable(error) from error
            if isinstance(error, OSError):
                raise MirrorUnavailable(
                    f"{directory.path} cannot be written: {error}",
                    hint="free disk space, then open the store again; its local copy can be read meanwhile",
                ) from error
            raise
        parts = _start(directory, reads, mirror, postgres, settings, projections, clock, head)
        return cls(parts, settings, projections, views_sql, clock)

    async def append(self, command: Command) -> Receipt:
        """Append a command's events, all or none, and return when they are as durable as asked.

        Raises:
            Conflict: a stream is not at the expected version; nothing was appended.
            BadInput: the command can never be appended.
            LogUnavailable: Postgres is away, or takes no writes; nothing was appended.
            CopiesDisagree: Postgres came back without events that the segments have. Repair first; then
                append again as after OutcomeUnknown.
            OutcomeUnknown: the commit's answer was lost and Postgres is away; append again with
                the same event ids or idempotency key.
            NotMirrored: Postgres has it, the local segment does not; do not append again.
            MirrorUnavailable: the local disk refuses writes; nothing was appended.
            Closed: the log was closed, or opened before a fork or in another event loop.
        """
        if not isinstance(command, Command):
            raise BadInput(f"{shown(command)} is no Command, which is what can be appended")
        return await self._parts.writer.submit(command)

    async def state(self, projection: str, stream: StreamId) -> tuple[Any, int]:
        """Return (state or None, stream version) of an inline projection, for deciding on.

        From memory when this process follows the stream: it may then be behind other processes,
        which an append with the version as `expected` finds out.
        """
        kind, number = self._places[projection]
        if stream.kind != kind:
            raise BadInput(f"projection {projection!r} folds streams of kind {kind!r}, not {stream.kind!r}")
        known = self._parts.writer.known(stream)
        if known is None:
            await self._parts.writer.refresh([stream])
            known = self._parts.writer.known(stream)
        assert known is not None, "refresh remembers every stream it was asked for"
        return known.states[number], known.version

    async def reload(self, streams: Sequence[StreamId]) -> None:
        """Ask Postgres where streams stand: before deciding again after a Conflict."""
        await self._parts.writer.refresh(streams)

    async def head(self) -> Head:
        """Where the log stands in Postgres, over all hosts."""
        row = await self.reads.head()
        return Head(row["position"], us_to_time(row["time_us"]), row["chain"])

    async def catch_up(self) -> int:
        """Copy what other hosts appended into the local segments; return the head they then reach.

        Appending does so by itself; this is for who only reads the local copy.
        """
        head = (await self.head()).position
        if self.segments.durable_position < head:
            await self._parts.acknowledger.level(head)
        return head

    async def read(self, after: int = 0, until: int | None = None) -> AsyncIterator[Sequence[Event]]:
        """Yield events with after < position <= until, in order, in blocks; None reads to the head.

        Local segments first, Postgres for what they do not have yet.
        Raises BadInput for what is no position; LogUnavailable when Postgres is away, after all that the
        segments have; CopiesDisagree when what follows in Postgres does not follow them; Damaged when it
        lacks a position.
        """
        check_place(after, "after")
        end, away = None if until is None else check_place(until, "until"), None
        if end is None:
            try:
                end = (await self.head()).position
            except LogUnavailable as error:
                end, away = self.segments.durable_position, error
        async for block in self._parts.mirror.read(after, min(end, self.segments.durable_position)):
            after = block[-1].position
            yield block
        if away is not None:
            raise away
        if after < end and after == self.segments.head_position:
            # Here one copy goes on where the other ends: it must be the same history.
            await compare_heads(self._parts.mirror, self.reads)
        while after < end:
            page = await self.reads.page(after, end, PAGE_EVENTS)
            if not page and until is not None:
                return  # the log ends before `until`
            check_follows(page, after, end)
            # Up to the first gap: the next page begins behind it, and is refused.
            block = [
                row.to_event() for position, row in enumerate(page, after + 1) if row.position == position
            ]
            after = block[-1].position
            yield block

    async def read_stream(self, stream: StreamId, after: int = 0, limit: int | None = None) -> list[Event]:
        """Events of one stream with version > after, oldest first, at most `limit`.

        Raises BadInput: that is no stream, no version, or no number.
        """
        if not isinstance(stream, StreamId):
            raise BadInput(f"{shown(stream)} is no StreamId, which names a stream")
        check_place(after, "after")
        most = STREAM_EVENTS_MAX if limit is None else check_place(limit, "limit")
        found = await retried(lambda: self.reads.stream(stream, after, most), self.settings)
        return [stored.to_event() for stored in found]

    def subscribe(self, after: int = 0) -> AsyncIterator[Event]:
        """Every event after a position, then every new one as it comes, without end.

        Never misses a position and never repeats one; on a gap it would rather raise Damaged. While
        Postgres is away it gives what the segments have, and goes on by itself when it is back.
        Raises CopiesDisagree when Postgres came back without what was offered; BadInput at once.
        """
        check_place(after, "after")
        return follow(self, after, self._parts.notifier.wait_beyond)

    @property
    def segments(self) -> SegmentStore:
        """The local copy."""
        return self._parts.mirror.store

    async def close(self) -> None:
        """Append what was submitted, sync, and let everything go. Safe to call twice.

        A caller that is cancelled meanwhile does not stop it: half closed, appends would wait for ever.
        Raises Closed in a forked child and in another event loop than the log's own.
        """
        if self._closing is None or not self._closing.done():
            self.home.check()
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(), name="agentlog-close")
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        parts = self._parts
        await parts.notifier.close()
        await parts.writer.close()
        await parts.acknowledger.close()
        await parts.mirror.close()
        await parts.reads.close()

    async def __aenter__(self) -> Log:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()


def _by_kind(projections: Sequence[InlineProjection]) -> dict[str, Sequence[InlineProjection]]:
    kinds = dict.fromkeys(p.kind for p in projections)
    return {kind: tuple(p for p in projections if p.kind == kind) for kind in kinds}


async def _check_schema(
    postgres: Target,
    settings: Settings,
    projections: Sequence[InlineProjection],
    views_sql: Sequence[str],
    migrate: bool,
    unfilled: bool,
) -> None:
    # A migration may take its time; a check that hangs is a server that is not there.
    timeout_s = None if migrate else settings.command_timeout_s
    async with session(
        postgres, timeout_s=settings.connect_timeout_s, command_timeout_s=timeout_s
    ) as connection:
        await check_durable(connection)
        if migrate:
            await schema.migrate(connection, settings.schema, projections, views_sql)
        await schema.check(connection, settings.schema, projections, unfilled=unfilled)


async def _open_mirror(
    directory: DataDirectory, reads: Reads, settings: Settings, io: Io, clock: Clock, epoch: int
) -> Mirror:
    shown = os.fsencode(directory.segments).decode(errors="replace")  # a path need not be UTF-8
    rows = await reads.fetch(reads.statements.register_mirror, directory.id, shown)
    witness = rows[0]["durable_position"]
    log_id = directory.log_id
    assert log_id is not None, "belongs_to comes first"

    def open_store() -> SegmentStore:
        return SegmentStore.open(
            str(directory.segments),
            log_id=log_id,
            io=io,
            clock=clock,
            settings=settings,
            durable_witness=witness,
            epoch=epoch,
        )

    return await asyncio.to_thread(Mirror, open_store, reads)


def _start(
    directory: DataDirectory,
    reads: Reads,
    mirror: Mirror,
    postgres: Target,
    settings: Settings,
    projections: Sequence[InlineProjection],
    clock: Clock,
    head: Any,
) -> Parts:
    async def open_appender() -> Appender:
        epoch = (await reads.head())["epoch"]  # the writer forgets what it knew when it is another one
        connection = await connect(
            postgres, timeout_s=settings.connect_timeout_s, command_timeout_s=settings.command_timeout_s
        )
        appender = Appender(
            connection,
            Statements(settings.schema),
            epoch=epoch,
            projections=signature(projections),
            mirror=directory.id,
            idempotency_ttl_s=settings.idempotency_ttl_s,
            clock=clock,
        )
        try:
            check_writable(connection)
            await compare_heads(mirror, reads)
            await appender.prepare()
        except BaseException as error:
            broken = is_broken(error, closed=connection.is_closed())
            connection.terminate()
            if broken:
                raise unavailable(error) from error
            raise
        return appender

    acknowledger = Acknowledger(mirror, clock)
    writer = Writer(
        open_appender, reads, acknowledger, _by_kind(projections), settings, clock,
        head["position"], head["epoch"],
    )  # fmt: skip
    notifier = Notifier(postgres, settings, writer, reads)
    return Parts(directory, reads, mirror, acknowledger, writer, notifier)
