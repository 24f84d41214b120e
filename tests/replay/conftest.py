"""A real log on the shared server, and hands to write and to spoil it with. Holds no test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from eventlog.embedded.server import EmbeddedPostgres
from tests.replay.support import Spoiled


@pytest.fixture
async def spoiled(
    postgres_server: EmbeddedPostgres, schema_name: str, tmp_path: Path
) -> AsyncIterator[Spoiled]:
    """A place for a log: opened, closed and spoiled at will."""
    place = Spoiled(tmp_path / "data", postgres_server.connection, schema_name)
    yield place
    await place.close()
