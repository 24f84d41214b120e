"""The same messages and questions in PostgreSQL, SQLite and polars: what the archive is compared with.

PostgreSQL and SQLite get one table with one text column, and an index for each question that an index
helps; PostgreSQL is vacuumed, so that it can answer from indexes alone. polars reads the archive's own files.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import asyncpg

from eventlog.envelope import parse_time
from projections.archive.columns import MessageRow

Row = tuple[Any, ...]
COLUMNS = (
    *("position", "tenant", "session", "role", "model", "day", "said_at", "body"),
    *("input_tokens", "output_tokens", "cache_read_tokens"),
)
PATTERN = r"0x7f \w+ error:"

TABLE = (
    "create table messages (position bigint primary key, tenant text, session text, role text, model text,"
    " day date, said_at timestamptz, body text, input_tokens bigint, output_tokens bigint,"
    " cache_read_tokens bigint)"
)
INDEXES = {
    "by_session": "(tenant, session, position)",
    "by_day": "(day, model, input_tokens, output_tokens, cache_read_tokens)",
    "by_size": "(tenant, session, output_tokens)",
}
TOKENS = (
    "select day, model, sum(input_tokens), sum(output_tokens), sum(cache_read_tokens) from messages"
    " where model is not null group by day, model order by day, model"
)
TOP = (
    "select tenant, session, count(*), sum(output_tokens) from messages group by tenant, session"
    " order by 4 desc nulls last, 2 limit 20"
)


def values(rows: Iterable[MessageRow]) -> Iterator[Row]:
    """The rows of a peer's table."""
    for row in rows:
        said = filter(None, (row.text, row.tool_input, row.tool_result, row.thinking))
        yield (
            row.position, row.tenant, row.session, row.role, row.model, row.day, row.time,
            "\n".join(said), row.input_tokens, row.output_tokens, row.cache_read_tokens,
        )  # fmt: skip


class Sqlite:
    """SQLite with the same indexes; a regular expression is Python's, as SQLite brings none."""

    name = "SQLite"

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path)
        self._connection.execute("pragma cache_size = -500000")
        search = re.compile(PATTERN).search
        self._connection.create_function(
            "regexp", 2, lambda _, body: search(body) is not None, deterministic=True
        )

    def load(self, batches: Iterable[list[Row]]) -> None:
        self._connection.execute("pragma synchronous = off")
        self._connection.execute(TABLE)
        for batch in batches:
            self._connection.executemany(
                f"insert into messages values ({','.join('?' * len(COLUMNS))})", batch
            )
        for name, columns in INDEXES.items():
            self._connection.execute(f"create index {name} on messages {columns}")
        self._connection.execute("analyze")
        self._connection.commit()

    def ask(self, tenant: str, session: str) -> dict[str, Callable[[], list[Row]]]:
        where = "from messages where tenant = ? and session = ? order by position"
        return {
            "regex": lambda: self._all("select count(*) from messages where body regexp 'x'"),
            "tokens": lambda: self._all(TOKENS),
            "top": lambda: self._all(TOP),
            "session": lambda: self._all(f"select * {where}", tenant, session),
            "tail": lambda: self._all(f"select * {where} desc limit 20", tenant, session),
        }

    def _all(self, query: str, *values: Any) -> list[Row]:
        return self._connection.execute(query, values).fetchall()


class Postgres:
    """PostgreSQL in the settings of the embedded server, with two parallel workers as it decides."""

    name = "PostgreSQL"

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def load(self, batches: Iterable[list[Row]]) -> None:
        import datetime

        day = datetime.date.fromisoformat
        await self._connection.execute(TABLE)
        for batch in batches:
            records = [
                (*row[:5], day(row[5]), parse_time(row[6]), row[7].replace("\0", ""), *row[8:])
                for row in batch
            ]
            await self._connection.copy_records_to_table("messages", records=records, columns=COLUMNS)
        for name, columns in INDEXES.items():
            await self._connection.execute(f"create index {name} on messages {columns}")
        await self._connection.execute("vacuum analyze messages")

    def ask(self, tenant: str, session: str) -> dict[str, Callable[[], Any]]:
        where = "from messages where tenant = $1 and session = $2 order by position"
        fetch = self._connection.fetch
        return {
            "regex": lambda: fetch("select count(*) from messages where body ~ $1", PATTERN),
            "tokens": lambda: fetch(TOKENS),
            "top": lambda: fetch(TOP),
            "session": lambda: fetch(f"select * {where}", tenant, session),
            "tail": lambda: fetch(f"select * {where} desc limit 20", tenant, session),
        }


class Polars:
    """polars over the Parquet files of the archive."""

    name = "polars"

    def __init__(self, files: list[str]) -> None:
        import polars

        self._pl: Any = polars
        self._scan = lambda: polars.scan_parquet(files)

    def ask(self, tenant: str, session: str) -> dict[str, Callable[[], Any]]:
        pl = self._pl
        texts = [
            pl.col(name).str.contains(PATTERN) for name in ("text", "tool_input", "tool_result", "thinking")
        ]
        tokens = [pl.col(name).sum() for name in ("input_tokens", "output_tokens", "cache_read_tokens")]
        own = (pl.col("tenant") == tenant) & (pl.col("session") == session)
        return {
            "regex": lambda: self._scan().filter(pl.any_horizontal(texts)).select(pl.len()).collect().rows(),
            "tokens": lambda: (
                self._scan().filter(pl.col("model").is_not_null()).group_by("day", "model").agg(tokens)
                .sort("day", "model").collect().rows()
            ),
            "top": lambda: (
                self._scan().group_by("tenant", "session").agg(pl.len(), pl.col("output_tokens").sum())
                .sort("output_tokens", descending=True).head(20).collect().rows()
            ),
            "session": lambda: self._scan().filter(own).sort("position").collect().rows(),
            "tail": lambda: self._scan().filter(own).sort("position").tail(20).collect().rows(),
        }  # fmt: skip
