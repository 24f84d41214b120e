"""The append functions: what they refuse, what they guard, and that both say the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import zstandard

from eventlog.command import Command
from eventlog.embedded.server import EmbeddedPostgres
from eventlog.envelope import us_to_time
from eventlog.errors import LogUnavailable
from eventlog.log import Log
from tests.eventlog.conftest import OpenLog
from tests.support.builders import (
    CHAPTERS,
    TALLIES,
    assert_whole,
    noted,
    open_log,
    said,
    saying,
    story,
    table,
    turned,
    whole,
)

A, B = story("a"), story("b")


@pytest.mark.parametrize("guarded", ["events", "streams", "head"])
@pytest.mark.parametrize("change", ["DELETE FROM", "TRUNCATE"])
async def test_the_log_cannot_be_deleted(log: Log, admin: asyncpg.Connection, guarded: str, change: str):
    """Not even by its owner, by accident."""
    await log.append(saying(A))
    cascade = " CASCADE" if change == "TRUNCATE" else ""
    with pytest.raises(asyncpg.PostgresError, match="append-only") as refused:
        await admin.execute(f"{change} {log.settings.schema}.{guarded}{cascade}")
    assert refused.value.sqlstate == "AL001"
    await assert_whole(log)


async def test_an_event_cannot_be_changed(log: Log, admin: asyncpg.Connection):
    await log.append(saying(A))
    for change in ("SET data = '{}'", "SET position = 7", "SET chain = NULL"):
        with pytest.raises(asyncpg.PostgresError, match=r"UPDATE on .*events is refused") as refused:
            await admin.execute(f"UPDATE {log.settings.schema}.events {change}")
        assert refused.value.sqlstate == "AL001"
    await assert_whole(log)


@pytest.fixture
async def writer_role(
    opened: OpenLog, admin: asyncpg.Connection, role: str
) -> AsyncIterator[tuple[dict[str, Any], str]]:
    """How to connect as a role that may read, and call the append functions; and the schema's name."""
    log = await opened("owner")
    schema = log.settings.schema
    await admin.execute(
        f"ALTER ROLE {role} LOGIN;"
        f"GRANT USAGE ON SCHEMA {schema} TO {role};"
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role};"
        f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {schema} TO {role}"
    )
    return {"server_settings": {"role": role}}, schema


async def test_a_role_that_may_only_append_and_read_can_use_a_log_and_write_no_table(
    writer_role: tuple[dict[str, Any], str],
    postgres_server: EmbeddedPostgres,
    tmp_path: Path,
):
    """The functions run with their owner's rights (SECURITY DEFINER); the role has none of its own."""
    settings, schema = writer_role
    target = {**postgres_server.connection, **settings}
    async with await open_log(target, schema, tmp_path / "writer", migrate=False) as log:
        await log.append(saying(A, "one"))
        await asyncio.gather(*[log.append(saying(story(str(n)), idempotency_key=str(n))) for n in range(3)])
        assert len(await assert_whole(log)) == 4
        for name in ("head", "streams", "events", "idempotency_keys", "mirrors", "tallies", "migrations"):
            for change in ("INSERT INTO {} DEFAULT VALUES", "DELETE FROM {}", "TRUNCATE {}"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await log.reads.fetch(change.format(f"{{schema}}.{name}"))
        for change in ("CREATE TABLE {schema}.mine ()", "DROP TABLE {schema}.tallies"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await log.reads.fetch(change)


async def test_a_role_without_rights_can_do_nothing(
    opened: OpenLog, role: str, postgres_server: EmbeddedPostgres, schema_name: str, tmp_path: Path
):
    await opened()
    target = {**postgres_server.connection, "server_settings": {"role": role}}
    with pytest.raises(Exception, match="permission denied") as refused:
        await open_log(target, schema_name, tmp_path / "nobody", migrate=False)
    assert isinstance(refused.value, asyncpg.InsufficientPrivilegeError | LogUnavailable)


async def test_time_never_runs_backwards(log: Log, admin: asyncpg.Connection):
    """The server's clock was set back, or another server took over: max(clock, previous)."""
    await log.append(saying(A))
    ahead = us_to_time(4_102_444_800_000_001)
    await admin.execute(f"UPDATE {log.settings.schema}.head SET time = '{ahead}'")
    alone = await log.append(saying(A))
    first, second = await asyncio.gather(log.append(saying(A)), log.append(saying(B, idempotency_key="k")))
    assert {alone.time, first.time, second.time} == {ahead}
    await assert_whole(log)


async def test_the_time_of_a_batch_is_the_server_s(log: Log):
    before = (await log.reads.fetch("SELECT clock_timestamp() AS now"))[0]["now"]
    receipt = await log.append(saying(A))
    after = (await log.reads.fetch("SELECT clock_timestamp() AS now"))[0]["now"]
    assert before.strftime("%Y-%m-%dT%H:%M:%S.%fZ") <= receipt.time <= after.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


async def rows(log: Log, name: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await log.reads.fetch(f"SELECT * FROM {{schema}}.{name} ORDER BY 1, 2")]


async def test_one_event_alone_leaves_the_same_rows_as_in_a_batch(opened: OpenLog, schema_name: str):
    """Two functions, one meaning: a lone event takes the scalar one, expecting another stream the other."""
    told = []
    for name, expected in (("alone", {}), ("batch", {B: 0})):
        log = await opened(name, schema=f"{schema_name}_{name}")
        for number in range(3):
            event = said(A, "x" * 2000 * number, id=f"0190d5a0-0000-7000-8000-00000000000{number}")
            await log.append(Command([event], expected=expected))
        events = [row[:6] + row[7:13] for row in await rows(log, "events")]
        await assert_whole(log)
        tables = [await table(log, projection) for projection in (TALLIES, CHAPTERS)]
        told.append((events, tables, await rows(log, "streams")))
    assert told[0] == told[1]


async def test_the_chain_is_kept_in_the_last_row_of_each_batch(log: Log):
    await log.append(Command([said(A), said(B), said(A)]))
    await log.append(saying(B))
    stored = await log.reads.page(0, 10)
    assert [row.chain is not None for row in stored] == [False, False, True, True]
    assert stored[-1].chain == (await log.head()).chain


@pytest.mark.parametrize(("size", "compressed"), [(10, False), (900, False), (5000, True)])
async def test_large_payloads_are_stored_compressed_and_come_back_the_same(
    log: Log, size: int, compressed: bool
):
    text = "abcdefgh" * (size // 8)
    await log.append(saying(A, text))
    [row] = await log.reads.fetch("SELECT compressed, data FROM {schema}.events")
    assert row["compressed"] is compressed
    data = zstandard.decompress(row["data"]) if compressed else row["data"]
    [event] = await whole(log)
    assert (bytes(event.data), event.value) == (data, {"text": text})


async def test_what_does_not_get_smaller_is_stored_as_it_is(opened: OpenLog):
    log = await opened(compress_min_bytes=0)
    await log.append(Command([noted(A)]))
    [row] = await log.reads.fetch("SELECT compressed, data FROM {schema}.events")
    assert tuple(row) == (False, b"null")


async def test_no_lock_is_left_and_no_transaction_open_between_appends(log: Log, admin: asyncpg.Connection):
    """Other writers would wait, and vacuum would not clean up."""
    await log.append(saying(A))
    await asyncio.gather(log.append(saying(A)), log.append(saying(B)))
    open_ones = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'agentlog' AND xact_start IS NOT NULL"
    )
    assert await admin.fetchval(open_ones) == 0
    assert await admin.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0


async def test_an_append_is_durable_whatever_the_role_s_default_is(
    opened: OpenLog, postgres_server: EmbeddedPostgres
):
    """`synchronous_commit = off` for a role would acknowledge what a crash of the server loses."""
    target = {**postgres_server.connection, "server_settings": {"synchronous_commit": "off"}}
    log = await opened(target=target)
    connection = await asyncpg.connect(**target)
    assert await connection.fetchval("SHOW synchronous_commit") == "off"
    schema = log.settings.schema
    async with connection.transaction():
        await connection.fetchrow(
            f"SELECT * FROM {schema}.append_one(NULL, 'acme', 'story', 'k', 0, 'noted', 1::smallint,"
            " gen_random_uuid(), NULL, NULL, false, 'null', '{}', sha256('x'), '{}', '{}',"
            " 1, $1, gen_random_uuid(), 0)",
            "chapters:1,tallies:1",
        )
        assert await connection.fetchval("SHOW synchronous_commit") == "on"
    await connection.close()


async def test_appends_keep_their_speed_without_statistics(opened: OpenLog):
    """Generic plans by index: a plan made on empty tables must not scan them once they are full.

    Counted in rows read, not in seconds: a scan of the streams for every batch would read millions.
    """
    log = await opened(batch_events_max=64)
    await log.append(saying(A))
    for start in range(0, 3000, 1000):
        await asyncio.gather(*[log.append(saying(story(str(start + n)))) for n in range(1000)])
    again = [story(str(number)) for number in range(0, 3000, 10)]
    await asyncio.gather(*[log.append(Command([said(stream), turned(stream)])) for stream in again])
    await log.reads.fetch("SELECT pg_stat_force_next_flush()")
    scans = await log.reads.fetch(
        "SELECT relname, seq_tup_read FROM pg_stat_user_tables WHERE schemaname = $1"
        " AND relname IN ('streams', 'events', 'tallies', 'chapters') AND seq_tup_read > 20000",
        log.settings.schema,
    )
    assert scans == []
