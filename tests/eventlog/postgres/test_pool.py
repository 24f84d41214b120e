"""A store on a pool of the caller's own: neither side meets the other's codecs and settings."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from eventlog.embedded.server import EmbeddedPostgres
from eventlog.errors import LogUnavailable
from eventlog.postgres.connect import connect
from eventlog.postgres.pool import TYPES
from tests.eventlog.conftest import OpenLog
from tests.support.builders import assert_whole, saying, story

A = story("a")


def broken(value: Any) -> Any:
    raise AssertionError(f"the caller's codec was asked for {value!r}")


async def with_codecs(connection: asyncpg.Connection) -> None:
    """What callers do to their connections, and more."""
    for name in TYPES:
        if name not in ("char", "name", "oid", "regclass"):
            await connection.set_type_codec(name, schema="pg_catalog", encoder=broken, decoder=broken)
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)
    await connection.set_type_codec("text", schema="pg_catalog", encoder=str, decoder=str.upper)


@pytest.fixture
async def pool(postgres_server: EmbeddedPostgres) -> AsyncIterator[asyncpg.Pool]:
    """A pool with codecs of its own, and a time zone."""
    async with asyncpg.create_pool(
        **postgres_server.connection, min_size=0, max_size=8, init=with_codecs,
        server_settings={"timezone": "Asia/Tokyo"},
    ) as pool:  # fmt: skip
        yield pool


async def test_a_log_works_on_a_pool_whose_codecs_would_spoil_all_it_reads(opened: OpenLog, pool):
    """Append, read from Postgres, state, subscribe, close: and the pool is the caller's as before."""
    log = await opened(target=pool)
    for text in ("one", "two"):
        await log.append(saying(A, text))
    events = log.subscribe(after=1)
    assert (await anext(events)).value["text"] == "two"
    await events.aclose()
    assert (await log.reads.page(0, 10))[0].to_event().value["text"] == "one"
    assert [event.value["text"] for event in await assert_whole(log)] == ["one", "two"]
    await log.close()
    async with pool.acquire() as connection:
        assert await connection.fetchval("""SELECT '{"a": 1}'::jsonb""") == {"a": 1}
        assert await connection.fetchval("SELECT 'loud'::text") == "LOUD"
        assert await connection.fetchval("SELECT current_setting('timezone')::text") == "ASIA/TOKYO"
        assert await connection.fetchval("SELECT current_setting('statement_timeout')::text") == "0"


async def test_a_taken_connection_has_our_settings_and_asyncpg_s_own_codecs(pool):
    connection = await connect(pool, timeout_s=5.0, command_timeout_s=3.0)
    row = await connection.fetchrow(
        "SELECT 1.5::numeric, 2::int8, current_setting('timezone'), current_setting('statement_timeout')"
    )
    assert list(row) == [Decimal("1.5"), 2, "UTC", "3s"]
    await connection.close()
    assert pool.get_size() == 0


async def test_a_pool_without_a_free_connection_is_named(postgres_server: EmbeddedPostgres):
    """Instead of waiting for ever for what the store itself may hold."""
    async with (
        asyncpg.create_pool(**postgres_server.connection, min_size=0, max_size=1) as pool,
        pool.acquire(),
    ):
        with pytest.raises(LogUnavailable, match="no connection of the pool became free") as caught:
            await connect(pool, timeout_s=0.05, command_timeout_s=1.0)
    assert "read_connections_max" in caught.value.hint


async def test_a_pool_that_was_closed_is_unavailable(pool):
    await pool.close()
    with pytest.raises(LogUnavailable):
        await connect(pool, timeout_s=5.0, command_timeout_s=1.0)
