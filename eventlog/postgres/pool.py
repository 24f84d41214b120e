"""Connections out of a pool of the caller's own. Makes them ours, and never gives them back as they are.

A pool's `init` may have set codecs: what then comes as a decimal or a dict is bytes or text to us. A taken
connection forgets them and gets our session settings; when we are done it is closed, and the pool
opens another in its place, with its own `init`. So neither side ever meets the other's settings.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import asyncpg

from eventlog.errors import LogUnavailable

# The types that travel between the log and Postgres, as parameters or in rows.
TYPES = (
    "bool", "bytea", "char", "float4", "float8", "int2", "int4", "int8", "interval", "json", "jsonb", "name",
    "numeric", "oid", "regclass", "text", "timestamptz", "uuid", "varchar",
)  # fmt: skip


async def borrow(
    pool: asyncpg.Pool, session: Mapping[str, str], *, timeout_s: float, command_timeout_s: float | None
) -> asyncpg.Connection:
    """Take a connection and make it ours: no codecs but asyncpg's, and the given session settings.

    Args:
        timeout_s: for a connection of the pool to be free.
        command_timeout_s: the server ends a statement that takes longer; None: it does not.
    Raises:
        LogUnavailable: all connections of the pool are taken.
        asyncpg.InterfaceError: the pool was closed. Otherwise what asyncpg.connect raises.
    """
    try:
        connection = await pool.acquire(timeout=timeout_s)
    except TimeoutError as error:
        raise LogUnavailable(
            f"no connection of the pool became free in {timeout_s} seconds; it has {pool.get_max_size()}",
            hint="give it room for the store: read_connections_max and three more",
        ) from error
    try:
        for name in TYPES:
            await connection.reset_type_codec(name, schema="pg_catalog")
        limit_ms = 0 if command_timeout_s is None else math.ceil(1000 * command_timeout_s)
        for name, value in {**session, "statement_timeout": f"{limit_ms}ms"}.items():
            await connection.execute("SELECT set_config($1, $2, false)", name, value)
    except BaseException:
        connection.terminate()
        raise
    return connection
