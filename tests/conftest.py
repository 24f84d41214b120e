"""Fixtures that many tests share. The helpers behind them are in tests/support."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import settings

from eventlog.embedded.server import EmbeddedPostgres
from tests.support.postgres import fresh_database, fresh_schema, start_shared_server

# Machines are busy; a slow example is no failure.
settings.register_profile("agentlog", deadline=None, print_blob=True)
settings.load_profile("agentlog")

# Under nohup, or in the background of a shell, these are ignored, also by processes that tests start
# and end by them.
for _number, _handler in ((signal.SIGHUP, signal.SIG_DFL), (signal.SIGINT, signal.default_int_handler)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[EmbeddedPostgres]:
    """The one server of this test process; `.connection` are arguments for asyncpg.connect."""
    with start_shared_server() as server:
        yield server


@pytest.fixture
def schema_name() -> str:
    """The name of a schema that only this test uses; the test makes it."""
    return fresh_schema()


@pytest.fixture
async def postgres_database(postgres_server: EmbeddedPostgres) -> AsyncIterator[dict[str, Any]]:
    """Arguments for asyncpg.connect to an empty database that only this test uses."""
    async with fresh_database(postgres_server.connection) as connection:
        yield connection
