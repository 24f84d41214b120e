"""A real log on the shared server, and hands to write and to spoil it with. Holds no test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from eventlog.embedded.server import EmbeddedPostgres
from replay import folding
from tests.replay.support import Spoiled


@pytest.fixture
async def spoiled(
    postgres_server: EmbeddedPostgres, schema_name: str, tmp_path: Path
) -> AsyncIterator[Spoiled]:
    """A place for a log: opened, closed and spoiled at will."""
    place = Spoiled(tmp_path / "data", postgres_server.connection, schema_name)
    yield place
    await place.close()


@pytest.fixture(autouse=True)
def decoded_with_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """The logs here are short; what long ones are folded by is to be tried."""
    monkeypatch.setattr(folding, "DECODED_WITH_LINES_MIN", 0)
