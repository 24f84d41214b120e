"""What holds for every SQL file: Postgres takes it, and its comment names its parameters. Holds no test."""

from __future__ import annotations

import re

import asyncpg


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
