"""Read the Postgres session store and move it into the log, session by session. The store is not changed.

One transaction sees the store as of one moment, however long the move takes.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import cache, partial
from importlib.resources import files
from pathlib import Path

import asyncpg

from eventlog.errors import BadIdentifier, BadInput
from eventlog.log import Log
from eventlog.postgres.connect import Target, session
from replay.imports.appending import append_all
from replay.imports.present import Present
from replay.imports.rejected import MoveSummary, reject
from replay.imports.s0 import TABLES, Row, session_events

PREFIX = "claude_"
PAGE_SESSIONS = 200

# Called with (sessions done, of how many).
ReportSessions = Callable[[int, int], None]


async def migrate_from_s0(
    log: Log,
    source: Target,
    *,
    prefix: str = PREFIX,
    quarantine_dir: Path,
    progress: ReportSessions | None = None,
) -> MoveSummary:
    """Move all sessions of a session store with their messages, summaries, plans, todos and queue.

    Again is harmless: what the log has already is left out, and what changed is appended.

    Args:
        source: its Postgres. prefix: of its tables' names: letters, digits, underscores.
        quarantine_dir: where rows that become no event are copied.
    Raises:
        BadInput: there is no such store there.
        LogUnavailable: its Postgres, or the log's, cannot be reached. Run it again: it goes on.
    """
    if not re.fullmatch("[A-Za-z0-9_]{0,40}", prefix):
        raise BadIdentifier(
            f"table prefix {prefix!r} must be of ASCII letters, digits and underscores, at most 40"
        )
    summary = MoveSummary()
    async with _reading(log, source) as store:
        try:
            total = await store.fetchval(_statement("s0_count", prefix))
            done, after = 0, None
            while page := await store.fetch(_statement("s0_sessions", prefix), after, PAGE_SESSIONS):
                for row in page:
                    rows: dict[str, list[Row]] = {"sessions": [_row(row)]}
                    for table in TABLES[1:]:
                        found = await store.fetch(_statement(f"s0_{table}", prefix), row["id"])
                        rows[table] = [_row(each) for each in found]
                    for table in TABLES:
                        summary.count(table, len(rows[table]))
                    events = session_events(rows, partial(_reject, summary, quarantine_dir))
                    known = Present(log, row["tenant_id"] or "")
                    fresh = await append_all(log, events, known)
                    summary.events_new += fresh
                    summary.events_present += len(events) - fresh
                    done += 1
                    if progress is not None:
                        progress(done, total)
                after = page[-1]["id"]
        except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
            raise BadInput(
                f"there is no session store with table prefix {prefix!r}: {error}",
                hint="name the tables' prefix with --prefix, or another database",
            ) from error
    return summary


@asynccontextmanager
async def _reading(log: Log, source: Target) -> AsyncIterator[asyncpg.Connection]:
    """Lend a connection to the store, in one transaction that only reads."""
    limit_s = log.settings.connect_timeout_s
    async with (
        session(source, timeout_s=limit_s, command_timeout_s=None) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        # Between two reads it waits for the log, which may take its time.
        await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        yield connection


def _row(record: asyncpg.Record) -> Row:
    """A row whose times all have a zone: asyncpg gives `infinity` as the last time there is, without one."""
    return {
        name: value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value
        for name, value in record.items()
    }


def _reject(summary: MoveSummary, directory: Path, table: str, row: Row, reason: str) -> None:
    summary.rejected.append(reject(directory, f"s0-{table}", str(row["id"]), dict(row), reason))


@cache
def _statement(name: str, prefix: str) -> str:
    text = (files("replay.imports") / "queries" / f"{name}.sql").read_text()
    return text.replace("{prefix}", prefix)
