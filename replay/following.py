"""Keep users' own projections up with the log, beside it: checkpoint and rows commit together.

They live in a schema of their own, `<schema>_own`, so that the log's stays as its release makes it. Writers
neither wait for them nor know of them. Each follows from its checkpoint; one whose fold has another version
begins anew. Several processes may follow the same ones: they take turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, islice
from typing import Any

import asyncpg
import msgspec

from eventlog.envelope import Event, StreamId
from eventlog.errors import BadInput
from eventlog.log import Log
from eventlog.postgres.sql import gate_key
from eventlog.projection import STANDARD_COLUMNS, InlineProjection
from replay.fold_all import FoldAll
from replay.folding import own_connection
from replay.statements import filled

PAGE_EVENTS = 1_000
_FIXED = ("stream_id", "first_position", "first_time", "tenant", "key")


class Following:
    """Some projections that follow one log.

    Args:
        projections: from `own_projection`; names are unique among all that follow this log.
    Raises:
        BadInput: two have one name, one has several rows per stream, or is called `checkpoints`.
    """

    def __init__(self, log: Log, projections: Sequence[InlineProjection]) -> None:
        names = [projection.name for projection in projections]
        for projection in projections:
            if names.count(projection.name) > 1 or projection.row_key or projection.name == "checkpoints":
                raise BadInput(f"projection {projection.name!r} cannot follow the log", hint=_HINT)
        self._log = log
        self._projections = list(projections)
        self._known: set[str] = set()
        self.schema = f"{log.settings.schema}_own"

    async def catch_up(self) -> int:
        """Follow up to where the log stands now; return that position.

        Raises:
            BadInput: a checkpoint is ahead of the log, which was restored or is another one.
            Damaged: the log has a gap. LogUnavailable: what was committed until then stands.
        """
        head = (await self._log.head()).position
        async with own_connection(self._log) as connection:
            for projection in self._projections:
                await self._register(connection, projection)
                while await self._page(connection, projection, head) < head:
                    pass
        return head

    async def run(self) -> None:
        """Follow for ever, with each new event; end it by cancelling."""
        position = await self.catch_up()
        async for event in self._log.subscribe(position):
            if event.position > position:
                position = await self.catch_up()

    async def lag(self) -> dict[str, int]:
        """Return, by name, how many positions each is behind the head: head minus checkpoint, exactly."""
        found = {}
        async with own_connection(self._log) as connection:
            for projection in self._projections:
                await self._register(connection, projection)
                row = await connection.fetchrow(self._sql("own_checkpoint"), projection.name)
                head = await connection.fetchval(filled("head_position", schema=self._log.settings.schema))
                found[projection.name] = head - row["position"]
        return found

    async def rebuild(self, name: str) -> int:
        """Fold one anew from position 1; return where it stands then. Its table is empty for a while.

        Raises BadInput: none of these is called so.
        """
        found = [projection for projection in self._projections if projection.name == name]
        if not found:
            raise BadInput(f"no projection that follows is called {name!r}")
        async with own_connection(self._log) as connection:
            await self._register(connection, found[0])
            async with connection.transaction():
                await connection.fetchrow(self._sql("own_checkpoint"), name)
                await self._begin_anew(connection, found[0])
        return await self.catch_up()

    async def _register(self, connection: asyncpg.Connection, projection: InlineProjection) -> None:
        """Make schema and tables that are missing; begin anew with a fold of another version."""
        if projection.name in self._known:
            return
        async with connection.transaction():
            await connection.execute(
                filled("take_gate"), gate_key(self.schema)
            )  # two that make it would collide
            await connection.execute(self._sql("own_schema"))
            await connection.execute(self._sql("own_checkpoints"))
            await connection.execute(self._sql("own_register"), projection.name, projection.version)
            row = await connection.fetchrow(self._sql("own_checkpoint"), projection.name)
            there = await connection.fetchval(filled("has_table"), f"{self.schema}.{projection.name}")
            if row["version"] != projection.version or not there:
                await self._begin_anew(connection, projection)
        self._known.add(projection.name)

    async def _begin_anew(self, connection: asyncpg.Connection, projection: InlineProjection) -> None:
        await connection.execute(self._sql("own_drop", projection))
        await connection.execute(projection.table_sql.replace("{schema}", self.schema))
        await connection.execute(self._sql("own_advance"), projection.name, projection.version, 0)

    async def _page(self, connection: asyncpg.Connection, projection: InlineProjection, head: int) -> int:
        """Fold some events on, in one transaction; return where the checkpoint stands then."""
        async with connection.transaction():
            row = await connection.fetchrow(self._sql("own_checkpoint"), projection.name)
            position = int(row["position"])
            if position > head:
                # Another process may be faster than the head that this one saw.
                now = (await self._log.head()).position
                if position > now:
                    raise BadInput(
                        f"the checkpoint of {projection.name!r} is {position}, and the log ends at {now}",
                        hint="it was restored, or is another one: rebuild this projection",
                    )
                return position
            until = min(position + PAGE_EVENTS, head)
            if until > position:
                events = [event async for block in self._log.read(position, until) for event in block]
                await self._write(connection, projection, events)
                await connection.execute(self._sql("own_advance"), projection.name, projection.version, until)
            return until

    async def _write(
        self, connection: asyncpg.Connection, projection: InlineProjection, events: Sequence[Event]
    ) -> None:
        own = [e for e in events if e.stream.kind == projection.kind and e.type in projection.types]
        streams = list(dict.fromkeys(event.stream_id for event in own))
        if not streams:
            return
        columns = [list(column) for column in zip(*streams, strict=True)]
        found = await self._log.reads.fetch(self._log.reads.statements.find_streams, *columns)
        ids = {StreamId(row["tenant"], row["kind"], row["key"]): row["id"] for row in found}
        fold = await self._begun(connection, projection, ids)
        fold.add(own)
        touched = [(ids[stream], stream) for stream in fold.take_touched()]
        chunks = chain.from_iterable(fold.rows_json(projection, touched))
        while chunk := list(islice(chunks, PAGE_EVENTS)):
            text = (b"[%b]" % b",".join(chunk)).decode()
            await connection.execute(self._sql("own_upsert", projection), text)

    async def _begun(
        self, connection: asyncpg.Connection, projection: InlineProjection, ids: dict[StreamId, int]
    ) -> FoldAll:
        """Return a fold that begins with the states that the table has."""
        fold = FoldAll([projection])
        text = projection.load_sql.replace("{schema}", self.schema)
        states: dict[int, Any] = {
            row["stream_id"]: msgspec.json.decode(row["state"], type=projection.state)
            for row in await connection.fetch(text, list(ids.values()))
        }
        for stream, id in ids.items():
            fold.begin(stream, [states.get(id)])
        return fold

    def _sql(self, name: str, projection: InlineProjection | None = None) -> str:
        if projection is None:
            return filled(name, own=self.schema)
        columns = [*STANDARD_COLUMNS, *projection.state.__struct_fields__]
        changes = ", ".join(f"{one} = excluded.{one}" for one in columns if one not in _FIXED)
        return filled(
            name, own=self.schema, table=projection.name, columns=", ".join(columns), changes=changes
        )


_HINT = "give it a name of its own, and one row per stream"
