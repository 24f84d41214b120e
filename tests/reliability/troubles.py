"""Ways in which Postgres is away, each as a context: within it no append can succeed. Holds no test.

All of them on a real server behind a real proxy; what an administrator can do, an administrator does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

import asyncpg

from eventlog.postgres.sql import gate_key
from tests.support.proxy import Proxy


class Site:
    """A database behind a proxy, and somebody who may do anything to it."""

    def __init__(self, proxy: Proxy, admin: asyncpg.Connection, target: dict[str, Any]) -> None:
        self.proxy, self.admin, self.target = proxy, admin, target
        self.database = target["database"]

    async def set(self, setting: str, value: str) -> None:
        await self.admin.execute(f"ALTER DATABASE {self.database} SET {setting} = '{value}'")

    async def reset(self, setting: str) -> None:
        await self.admin.execute(f"ALTER DATABASE {self.database} RESET {setting}")

    async def has(self, setting: str, value: str) -> None:
        """Return when a reload has reached the sessions: the server tells them before it takes a new one."""
        found = None
        while found != value:
            connection = await asyncpg.connect(**self.target)
            try:
                found = await connection.fetchval(f"SHOW {setting}")
            finally:
                await connection.close()

    async def throw_out(self) -> None:
        """End every session on the database."""
        await self.admin.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1", self.database
        )

    async def sessions(self) -> int:
        """How many sessions are on the database."""
        return int(
            await self.admin.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = $1", self.database
            )
        )

    async def copy_database(self, name: str) -> None:
        """Keep the database as it is now: what a standby that fell behind has."""
        await self.throw_out()
        await self.admin.execute(f"CREATE DATABASE {self.database}_{name} TEMPLATE {self.database}")

    async def swap_databases(self, name: str, old: str) -> None:
        """Put the copy in the place of the database."""
        await self.throw_out()
        await self.admin.execute(f"ALTER DATABASE {self.database} RENAME TO {self.database}_{old}")
        await self.admin.execute(f"ALTER DATABASE {self.database}_{name} RENAME TO {self.database}")
        await self.admin.execute(f"DROP DATABASE {self.database}_{old}")


Trouble = Callable[[Site], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def gone(site: Site) -> AsyncIterator[None]:
    """The server is stopped, or its host is."""
    await site.proxy.go_away()
    yield
    await site.proxy.come_back()


@asynccontextmanager
async def hanging_up(site: Site) -> AsyncIterator[None]:
    """A balancer with nobody behind it takes every connection and drops it."""
    site.proxy.hangs_up = True
    site.proxy.cut()
    yield
    site.proxy.hangs_up = False


@asynccontextmanager
async def silent(site: Site) -> AsyncIterator[None]:
    """A firewall forgot the connections, and new ones get no answer either: no reset, nothing."""
    site.proxy.silent = True
    yield
    site.proxy.silent = False
    site.proxy.cut()


@asynccontextmanager
async def read_only(site: Site) -> AsyncIterator[None]:
    """Clouds do that to a server whose disk is nearly full; a demoted primary comes back like that."""
    await site.set("default_transaction_read_only", "on")
    await site.throw_out()
    yield
    await site.reset("default_transaction_read_only")


@asynccontextmanager
async def read_only_under_us(site: Site) -> AsyncIterator[None]:
    """The same, and the sessions live on."""
    await site.admin.execute("ALTER SYSTEM SET default_transaction_read_only = on")
    await site.admin.execute("SELECT pg_reload_conf()")
    await site.has("default_transaction_read_only", "on")
    yield
    await site.admin.execute("SET default_transaction_read_only = off")
    await site.admin.execute("ALTER SYSTEM RESET default_transaction_read_only")
    await site.admin.execute("SELECT pg_reload_conf()")
    await site.admin.execute("RESET default_transaction_read_only")


@asynccontextmanager
async def closed_to_all(site: Site) -> AsyncIterator[None]:
    """Passwords, pg_hba.conf or rights were changed: whoever connects is refused."""
    await site.admin.execute(f"ALTER DATABASE {site.database} ALLOW_CONNECTIONS false")
    await site.throw_out()
    yield
    await site.admin.execute(f"ALTER DATABASE {site.database} ALLOW_CONNECTIONS true")


@asynccontextmanager
async def crowded(site: Site) -> AsyncIterator[None]:
    """max_connections is reached, by others."""
    others: list[asyncpg.Connection] = []
    await site.throw_out()
    with suppress(asyncpg.TooManyConnectionsError):
        while True:
            others.append(await asyncpg.connect(**{**site.target, "database": "postgres"}))
    yield
    await asyncio.gather(*[other.close() for other in others])


@asynccontextmanager
async def gate_held(site: Site) -> AsyncIterator[None]:
    """A stranger, or somebody's forgotten psql, holds the advisory lock in which appends take turns."""
    holder = await asyncpg.connect(**site.target)
    await holder.execute("SELECT pg_advisory_lock($1)", gate_key("agentlog"))
    yield
    await holder.close()


@asynccontextmanager
async def gate_held_and_statements_limited(site: Site) -> AsyncIterator[None]:
    """An administrator's statement_timeout strikes before our own limits do."""
    await site.set("statement_timeout", "100ms")
    await site.throw_out()
    async with gate_held(site):
        yield
    await site.reset("statement_timeout")
    await site.throw_out()


TROUBLES = [
    gone, hanging_up, silent, read_only, read_only_under_us, closed_to_all, crowded, gate_held,
    gate_held_and_statements_limited,
]  # fmt: skip
