"""Projection tables as they stood at a moment of the past, in temporary tables of a connection of its own.

The queries that read the live tables read these: the same text, with another schema. Every registered
projection brings its table along, so whatever reads one can look into the past. Nothing here is seen by
others, and nothing is left when the connection closes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import chain
from typing import Any

import asyncpg

from eventlog.envelope import StreamId
from eventlog.errors import Closed
from eventlog.log import Log
from eventlog.postgres.connect import connect, disconnect, is_broken, unavailable
from replay.fold_all import FoldAll
from replay.folding import fold_until
from replay.moment import Moment
from replay.report import no_progress
from replay.statements import filled
from replay.tables import filled_for, read_streams, write_rows

TEMPORARY = "pg_temp"
_NOBODY = StreamId("", "nobody", "")
READS_MAX = 200  # rolled back reads leave dead rows behind: after so many the tables are made anew


class PastTables:
    """Temporary tables on one connection: of one stream at a time, or of all of them at one moment."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._schema = log.settings.schema
        self._connection: asyncpg.Connection | None = None
        self._turn = asyncio.Lock()
        self._reads = 0
        self._filled: Moment | None = None
        self._closed = False
        self._ids: dict[StreamId, int] = {}

    async def fetch_of(
        self, fold: FoldAll, stream: StreamId, moment: Moment, sql: str, arguments: Sequence[Any]
    ) -> list[asyncpg.Record]:
        """Run a query that looks at rows of one stream alone, as a fold has them."""
        async with self._turn:
            connection = await self._open()
            try:
                transaction = connection.transaction()
                await transaction.start()
                try:
                    await self._put(connection, fold, stream, moment)
                    return await self._query(connection, sql, arguments)
                finally:
                    await transaction.rollback()
            except BaseException as error:
                self._give_up(error)
                raise
            finally:
                self._reads += 1

    async def fetch(self, moment: Moment, sql: str, arguments: Sequence[Any]) -> list[asyncpg.Record]:
        """Run a query over all streams; for another moment than before the whole log is folded up to it."""
        async with self._turn:
            connection = await self._open()
            try:
                if self._filled != moment:
                    if self._filled is not None:
                        await self._empty(connection)
                    await self._fill(connection, moment)
                    self._filled = moment
                return await self._query(connection, sql, arguments)
            except BaseException as error:
                self._give_up(error)
                raise

    async def close(self) -> None:
        """Let go of the connection, and of the tables with it."""
        async with self._turn:
            self._closed = True
            await self._drop()

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await disconnect(connection)

    async def _open(self) -> asyncpg.Connection:
        self._log.home.check()
        if self._closed:
            raise Closed("the store was closed", hint="open it again")
        if self._reads >= READS_MAX:
            await self._drop()
        if self._connection is not None:
            return self._connection
        settings = self._log.settings
        connection = await connect(
            self._log.reads.target,
            timeout_s=settings.connect_timeout_s,
            command_timeout_s=settings.command_timeout_s,
        )
        try:
            for name in ("past_streams", "past_moment", "past_events", "past_leases"):
                await connection.execute(filled(name, schema=self._schema))
            tables = [projection.table_sql for projection in self._log.projections]
            for text in [*tables, *self._log.views_sql]:
                await connection.execute(text.replace("{schema}", TEMPORARY))
        except BaseException:
            connection.terminate()
            raise
        self._connection, self._reads, self._filled = connection, 0, None
        return connection

    def _give_up(self, error: BaseException) -> None:
        """Drop a connection on which something failed. Raises LogUnavailable when it was the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            broken = is_broken(error, closed=connection.is_closed())
            connection.terminate()
            if broken:
                raise unavailable(error) from error

    async def _put(
        self, connection: asyncpg.Connection, fold: FoldAll, stream: StreamId, moment: Moment
    ) -> None:
        """Put the moment and the rows of one stream into the tables, which are empty."""
        folded = fold.streams.get(stream)
        id = await self._id(stream) if folded is not None else None
        version = folded.version if folded is not None else 0
        projections = fold.projections_of(stream.kind)
        inserts = "".join(
            f", past_{number} AS ("
            + filled_for("insert_rows", TEMPORARY, projection).replace("$1::json", f"${number + 8}::json")
            + ")"
            for number, projection in enumerate(projections)
        )
        pairs = [(id, stream)] if id is not None else []
        said = [
            (b"[%b]" % b",".join(chain.from_iterable(fold.rows_json(projection, pairs)))).decode()
            for projection in projections
        ]
        await connection.execute(filled("past_rows", inserts=inserts), *moment, id, *stream, version, *said)

    async def _id(self, stream: StreamId) -> int:
        """The id of a stream; it never changes."""
        if stream not in self._ids:
            columns = [[part] for part in stream]
            rows = await self._log.reads.fetch(self._log.reads.statements.find_streams, *columns)
            self._ids[stream] = rows[0]["id"]
        return self._ids[stream]

    async def _empty(self, connection: asyncpg.Connection) -> None:
        """Make room for another moment. Takes a part of the time that making the tables does."""
        self._filled = None
        names = ["moment", "streams", *(projection.name for projection in self._log.projections)]
        tables = ", ".join(f"{TEMPORARY}.{name}" for name in names)
        await connection.execute(filled("past_empty", tables=tables))

    async def _fill(self, connection: asyncpg.Connection, moment: Moment) -> None:
        """Fold the log up to the moment, and write all of it."""
        fold = FoldAll(self._log.projections)
        await fold_until(self._log, fold, moment.position, "segments", no_progress)
        async with self._log.reads.connection() as live:
            known, _ = await read_streams(live, self._schema)
        ids = {stream: known[stream][0] for stream in fold.streams}
        async with connection.transaction():
            await self._put(connection, FoldAll(self._log.projections), _NOBODY, moment)
            records = [(ids[stream], *stream, folded.version) for stream, folded in fold.streams.items()]
            columns = ("id", "tenant", "kind", "key", "version")
            await connection.copy_records_to_table(
                "streams", schema_name=TEMPORARY, records=records, columns=columns
            )
            for projection in self._log.projections:
                every = {id for stream, id in ids.items() if stream.kind == projection.kind}
                await write_rows(connection, TEMPORARY, fold, projection, ids, every)

    async def _query(
        self, connection: asyncpg.Connection, sql: str, arguments: Sequence[Any]
    ) -> list[asyncpg.Record]:
        # What a query compares with the clock is compared with the time that it was then. (No literal: the
        # text stays the same, and so does the prepared statement.)
        text = sql.replace("{schema}", TEMPORARY)
        for clock in ("clock_timestamp()", "now()"):
            text = text.replace(clock, "(SELECT m.time FROM pg_temp.moment AS m)")
        rows: list[asyncpg.Record] = await connection.fetch(text, *arguments)
        return rows
