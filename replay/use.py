"""Tell whether somebody has the log of a schema open. Holds nobody off: a repair looks again under the gate.

What is told comes from Postgres' list of connections, as far as this role may read it: each connection
of agentlog whose last statement names the schema.
"""

from __future__ import annotations

import asyncio

import asyncpg

from eventlog.postgres.connect import Target, session
from eventlog.settings import Settings
from replay.statements import filled

# A process that has just closed its connection is listed for a moment still.
LOOKS_MAX = 40
BETWEEN_LOOKS_S = 0.05


async def users_of(postgres: Target, settings: Settings, *, alone: bool) -> list[str]:
    """Return who has the log open, one text each: address and since when; empty when nobody can be told.

    Args:
        alone: the server is this log's own, so that every connection counts.
    Raises:
        LogUnavailable: Postgres is away.
    """
    pattern = "" if alone else rf"\m{settings.schema}\M"
    async with session(
        postgres, timeout_s=settings.connect_timeout_s, command_timeout_s=settings.command_timeout_s
    ) as connection:
        users = await _listed(connection, pattern)
        for _ in range(LOOKS_MAX):
            if not users:
                break
            await asyncio.sleep(BETWEEN_LOOKS_S)
            users = await _listed(connection, pattern)
        return users


async def _listed(connection: asyncpg.Connection, pattern: str) -> list[str]:
    rows = await connection.fetch(filled("users"), pattern)
    return [f"{row['address']}, connected since {row['since']:%Y-%m-%d %H:%M:%S} UTC" for row in rows]
