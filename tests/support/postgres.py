"""One embedded server per test process, and a fresh schema name or database per test. Holds no test.

Tests ask for the fixtures in tests/conftest.py:

    async def test_…(postgres_server, schema_name):
        connection = await asyncpg.connect(**postgres_server.connection)

Most tests need only a schema of their own, which is a name and costs nothing. A fresh database costs a copy
of template1 (0.05 s) and is for tests that look at more than one schema, at roles, or at dumps.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import asyncpg

from eventlog.clock import SystemClock
from eventlog.embedded.server import EmbeddedPostgres, attach

_numbers = itertools.count(1)


@contextlib.contextmanager
def start_shared_server() -> Iterator[EmbeddedPostgres]:
    """Run a server in a temporary directory of its own; stop it and remove the directory at the end.

    Not async, so that a session-scoped fixture is not bound to one test's event loop.
    """
    with tempfile.TemporaryDirectory(prefix="agentlog-test-") as directory:
        os.chmod(directory, 0o755)  # mkdtemp says 0700; a server that is another user may then pass
        server = asyncio.run(attach(Path(directory) / "data", clock=SystemClock()))
        try:
            yield server
        finally:
            asyncio.run(server.close())


def fresh_schema() -> str:
    """Return a schema name that no other test of this server has."""
    return f"test_{os.getpid()}_{next(_numbers)}"


@contextlib.asynccontextmanager
async def fresh_database(postgres: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """Make an empty database; yield the arguments for asyncpg.connect; drop it, with whoever is connected."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    admin = await asyncpg.connect(**postgres)
    try:
        # FILE_COPY would checkpoint twice; template1 is small, so its blocks through the WAL are quicker.
        await admin.execute(f"create database {name} strategy wal_log")
        yield {**postgres, "database": name}
        await admin.execute(f"drop database {name} with (force)")
    finally:
        await admin.close()
