"""A store on the shared server, in a schema and a data directory that only this test uses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

import agentlog
from agentlog.opening import Opening
from eventlog.embedded.server import EmbeddedPostgres

Open = Callable[..., Opening]


@pytest.fixture
def open_store(postgres_server: EmbeddedPostgres, schema_name: str, tmp_path: Path) -> Open:
    """Open the test's store; arguments go to agentlog.open. Another `data` is another host."""

    def open_it(data: str = "data", **arguments: Any) -> Opening:
        arguments = {"migrate": True, "tenant": ""} | arguments
        settings = agentlog.Settings(schema=schema_name)
        return agentlog.open(
            tmp_path / data, postgres=postgres_server.connection, settings=settings, **arguments
        )

    return open_it


@pytest.fixture
async def store(open_store: Open) -> AsyncIterator[agentlog.Store]:
    """An open store that may name any tenant."""
    async with open_store() as opened:
        yield opened
