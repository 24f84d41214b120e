"""Fixtures for tests that open logs on the shared server."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from eventlog.embedded.server import EmbeddedPostgres
from eventlog.log import Log
from tests.support.builders import open_log
from tests.support.proxy import Proxy, proxied

OpenLog = Callable[..., Awaitable[Log]]


@pytest.fixture
async def opened(
    postgres_server: EmbeddedPostgres, schema_name: str, tmp_path: Path
) -> AsyncIterator[OpenLog]:
    """Open logs on this test's schema, each in a directory by name; all are closed at the end."""
    logs: list[Log] = []

    async def open(directory: str = "data", target: Any = postgres_server, **options: Any) -> Log:
        log = await open_log(target, options.pop("schema", schema_name), tmp_path / directory, **options)
        logs.append(log)
        return log

    yield open
    for log in reversed(logs):
        await log.close()


@pytest.fixture
async def log(opened: OpenLog) -> Log:
    """An open, empty log."""
    return await opened()


@pytest.fixture
async def proxy(postgres_server: EmbeddedPostgres, short_path: Path) -> AsyncIterator[Proxy]:
    """A proxy in front of the shared server."""
    async with proxied(postgres_server.connection, short_path) as proxy:
        yield proxy


@pytest.fixture
async def admin(postgres_server: EmbeddedPostgres) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the owner, for what no log would do."""
    connection = await asyncpg.connect(**postgres_server.connection)
    yield connection
    await connection.close()


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A directory for a socket, whose path has 107 bytes at most; tmp_path can be longer."""
    with tempfile.TemporaryDirectory(prefix="agentlog-") as directory:
        yield Path(directory)


@pytest.fixture
async def role(admin: asyncpg.Connection, schema_name: str) -> AsyncIterator[str]:
    """A role without any right, that the test's user may act as; dropped at the end."""
    name = f"{schema_name}_role"
    await admin.execute(f"CREATE ROLE {name}")
    yield name
    await admin.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")
