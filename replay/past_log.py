"""A log as it stood at a moment of the past: reads what handles read of a log, and takes no event."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

import asyncpg

from eventlog.clock import Ids
from eventlog.command import Command, Head, Receipt
from eventlog.envelope import Event, StreamId, time_to_us
from eventlog.errors import BadInput
from eventlog.log import Log
from eventlog.postgres.reads import StoredEvent
from replay.fold_all import FoldAll
from replay.moment import Moment, find_moment
from replay.past import StreamPasts
from replay.past_tables import PastTables

MOMENTS_MAX = 2  # of which all tables are kept at a time


class Pasts:
    """What was read of the past of one open log, kept for what is asked for next. Close it."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.streams = StreamPasts(log.projections, log.read_stream)
        self.one = PastTables(log)
        self._whole: OrderedDict[int, PastTables] = OrderedDict()

    def whole(self, position: int) -> PastTables:
        """Return tables that are, or will be, filled as of a position."""
        tables = self._whole.pop(position, None)
        if tables is None and len(self._whole) >= MOMENTS_MAX:
            tables = self._whole.popitem(last=False)[1]  # those of another moment, to be filled anew
        tables = self._whole[position] = tables or PastTables(self.log)
        return tables

    async def close(self) -> None:
        """Let go of all connections."""
        for tables in [self.one, *self._whole.values()]:
            await tables.close()


class _PastClock:
    """A clock that shows the time of a moment."""

    def __init__(self, time_us: int) -> None:
        self._time_us = time_us

    def now_us(self) -> int:
        return self._time_us

    def monotonic(self) -> float:
        return self._time_us / 1e6


class PastLog:
    """What of a log can be read as of a moment. The moment is looked up at the first read, then it stands."""

    def __init__(self, pasts: Pasts, position: int | None, time: datetime | None) -> None:
        self._pasts, self._position, self._time = pasts, position, time
        self._moment: Moment | None = None
        self._finding = asyncio.Lock()
        self.projections = pasts.log.projections
        self.settings = pasts.log.settings
        self.directory = pasts.log.directory
        self.home = pasts.log.home
        self.reads = self

    @property
    def clock(self) -> _PastClock:
        """The time that it is then. Only after the first read: before it asks whoever means to append."""
        if self._moment is None:
            raise BadInput("the log as of a moment takes no event", hint="append to the store itself")
        return _PastClock(time_to_us(self._moment.time))

    @property
    def ids(self) -> Ids:
        """Of the log itself: an id has no past."""
        return self._pasts.log.ids

    async def moment(self) -> Moment:
        """Where it stands. Raises BadInput; see `find_moment`."""
        async with self._finding:
            if self._moment is None:
                self._moment = await find_moment(self._pasts.log, self._position, self._time)
            return self._moment

    @property
    def known(self) -> Moment | None:
        """Where it stands, once that was looked up."""
        return self._moment

    async def append(self, command: Command) -> Receipt:
        """Refuse: raises BadInput."""
        moment = await self.moment()
        raise BadInput(
            f"the log as of position {moment.position} takes no event", hint="append to the store itself"
        )

    async def head(self) -> Head:
        """Where the log stood."""
        position, time = await self.moment()
        return Head(position, time, await self._pasts.log.reads.chain_at(position))

    async def catch_up(self) -> int:
        """Nothing is to be waited for; return the position."""
        return (await self.moment()).position

    async def fold_of(self, stream: StreamId) -> FoldAll:
        """Return the fold of one stream as of the moment."""
        return await self._pasts.streams.at(stream, (await self.moment()).position)

    async def state(self, projection: str, stream: StreamId) -> tuple[Any, int]:
        """See `Log.state`."""
        fold = await self.fold_of(stream)
        for number, one in enumerate(fold.projections_of(stream.kind)):
            if one.name == projection:
                folded = fold.streams.get(stream)
                return (None, 0) if folded is None else (folded.states()[number], folded.version)
        raise BadInput(f"projection {projection!r} does not fold streams of kind {stream.kind!r}")

    async def reload(self, streams: Sequence[StreamId]) -> None:
        """Nothing changes any more."""

    async def read(self, after: int = 0, until: int | None = None) -> AsyncIterator[Sequence[Event]]:
        """See `Log.read`; as far as the moment."""
        end = (await self.moment()).position
        async for block in self._pasts.log.read(after, end if until is None else min(until, end)):
            yield block

    async def read_stream(self, stream: StreamId, after: int = 0, limit: int | None = None) -> list[Event]:
        """See `Log.read_stream`; as far as the moment."""
        end = (await self.moment()).position
        found = await self._pasts.log.read_stream(stream, after, limit)
        return [event for event in found if event.position <= end]

    async def fetch(self, sql: str, *arguments: Any) -> list[asyncpg.Record]:
        """Run a query over the tables as they stood. The first one folds the log up to the moment."""
        moment = await self.moment()
        return await self._pasts.whole(moment.position).fetch(moment, sql, arguments)

    async def events(self, sql: str, *arguments: Any) -> list[StoredEvent]:
        """See `Reads.events`, over the tables as they stood."""
        return [self._pasts.log.reads.stored(row) for row in await self.fetch(sql, *arguments)]

    async def fetch_of(self, stream: StreamId, sql: str, *arguments: Any) -> list[asyncpg.Record]:
        """Run a query that looks at rows of one stream alone. Folds that stream."""
        fold = await self.fold_of(stream)
        return await self._pasts.one.fetch_of(fold, stream, await self.moment(), sql, arguments)
