"""Fixtures for tests that open logs on the shared server."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
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
async def proxy(postgres_server: EmbeddedPostgres) -> AsyncIterator[Proxy]:
    """A proxy in front of the shared server."""
    # Not tmp_path: the path of a socket has 107 bytes at most.
    with tempfile.TemporaryDirectory(prefix="agentlog-proxy-") as directory:
        async with proxied(postgres_server.connection, Path(directory)) as proxy:
            yield proxy


@pytest.fixture
async def admin(postgres_server: EmbeddedPostgres) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the owner, for what no log would do."""
    connection = await asyncpg.connect(**postgres_server.connection)
    yield connection
    await connection.close()
