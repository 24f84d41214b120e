"""A log of its own to write, close, damage and check. Holds no test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from eventlog.clock import Ids, SystemClock
from eventlog.command import Command
from eventlog.envelope import StreamId
from eventlog.events import (
    EVENT_TYPES,
    SCHEMAS,
    AgentEvent,
    ConversationCompacted,
    GenerationStarted,
    ItemClaimed,
    ItemEnqueued,
    MessageAppended,
    SessionCreated,
    Todo,
    TodosReplaced,
    UnknownEvent,
    Usage,
    decode_event,
    new,
    raw,
)
from eventlog.log import Log
from eventlog.settings import Settings
from projections.catalog import INLINE, VIEWS_SQL
from tests.support.histories import kind_of

GOLDEN = Path(__file__).parents[1] / "golden" / "events"
SESSION = StreamId("acme", "session", "a")
OTHER = StreamId("acme", "session", "a:b")
ITEM = StreamId("acme", "queue_item", "q1")


TABLES = [one.name for one in INLINE]


def every_row(tables: Sequence[str], condition: str = "true") -> str:
    """Return one query for the rows of some tables as text: one for each would be most of what tests take."""
    parts = [
        f"SELECT '{name}' AS name, t::text AS row FROM {{schema}}.{name} AS t WHERE {condition}"
        for name in tables
    ]
    return " UNION ALL ".join(parts) + " ORDER BY 1, 2"


def by_table(rows: Sequence[asyncpg.Record]) -> dict[str, list[str]]:
    """Return what `every_row(TABLES)` gave, by table."""
    found: dict[str, list[str]] = {one.name: [] for one in INLINE}
    for name, row in rows:
        found[name].append(row)
    return found


class Spoiled:
    """A log in a directory and a schema of its own; SQL as its owner."""

    def __init__(self, data: Path, postgres: dict[str, Any], schema: str) -> None:
        self.data = data
        self.postgres = postgres
        self.schema = schema
        self.settings = Settings(schema=schema)
        self.ids = Ids(SystemClock())
        self._log: Log | None = None

    async def log(self, **changes: Any) -> Log:
        """Open the log, or return it if it is open."""
        if self._log is None:
            self.settings = msgspec.structs.replace(self.settings, **changes)
            self._log = await Log.open(
                self.data,
                self.postgres,
                projections=INLINE,
                views_sql=[VIEWS_SQL],
                settings=self.settings,
                migrate=True,
            )
        return self._log

    async def close(self) -> None:
        log, self._log = self._log, None
        if log is not None:
            await log.close()

    async def append(self, stream: StreamId, *events: AgentEvent, **more: Any) -> None:
        """Append each event by itself, so that each is a block of its own."""
        log = await self.log()
        for event in events:
            await log.append(Command([new(stream, event, id=self.ids.next())], **more))

    async def fill(self) -> None:
        """Positions 1 to 13: a bit of every noun."""
        await self.append(SESSION, SessionCreated(title="first", model="m"))
        await self.append(SESSION, *[message(f"m{n}") for n in range(4)])
        await self.append(OTHER, message("n0"), TodosReplaced((Todo("write", "pending"),)))
        await self.append(SESSION, ConversationCompacted(summary="so far"), GenerationStarted(1, 4, "new"))
        await self.append(ITEM, ItemEnqueued(body=raw("do it"), session="a"), ItemClaimed("w"))
        await self.append(SESSION, message("m5"), message("m6"))

    async def append_every_other_noun(self) -> None:
        """Append golden events on a stream of each kind that is no session, so that each table has a row."""
        for path in sorted(GOLDEN.glob("*.jsonl")):
            type, schema, *_ = path.name.split(".")
            line = path.read_bytes().splitlines()[0]
            event = decode_event(type, int(schema), line, None)
            kind = kind_of(EVENT_TYPES[type])
            if kind != SESSION.kind and int(schema) == SCHEMAS[type]:
                assert not isinstance(event, UnknownEvent)
                await self.append(StreamId(SESSION.tenant, kind, type), event)

    async def sql(self, *statements: str) -> list[asyncpg.Record]:
        """Run statements as the owner; the last one's rows come back."""
        connection = await asyncpg.connect(**self.postgres)
        try:
            rows: list[asyncpg.Record] = []
            for statement in statements:
                rows = await connection.fetch(statement.replace("{schema}", self.schema))
            return rows
        finally:
            await connection.close()

    async def behind_the_guards(self, *statements: str) -> None:
        """Change the log itself, which triggers forbid: as a disk, or a person, might."""
        await self.sql(
            "ALTER TABLE {schema}.events DISABLE TRIGGER USER",
            "ALTER TABLE {schema}.streams DISABLE TRIGGER USER",
            *statements,
            "ALTER TABLE {schema}.events ENABLE TRIGGER USER",
            "ALTER TABLE {schema}.streams ENABLE TRIGGER USER",
        )

    async def table(self, name: str) -> list[str]:
        """Every row of a table as text, in a fixed order."""
        rows = await self.sql(f"SELECT t::text AS row FROM {{schema}}.{name} AS t ORDER BY 1")
        return [row["row"] for row in rows]

    async def tables(self) -> dict[str, list[str]]:
        """Every row of every table as text, in a fixed order, of one moment."""
        return by_table(await self.sql(every_row(TABLES)))

    def segments(self) -> list[Path]:
        return sorted((self.data / "segments").glob("*.ndjson.zst"))


def message(id: str, text: str = "hello") -> MessageAppended:
    return MessageAppended(id, "user", raw(text), model="m", usage=Usage(3, 5))


def named(findings: Sequence[Any]) -> list[tuple[str, int | None, int | None]]:
    """(area, first position, last position) of each finding."""
    return [(finding.area, finding.first_position, finding.last_position) for finding in findings]
