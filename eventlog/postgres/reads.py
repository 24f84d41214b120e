"""Reading the log from Postgres: pages of events, streams, states, places. A small pool of its own.

Every read is short; a long snapshot would keep vacuum from cleaning behind busy projections.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, TypeVar

import asyncpg
import msgspec
import zstandard
from msgspec import Raw

from eventlog.batch import StreamState
from eventlog.command import Receipt
from eventlog.envelope import (
    CHAIN_START,
    Event,
    NewEvent,
    Stream,
    StreamId,
    chain_hash,
    encode_line,
    us_to_time,
)
from eventlog.errors import LogUnavailable
from eventlog.home import Home
from eventlog.postgres.connect import (
    BY_INDEX,
    Target,
    connect,
    disconnect,
    is_broken,
    unavailable,
    with_settings,
)
from eventlog.postgres.sql import Statements
from eventlog.projection import InlineProjection
from eventlog.settings import Settings

R = TypeVar("R")

PAGE_EVENTS = 1000
Folds = Mapping[str, Sequence[InlineProjection]]  # inline projections by stream kind


class StoredEvent(msgspec.Struct, gc=False):
    """An event as its row tells it: the parts of its line, its hash, and the chain where kept."""

    event: NewEvent
    position: int
    version: int
    time_us: int
    chain: bytes | None

    @property
    def line(self) -> bytes:
        return encode_line(self.event, self.position, self.version, us_to_time(self.time_us))

    def chain_from(self, previous: bytes) -> bytes:
        return chain_hash(previous, self.position, self.version, self.time_us, self.event.hash)

    def to_event(self) -> Event:
        new = self.event
        return Event(
            position=self.position,
            tenant=new.stream.tenant,
            stream=Stream(new.stream.kind, new.stream.key),
            version=self.version,
            type=new.type,
            schema=new.schema,
            id=new.id,
            time=us_to_time(self.time_us),
            occurred_at=new.occurred_at,
            encoding=new.encoding,
            data=Raw(new.data),
            meta=Raw(new.meta),
        )


class _Idle(NamedTuple):
    """A connection that nobody uses: when it was opened, and since when it lies idle."""

    connection: asyncpg.Connection
    opened_s: float
    idle_s: float


class Reads:
    """Read access to one log in Postgres. Safe for concurrent use; reconnects by itself."""

    def __init__(self, target: Target, settings: Settings, folds: Folds) -> None:
        self.target = target
        self._settings = settings
        self._folds = folds
        self.statements = Statements(settings.schema)
        self._idle: list[_Idle] = []
        self._slots = asyncio.Semaphore(settings.read_connections_max)
        self._home = Home()
        self._by_index: Reads | None = None
        self._states_texts: dict[tuple[str, ...], str] = {}  # statements by kinds of streams
        self._decompress = zstandard.ZstdDecompressor().decompress

    def sql(self, text: str) -> str:
        """Return `text` with `{schema}` replaced by this log's schema."""
        return text.replace("{schema}", self._settings.schema)

    @property
    def by_index(self) -> Reads:
        """The same over connections of their own, which plan by index whatever is known of the tables."""
        if self._by_index is None:
            self._by_index = Reads(with_settings(self.target, BY_INDEX), self._settings, self._folds)
        return self._by_index

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """Lend a connection; a broken one is dropped and its error becomes LogUnavailable.

        Raises Closed in a forked child, which would write into its parent's connections, and in
        another event loop.
        """
        self._home.check()
        async with self._slot():
            connection, opened_s = await self._usable()
            try:
                yield connection
            except BaseException as error:
                broken = is_broken(error, closed=connection.is_closed())
                connection.terminate()
                if broken:
                    # What broke this one has broken those that lie idle, whether they know it or not.
                    while self._idle:
                        self._idle.pop().connection.terminate()
                    raise unavailable(error) from error
                raise
            self._idle.append(_Idle(connection, opened_s, self._now_s()))

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        """Wait until there is room for one connection more."""
        limit_s = self._settings.read_connection_wait_s
        try:
            async with asyncio.timeout(limit_s):
                await self._slots.acquire()
        except TimeoutError as error:
            raise LogUnavailable(
                f"all {self._settings.read_connections_max} connections for reads were busy for {limit_s} s",
                hint="raise read_connections_max, or ask less at once",
            ) from error
        try:
            yield
        finally:
            self._slots.release()

    async def _usable(self) -> tuple[asyncpg.Connection, float]:
        """Return a connection and when it was opened: the one used last, or a new one."""
        settings, now_s = self._settings, self._now_s()
        while self._idle:
            connection, opened_s, idle_s = self._idle.pop()
            if (
                now_s - idle_s < settings.read_connection_idle_max_s
                and now_s - opened_s < settings.read_connection_age_max_s
                and not connection.is_closed()
            ):
                return connection, opened_s
            await disconnect(connection)
        return await self._connect(), self._now_s()

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()

    async def _connect(self) -> asyncpg.Connection:
        return await connect(
            self.target,
            timeout_s=self._settings.connect_timeout_s,
            command_timeout_s=self._settings.command_timeout_s,
        )

    async def fetch(self, sql: str, *arguments: Any) -> list[asyncpg.Record]:
        """Run one query, `{schema}` replaced, and return its rows.

        Every query of ours may run twice: one that meets a connection from before, which has died
        since, is asked again on a new one.
        Raises LogUnavailable when Postgres is away; other errors of the server as they are.
        """
        return await self._asked(lambda: self._fetch(sql, arguments))

    async def _asked(self, ask: Callable[[], Awaitable[R]]) -> R:
        """Ask; once more when there was a connection from before, which may have died since."""
        idle = bool(self._idle)
        try:
            return await ask()
        except LogUnavailable:
            if not idle:
                raise
        return await ask()

    async def _fetch(self, sql: str, arguments: Sequence[Any]) -> list[asyncpg.Record]:
        async with self.connection() as connection:
            rows: list[asyncpg.Record] = await connection.fetch(self.sql(sql), *arguments)
        return rows

    async def head(self) -> asyncpg.Record:
        """The head row: log_id, position, time_us, chain, epoch, projections."""
        rows = await self.fetch(self.statements.head)
        if not rows:
            raise LogUnavailable("the log's head row is missing", hint="run `agentlog verify`")
        return rows[0]

    async def page(self, after: int, until: int, limit: int = PAGE_EVENTS) -> list[StoredEvent]:
        """Events with after < position <= until, in order, at most `limit`."""
        return await self.events(self.statements.read_page, after, until, limit)

    async def stream(self, stream: StreamId, after: int, limit: int) -> list[StoredEvent]:
        """Events of one stream with version > after, in order, at most `limit`."""
        return await self.events(self.statements.read_stream, *stream, after, limit)

    async def events(self, sql: str, *arguments: Any) -> list[StoredEvent]:
        """Run a query that gives events: its columns are those of queries/read_stream.sql, in that order."""
        return [self.stored(row) for row in await self.fetch(sql, *arguments)]

    async def said(
        self, stream_ids: Sequence[int], versions: Sequence[int], types: Sequence[str]
    ) -> list[StoredEvent]:
        """Events of some types of some streams, up to a version each; stream by stream, oldest first."""
        return await self.by_index.events(self.statements.read_said, stream_ids, versions, types)

    async def states(self, streams: Sequence[StreamId], tick: int) -> dict[StreamId, StreamState]:
        """Versions and projection states of streams, of one moment. Absent streams are absent.

        `tick` becomes the states' `confirmed`: what the caller counted before asking. May ask twice.
        """
        if not streams:
            return {}
        kinds = sorted({stream.kind for stream in streams} & self._folds.keys())
        folds = {p.name: p for kind in kinds for p in self._folds[kind]}
        columns = [list(column) for column in zip(*streams, strict=True)]
        found: dict[StreamId, tuple[int, int]] = {}
        loaded: dict[tuple[str, int], Any] = {}
        for row in await self.fetch(self._states_sql(kinds), *columns):
            tenant, kind, key, id, version, projection, state = row
            if projection is None:
                found[StreamId(tenant, kind, key)] = (id, version)
            else:
                loaded[projection, id] = msgspec.json.decode(state, type=folds[projection].state)
        return {
            stream: StreamState(
                id, version, [loaded.get((p.name, id)) for p in self._folds.get(stream.kind, ())], tick
            )
            for stream, (id, version) in found.items()
        }

    def _states_sql(self, kinds: Sequence[str]) -> str:
        """Return the statement that reads streams of `kinds` and their states."""
        text = self._states_texts.get(tuple(kinds))
        if text is None:
            folds = [projection for kind in kinds for projection in self._folds[kind]]
            text = self._states_texts[tuple(kinds)] = self.statements.states(folds)
        return text

    async def places(self, first_position: int, count: int, *, duplicate: bool) -> Receipt:
        """The receipt of `count` events that stand from `first_position` on."""
        rows = await self.fetch(self.statements.read_places, first_position, first_position + count - 1)
        versions = {StreamId(row["tenant"], row["kind"], row["key"]): row["version"] for row in rows}
        time = us_to_time(rows[0]["time_us"])
        return Receipt(first_position, first_position + count - 1, versions, time, duplicate)

    async def original(self, tenant: str, key: str) -> Receipt | None:
        """The receipt of the command that first used an idempotency key; None when it is free."""
        rows = await self.fetch(self.statements.find_key, tenant, key)
        return await self.places(*rows[0], duplicate=True) if rows else None

    async def chain_at(self, position: int) -> bytes:
        """The chain after `position`: the nearest one kept at or before it, folded forward."""
        if position == 0:
            return CHAIN_START
        rows = await self.fetch(self.statements.chain_at, position)
        kept, chain = (rows[0]["position"], rows[0]["chain"]) if rows else (0, CHAIN_START)
        while kept < position:
            page = await self.page(kept, position)
            if not page:
                break
            for stored in page:
                chain = stored.chain_from(chain)
            kept = page[-1].position
        return chain

    async def find(self, stream_ids: Sequence[int], event_ids: Sequence[str]) -> dict[str, int]:
        """Positions of events that exist, by event id."""
        rows = await self.fetch(self.statements.find_events, stream_ids, event_ids)
        return {row["id"]: row["position"] for row in rows}

    def stored(self, row: asyncpg.Record) -> StoredEvent:
        """Return the event of a row, its columns those of queries/read_stream.sql."""
        position, tenant, kind, key, version, type, schema, id, time_us = row[:9]
        occurred_at, encoding, compressed, data, meta, hash, chain = row[9:]
        if compressed:
            data = self._decompress(data)
        new = NewEvent(StreamId(tenant, kind, key), type, schema, id, occurred_at, encoding, data, meta, hash)
        return StoredEvent(new, position, version, time_us, chain)

    async def close(self) -> None:
        idle, self._idle = self._idle, []
        await asyncio.gather(*(disconnect(lain.connection) for lain in idle))
        if self._by_index is not None:
            await self._by_index.close()
