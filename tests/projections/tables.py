"""The projection tables in a schema of their own, written the way the append function does it. Holds no test.

The statements stand in a small PL/pgSQL function whose variables have the names that the append
function's have, and those of its columns besides: whatever could be ambiguous is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from eventlog.envelope import NewEvent
from eventlog.projection import InlineProjection
from projections.catalog import INLINE, VIEWS_SQL

_FUNCTION = """
CREATE FUNCTION {schema}.write(
    tables json, stream_ids bigint[], positions bigint[],
    s_tenant text[], s_key text[], accepted_at timestamptz,
    OUT stream_id bigint, OUT first_position bigint, OUT version bigint
) LANGUAGE plpgsql AS $body$
#variable_conflict use_column
DECLARE
    rows json;
    tenant text; key text; last bigint; state text; position bigint;
BEGIN
{upserts}
END $body$
"""

State = dict[str, Any]  # by projection


class Tables:
    """One schema with all tables and views, and the streams in it."""

    def __init__(self, connection: asyncpg.Connection, schema: str) -> None:
        self.connection = connection
        self.schema = schema
        self.streams = 0
        self.position = 0

    def sql(self, text: str) -> str:
        return text.replace("{schema}", self.schema)

    async def create(self) -> None:
        await self.connection.execute(f"CREATE SCHEMA {self.schema}")
        for projection in INLINE:
            await self.connection.execute(self.sql(projection.table_sql))
        await self.connection.execute(self.sql(VIEWS_SQL))
        upserts = "\n".join(
            f"rows := coalesce(tables -> '{projection.name}', '[]');\n{projection.upsert_sql}"
            for projection in INLINE
        )
        await self.connection.execute(self.sql(_FUNCTION.replace("{upserts}", upserts)))

    def new_stream(self, key: str | None = None) -> Stream:
        self.streams += 1
        return Stream(self.streams, key or f"key {self.streams}")

    async def write(
        self, batch: Sequence[tuple[Stream, NewEvent]], time: datetime, refused: bool = False
    ) -> None:
        """Fold the batch, then write its rows. Refused: positions are NULL, as the append function has it."""
        streams = list(dict.fromkeys(stream for stream, _ in batch))
        rows: dict[str, dict[Any, State]] = {}
        for ordinal, (stream, event) in enumerate(batch, start=1):
            for projection, state in stream.fold(event):
                table = rows.setdefault(projection.name, {})
                key = (stream.id, *[getattr(state, name) for name in projection.row_key])
                first = table[key]["f"] if key in table else ordinal
                place = {"s": streams.index(stream) + 1, "f": first, "l": ordinal, "version": stream.version}
                table[key] = place | msgspec.structs.asdict(state)
        positions = [None if refused else self.position + n for n in range(1, len(batch) + 1)]
        self.position += 0 if refused else len(batch)
        text = msgspec.json.encode({name: list(table.values()) for name, table in rows.items()}).decode()
        await self.connection.execute(
            f"SELECT {self.schema}.write($1, $2, $3, $4, $5, $6)",
            text,
            [stream.id for stream in streams],
            positions,
            ["acme"] * len(streams),
            [stream.key for stream in streams],
            time,
        )

    async def load(self, streams: Sequence[Stream]) -> Mapping[int, State]:
        """Return the stored states by stream id and projection."""
        states: dict[int, State] = {stream.id: {} for stream in streams}
        for projection in INLINE:
            for row in await self.connection.fetch(self.sql(projection.load_sql), list(states)):
                state = msgspec.json.decode(row["state"], type=projection.state)
                assert projection.name not in states[row["stream_id"]]
                states[row["stream_id"]][projection.name] = state
        return states

    async def fetch(self, query: str, *values: Any) -> list[asyncpg.Record]:
        return await self.connection.fetch(self.sql(query), *values)


def folds_of(kind: str, type: str) -> list[InlineProjection]:
    """The projections that events of that type can change, on streams of that kind."""
    return [projection for projection in INLINE if projection.kind == kind and type in projection.types]


class Stream:
    """A stream and its states in memory."""

    def __init__(self, id: int, key: str) -> None:
        self.id = id
        self.key = key
        self.version = 0
        self.states: State = {}

    def fold(self, event: NewEvent) -> list[tuple[InlineProjection, Any]]:
        """Take the event in; return what changed."""
        self.version += 1
        changed = []
        for projection in folds_of(event.stream.kind, event.type):
            before = self.states.get(projection.name)
            after = projection.evolve(before, event, self.version)
            if after is not before:
                self.states[projection.name] = after
                changed.append((projection, after))
        return changed
