"""A simulated server: connections as asyncpg gives them to the log, and all that befalls them.

The seam is asyncpg.connect. What a statement does is decided by its text, which must be one of the
log's own; what it finds is in tables.py. A request travels, is executed at one instant, and its
answer travels back: at each stage the connection may die, and what was executed stays executed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from random import Random
from types import SimpleNamespace
from typing import Any

import asyncpg
import msgspec

from eventlog.postgres.migrate import migrations
from eventlog.postgres.sql import Statements, text
from eventlog.projection import InlineProjection
from tests.reliability.simulate.tables import OtherWriterSet, Row, Tables

SCHEMA = "simulated"
_STATEMENTS = Statements(SCHEMA)
TRAVEL_S = 200e-6


class Record(tuple):  # type: ignore[type-arg]
    """A result row, by number and by name."""

    names: Sequence[str]

    def __new__(cls, names: Sequence[str], values: Iterable[Any]) -> Record:
        made = super().__new__(cls, values)
        made.names = names
        return made

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(self.names.index(key) if isinstance(key, str) else key)


class Trouble:
    """How often what goes wrong on the way, from 0 to 1. All 0 is a perfect network."""

    def __init__(self, lost_before: float = 0.0, lost_after: float = 0.0, slow: float = 0.0) -> None:
        self.lost_before = lost_before
        self.lost_after = lost_after
        self.slow = slow


class Server:
    """A Postgres server that many processes share.

    Attributes:
        tables: what is committed.
        is_up: connections are refused while it is not.
        stop_at_commit: stop with the next commit, before anybody hears of it.
        clock_us: the server's own clock; jumps are harmless by design.
    """

    def __init__(self, tables: Tables, random: Random, trouble: Trouble | None = None) -> None:
        self.tables = tables
        self.is_up = True
        self.stop_at_commit = False
        self.session = 0  # a restarted server knows nothing of what was on its way before
        self.was_troubled = False
        self.clock_us = 1_790_000_000_000_000
        self.trouble = trouble or Trouble()
        self.random = random
        self._connections: set[Connection] = set()

    def stop(self) -> None:
        """Every connection dies; what was on its way is not executed."""
        self.is_up, self.was_troubled = False, True
        self.session += 1
        for connection in list(self._connections):
            connection.die()

    def start(self) -> None:
        self.is_up, self.stop_at_commit = True, False

    def cut(self, client: object) -> None:
        """The network of one client fails: its connections die."""
        self.was_troubled = True
        for connection in list(self._connections):
            if connection.client == client:
                connection.die()

    async def connect(self, **arguments: Any) -> Connection:
        """What asyncpg.connect is replaced by; `client` in the target says who connects."""
        await asyncio.sleep(self.random.random() * TRAVEL_S)
        if not self.is_up:
            raise ConnectionRefusedError("the simulated server is down")
        connection = Connection(self, arguments.get("client"), arguments.get("command_timeout"))
        self._connections.add(connection)
        return connection

    def now_us(self) -> int:
        self.clock_us += self.random.randrange(1, 50)
        return self.clock_us

    def forget(self, connection: Connection) -> None:
        self._connections.discard(connection)


class Connection:
    """One connection; has those methods of asyncpg.Connection that the log calls."""

    def __init__(self, server: Server, client: object, command_timeout_s: float | None) -> None:
        self.client = client
        self._server = server
        self._timeout_s = command_timeout_s
        self._closed = False
        self._session = server.session
        self._answers: set[asyncio.Future[Any]] = set()

    def is_closed(self) -> bool:
        return self._closed

    def get_server_version(self) -> SimpleNamespace:
        return SimpleNamespace(major=18)

    def get_settings(self) -> SimpleNamespace:
        """What the server told when it was connected to: a primary that takes writes."""
        return SimpleNamespace(in_hot_standby="off", default_transaction_read_only="off")

    async def set_type_codec(self, *_: Any, **__: Any) -> None:
        """Times travel as on a line: the tables keep them so."""

    async def close(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - as asyncpg has it
        self.terminate()

    def terminate(self) -> None:
        self._closed = True
        self._server.forget(self)

    def die(self) -> None:
        """Break: whoever waits for an answer is told."""
        self.terminate()
        for answer in self._answers:
            if not answer.done():
                answer.set_exception(
                    asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
                )

    async def prepare(self, sql: str) -> Prepared:
        await self._send(lambda: None)
        name = next(name for name in ("append", "append_one") if getattr(_STATEMENTS, name) == sql)
        return Prepared(self, name)

    async def fetch(self, sql: str, *arguments: Any) -> list[Record]:
        return await self._send(lambda: self._rows(sql, arguments))

    async def fetchrow(self, sql: str, *arguments: Any) -> Record | None:
        rows = await self.fetch(sql, *arguments)
        return rows[0] if rows else None

    async def fetchval(self, sql: str, *arguments: Any) -> Any:
        rows = await self.fetch(sql, *arguments)
        return rows[0][0] if rows else None

    async def append(self, statement: str, arguments: Sequence[Any]) -> Record:
        def work() -> Record:
            tables = self._server.tables
            try:
                return Record(*tables.append(statement, arguments, self._server.now_us()))
            except OtherWriterSet as error:
                refusal = asyncpg.PostgresError(str(error))
                refusal.sqlstate = "AL002"
                raise refusal from None

        return await self._send(work, commits=True)

    async def _send(self, work: Callable[[], Any], *, commits: bool = False) -> Any:
        """Let the server do some work; the answer, or an error that says nothing of the work."""
        if self._closed:
            raise asyncpg.InterfaceError("connection is closed")
        server, random, loop = self._server, self._server.random, asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        trouble, rate = server.trouble, 1.0 if commits else 0.1
        if random.random() < trouble.lost_before * rate:
            loop.call_later(random.random() * TRAVEL_S, self.die)
        else:
            travel_s = random.random() * TRAVEL_S
            if random.random() < trouble.slow * rate:
                travel_s += random.random() * 8
            loses_answer = random.random() < trouble.lost_after * rate
            loop.call_later(travel_s, self._execute, work, answer, commits, loses_answer)
        self._answers.add(answer)
        try:
            if self._timeout_s is None:
                return await answer
            async with asyncio.timeout(self._timeout_s):
                return await answer
        finally:
            self._answers.discard(answer)

    def _execute(
        self, work: Callable[[], Any], answer: asyncio.Future[Any], commits: bool, loses_answer: bool
    ) -> None:
        # A client that is gone does not stop what has arrived; a server that went down does.
        if self._session != self._server.session or not self._server.is_up:
            return
        if self._closed and self._server.random.random() < 0.5:
            return
        try:
            result = work()
        except Exception as error:
            if not answer.done():
                answer.set_exception(error)
            return
        if commits and self._server.stop_at_commit:
            self._server.stop()
        elif loses_answer:
            self.die()
        if self._closed:
            return

        def arrive() -> None:
            if not answer.done():
                answer.set_result(result)

        asyncio.get_running_loop().call_later(self._server.random.random() * TRAVEL_S, arrive)

    def _rows(self, sql: str, arguments: Sequence[Any]) -> list[Record]:
        tables = self._server.tables
        query = _QUERIES.get(sql)
        if query is not None:
            return query(tables, *arguments)
        if sql.startswith("WITH found AS"):
            folds = [fold for fold in tables.folds.values() if f"'{fold.name}'" in sql]
            assert sql == _STATEMENTS.states(folds)
            return _states(tables, folds, *arguments)
        if sql.startswith("SELECT obj_description("):
            return []  # no schema of a stranger
        raise AssertionError(f"a statement that nobody simulates: {sql}")


class Prepared:
    """A prepared append."""

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self._name = name

    async def fetchrow(self, *arguments: Any) -> Record:
        return await self._connection.append(self._name, arguments)


def _one(name: str, value: Any) -> list[Record]:
    return [Record((name,), (value,))]


def _head(tables: Tables) -> list[Record]:
    values = (tables.log_id, tables.position, tables.time_us, tables.chain, tables.epoch, tables.projections)
    return [Record(("log_id", "position", "time_us", "chain", "epoch", "projections"), values)]


def _register_mirror(tables: Tables, mirror: Any, directory: str) -> list[Record]:
    return _one("durable_position", tables.mirrors.setdefault(mirror, 0))


def _chain_at(tables: Tables, position: int) -> list[Record]:
    for row in reversed(tables.events[:position]):
        if row.chain is not None:
            return [Record(("position", "chain"), (row.position, row.chain))]
    return []


def _find_events(tables: Tables, stream_ids: Sequence[int], ids: Sequence[str]) -> list[Record]:
    places = {(tables.streams[row.stream][0], row.id): row.position for row in tables.events}
    wanted = [(stream, str(id)) for stream, id in zip(stream_ids, ids, strict=True)]
    return [Record(("id", "position"), (key[1], places[key])) for key in wanted if key in places]


def _find_key(tables: Tables, tenant: str, key: str) -> list[Record]:
    found = tables.keys.get((tenant, key))
    return [] if found is None else [Record(("first_position", "event_count"), found[:2])]


def _find_streams(tables: Tables, *columns: Sequence[str]) -> list[Record]:
    names = ("tenant", "kind", "key", "id", "version")
    wanted = zip(*columns, strict=True)
    return [Record(names, (*s, *tables.streams[s])) for s in wanted if s in tables.streams]


def _read_page(tables: Tables, after: int, until: int, limit: int) -> list[Record]:
    return [_event(row) for row in tables.events[after : min(until, after + limit)]]


def _read_stream(tables: Tables, tenant: str, kind: str, key: str, after: int, limit: int) -> list[Record]:
    rows = [row for row in tables.events if row.stream == (tenant, kind, key) and row.version > after]
    return [_event(row) for row in rows[:limit]]


def _read_places(tables: Tables, first: int, last: int) -> list[Record]:
    names = ("position", "version", "tenant", "kind", "key", "time_us")
    return [
        Record(names, (r.position, r.version, *r.stream, r.time_us)) for r in tables.events[first - 1 : last]
    ]


def _event(row: Row) -> Record:
    return Record(_EVENT, (row.position, *row.stream, *row[2:]))


_EVENT = (
    "position", "tenant", "kind", "key", "version", "type", "schema", "id", "time_us", "occurred_at",
    "encoding", "compressed", "data", "meta", "hash", "chain",
)  # fmt: skip


def _states(tables: Tables, folds: Iterable[InlineProjection], *columns: Sequence[str]) -> list[Record]:
    names = ("tenant", "kind", "key", "id", "version", "projection", "state")
    streams = _find_streams(tables, *columns)
    rows = [Record(names, (*row, None, None)) for row in streams]
    for fold in folds:
        ids = [row["id"] for row in streams if row["kind"] == fold.kind]
        for loaded in _load(tables, fold.name, fold.state, ids):
            values = (None, None, None, loaded["stream_id"], None, fold.name, loaded["state"])
            rows.append(Record(names, values))
    return rows


def _load(tables: Tables, name: str, state: type, stream_ids: Sequence[int]) -> list[Record]:
    """The newest row of each stream, as a projection's load_sql returns it."""
    found: dict[int, dict[str, Any]] = {}
    for (id, *_), row in tables.rows[name].items():
        if id in stream_ids and row["version"] >= found.get(id, row)["version"]:
            found[id] = row
    fields = state.__struct_fields__
    encode = msgspec.json.encode
    return [
        Record(("stream_id", "state"), (id, encode({field: row[field] for field in fields}).decode()))
        for id, row in found.items()
    ]


# What the checks of a connection ask (connect.py, migrate.py): a schema that is up to date.
def _migrations(tables: Tables) -> list[Record]:
    names = ("number", "name", "checksum")
    return [Record(names, (m.number, m.name, m.checksum)) for m in migrations()]


_QUERIES: dict[str, Callable[..., list[Record]]] = {
    text("queries", "fsync"): lambda tables: _one("fsync", "on"),
    _STATEMENTS.head: _head,
    _STATEMENTS.register_mirror: _register_mirror,
    _STATEMENTS.chain_at: _chain_at,
    _STATEMENTS.find_events: _find_events,
    _STATEMENTS.find_key: _find_key,
    _STATEMENTS.find_streams: _find_streams,
    _STATEMENTS.read_page: _read_page,
    _STATEMENTS.read_stream: _read_stream,
    _STATEMENTS.read_places: _read_places,
    _STATEMENTS.notify: lambda tables, channel, what: _one("pg_notify", ""),
    f"SELECT number, name, checksum FROM {SCHEMA}.migrations": _migrations,
    f"SELECT projections FROM {SCHEMA}.head": lambda tables: _one("projections", tables.projections),
    "SELECT to_regclass($1)": lambda tables, name: _one("to_regclass", name),
}
