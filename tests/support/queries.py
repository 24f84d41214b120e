"""What holds for every SQL file: Postgres takes it, and its comment names its parameters. Holds no test."""

from __future__ import annotations

import re
from typing import Any

import asyncpg

from agentlog.scope import query_text
from eventlog.log import Log


async def assert_prepares(connection: asyncpg.Connection, query: str, schema: str) -> None:
    """Prepare one query, all names but the schema filled in, and compare it with its own words."""
    assert query.startswith("-- "), "it begins with what it does"
    lines = query.splitlines()
    comment = "\n".join(line for line in lines if line.startswith("--"))
    body = "\n".join(line for line in lines if not line.startswith("--"))
    prepared = await connection.prepare(query.replace("{schema}", schema))
    used = set(re.findall(r"\$\d+", body))
    assert used <= set(re.findall(r"\$\d+", comment)), "every parameter is documented"
    assert len(prepared.get_parameters()) == len(used)


async def plan_of(log: Log, query: str, *arguments: Any) -> str:
    """Return the plan of one of the face's queries, made for any arguments, where tables are large."""
    values = ", ".join(f"'{value}'" if isinstance(value, str) else str(value) for value in arguments)
    async with log.reads.connection() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off")
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        await connection.execute(log.reads.sql(f"PREPARE asked AS {query_text(query)}"))
        rows = await connection.fetch(f"EXPLAIN EXECUTE asked({values})")
        await connection.execute("DEALLOCATE asked")
    return "\n".join(row[0] for row in rows)
