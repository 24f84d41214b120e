"""A real log on the shared server: embedded Postgres, segments in the test's own directory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from eventlog.embedded.server import EmbeddedPostgres
from eventlog.log import Log
from eventlog.settings import Settings
from projections.catalog import INLINE, VIEWS_SQL


@pytest.fixture
async def log(postgres_server: EmbeddedPostgres, schema_name: str, tmp_path: Path) -> AsyncIterator[Log]:
    settings = Settings(schema=schema_name)
    async with await Log.open(
        tmp_path / "data",
        postgres_server.connection,
        projections=INLINE,
        views_sql=[VIEWS_SQL],
        settings=settings,
        migrate=True,
    ) as opened:
        yield opened
