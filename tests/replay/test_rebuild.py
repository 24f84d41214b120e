"""Projection tables are made what the log says they are, beside writers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from copy import copy
from functools import partial
from pathlib import Path

import asyncpg
import pytest

from eventlog.command import Command
from eventlog.envelope import StreamId
from eventlog.errors import BadInput, ProjectionMismatch
from eventlog.events import new
from eventlog.log import Log
from eventlog.postgres.migrate import migrate
from eventlog.projection import InlineProjection
from projections.catalog import INLINE, VIEWS_SQL
from replay.rebuild import compare, rebuild
from replay.verify import verify
from tests.replay.support import ITEM, OTHER, SESSION, Spoiled, message


@pytest.mark.parametrize("source", ["segments", "postgres"])
async def test_live_tables_equal_a_rebuild_from_position_one(spoiled: Spoiled, source: str):
    """Invariant 6, on a history with every noun in it."""
    await spoiled.fill()
    assert await compare(await spoiled.log(), source=source) == []


@pytest.mark.parametrize("source", ["segments", "postgres"])
async def test_emptied_tables_are_filled_to_what_they_were(spoiled: Spoiled, source: str):
    """Deleting every projection table loses nothing; first positions and times come back too."""
    await spoiled.fill()
    await spoiled.append_every_other_noun()
    before = await spoiled.tables()
    assert all(before.values())
    await spoiled.sql(*[f"TRUNCATE {{schema}}.{name}" for name in before])
    report = await rebuild(await spoiled.log(), source=source)
    assert await spoiled.tables() == before
    assert report.events == report.position > 13
    assert report.rows == {name: len(rows) for name, rows in before.items()}
    assert len(report.differences) == sum(map(len, before.values()))


@pytest.mark.parametrize("name", ["todo_lists", "sessions"])
async def test_a_dropped_table_is_made_again_and_so_are_its_views(spoiled: Spoiled, name: str):
    """In the transaction that fills it: nobody finds it empty."""
    await spoiled.fill()
    before = await spoiled.table(name)
    await spoiled.sql(f"DROP TABLE {{schema}}.{name} CASCADE")
    await rebuild(await spoiled.log(), [name])
    assert await spoiled.table(name) == before
    assert await verify(await spoiled.log()) == []


async def migrated(spoiled: Spoiled, projections: Sequence[InlineProjection]) -> list[str]:
    """Migrate, as a process does that dies before it rebuilds."""
    connection = await asyncpg.connect(**spoiled.postgres)
    try:
        return (await migrate(connection, spoiled.schema, projections, [VIEWS_SQL])).rebuild
    finally:
        await connection.close()


def newer(*names: str) -> list[InlineProjection]:
    """The projections, some of them as a later release might have them."""
    made = [copy(projection) for projection in INLINE]
    for projection in made:
        if projection.name in names:
            projection.version += 1
    return made


def opening_with(spoiled: Spoiled, folds: Sequence[InlineProjection]) -> Callable[..., Awaitable[Log]]:
    """Opens the log as a process of that release does."""
    return partial(
        Log.open, spoiled.data, spoiled.postgres,
        projections=folds, views_sql=[VIEWS_SQL], settings=spoiled.settings,
    )  # fmt: skip


async def test_a_table_that_a_release_made_anew_is_due_until_its_rebuild_has_committed(spoiled: Spoiled):
    """Invariant 6. A part of what is due done leaves the rest due; writers come after the last."""
    await spoiled.fill()
    before = await spoiled.tables()
    await spoiled.close()
    folds = newer("conversations", "sessions")
    assert sorted(await migrated(spoiled, folds)) == ["conversations", "sessions"]
    opening = opening_with(spoiled, folds)
    with pytest.raises(ProjectionMismatch, match="conversations, sessions have yet to be folded"):
        await opening()
    async with await opening(unfilled=True) as log:
        await rebuild(log, ["sessions"])
        with pytest.raises(ProjectionMismatch, match="conversations have yet to be folded"):
            await opening()
        with pytest.raises(ProjectionMismatch):
            await log.append(Command([new(SESSION, message("early"), id=spoiled.ids.next())]))
        await rebuild(log, ["conversations"])
    assert await spoiled.tables() == before
    async with await opening() as log:
        await log.append(Command([new(SESSION, message("later"), id=spoiled.ids.next())]))
        assert await verify(log) == []


async def test_a_rebuild_is_refused_where_another_release_migrated_meanwhile(spoiled: Spoiled):
    """Its fold is not the one of those tables any more."""
    await spoiled.fill()
    log = await spoiled.log()
    await migrated(spoiled, newer("sessions"))
    before = await spoiled.tables()
    with pytest.raises(ProjectionMismatch, match="the store folds"):
        await rebuild(log)
    assert await spoiled.tables() == before


@pytest.mark.parametrize("shares", [1, 3])
async def test_readers_see_the_table_of_before_until_an_upgrade_has_filled_the_new_one(
    spoiled: Spoiled, shares: int
):
    """Never an empty one, nor a part: not even where the log is folded share by share."""
    await spoiled.fill()
    before = await spoiled.tables()
    await spoiled.sql("UPDATE {schema}.sessions SET title = 'as the older fold had it'")
    older = await spoiled.tables()
    await spoiled.close()
    folds = newer("conversations", "sessions")
    await migrated(spoiled, folds)
    seen, rebuilt = [await spoiled.tables()], asyncio.Event()

    async def read_on() -> None:
        while not rebuilt.is_set():
            seen.append(await spoiled.tables())

    reader = asyncio.create_task(read_on())
    async with await opening_with(spoiled, folds)(unfilled=True) as log:
        report = await rebuild(log, ["conversations", "sessions"], shares=shares)
    rebuilt.set()
    await reader
    assert report.rows == {name: len(before[name]) for name in ("conversations", "sessions")}
    assert [tables for tables in seen if tables not in (older, before)] == []
    assert seen[0] == older
    assert await spoiled.tables() == before


async def test_an_upgrade_gets_its_turn_among_readers_that_overlap(
    spoiled: Spoiled, monkeypatch: pytest.MonkeyPatch
):
    """It waits longer each time it was in vain. Who comes meanwhile waits behind it, for the new table."""
    monkeypatch.setattr("replay.fill.LOCK_WAITS_MS", (20, 60_000))
    await spoiled.fill()
    before = await spoiled.table("sessions")
    await spoiled.close()
    folds = newer("sessions")
    await migrated(spoiled, folds)
    waits = (
        "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        " AND query LIKE '%{schema}.sessions%' AND now() - query_start > interval '300 ms'"
    )

    async def waiting(count: int) -> None:
        while len(await spoiled.sql(waits)) < count:
            pass  # each look is a question to Postgres

    first = await asyncpg.connect(**spoiled.postgres)
    try:
        reading = first.transaction()
        await reading.start()
        await first.fetch(f"SELECT 1 FROM {spoiled.schema}.sessions")
        async with await opening_with(spoiled, folds)(unfilled=True) as log, asyncio.timeout(60):
            upgrade = asyncio.create_task(rebuild(log, ["sessions"]))
            await waiting(1)
            second = asyncio.create_task(spoiled.table("sessions"))
            await waiting(2)
            assert not upgrade.done()
            await reading.rollback()
            await upgrade
            assert await second == before
    finally:
        await first.close()


async def test_an_upgrade_that_two_hosts_fill_at_once_is_filled_once(spoiled: Spoiled):
    """The second finds it filled under the gate, and leaves what was appended since alone."""
    await spoiled.fill()
    before = await spoiled.tables()
    await spoiled.close()
    folds = newer("sessions")
    await migrated(spoiled, folds)
    async with await opening_with(spoiled, folds)(unfilled=True) as log:
        await asyncio.gather(*(rebuild(log, ["sessions"]) for _ in range(3)))
        await log.append(Command([new(SESSION, message("later"), id=spoiled.ids.next())]))
        assert len((await spoiled.tables())["sessions"]) == len(before["sessions"])
        assert await verify(log) == []


async def test_one_connection_for_reading_is_enough_to_rebuild_compare_and_verify(spoiled: Spoiled):
    """They read the log while they hold a snapshot, and the gate: with a pool's only one they would hang."""
    log = await spoiled.log(read_connections_max=1)
    await spoiled.fill()
    await spoiled.sql("UPDATE {schema}.sessions SET title = 'x'")
    async with asyncio.timeout(60):
        assert len(await compare(log, source="postgres")) == 2
        assert len((await rebuild(log, source="postgres")).differences) == 2
        assert await verify(log) == []


async def test_a_rebuild_of_right_tables_writes_nothing(spoiled: Spoiled):
    """Rows keep their place on disk, and the epoch stays: nobody has to read states anew."""
    await spoiled.fill()
    query = (
        "SELECT ctid::text, xmin::text FROM {schema}.sessions"
        " UNION ALL SELECT epoch::text, '' FROM {schema}.head"
    )
    before = await spoiled.sql(query)
    assert (await rebuild(await spoiled.log())).differences == []
    assert await spoiled.sql(query) == before


async def test_only_the_named_tables_are_put_right(spoiled: Spoiled):
    """Names choose tables; what is not named stays as it is, wrong or not."""
    await spoiled.fill()
    await spoiled.sql(
        "UPDATE {schema}.sessions SET title = 'x'", "UPDATE {schema}.conversations SET cost = 7"
    )
    report = await rebuild(await spoiled.log(), ["sessions"])
    assert {finding.where for finding in report.differences} == {"sessions"}
    assert [finding.where for finding in await compare(await spoiled.log())] == ["conversations"] * 2


async def test_an_unknown_table_or_source_is_refused(spoiled: Spoiled):
    """Before anything is read."""
    log = await spoiled.log()
    with pytest.raises(BadInput, match="no projection is called 'nope'"):
        await rebuild(log, ["nope"])
    with pytest.raises(BadInput, match="no projection is named"):
        await rebuild(log, [])
    with pytest.raises(BadInput, match="source 'tape'"):
        await rebuild(log, source="tape")


async def test_a_changed_row_is_named_to_the_column(spoiled: Spoiled):
    """Table, stream, column, what stands there, what the log says."""
    await spoiled.fill()
    await spoiled.sql("UPDATE {schema}.sessions SET title = 'other' WHERE key = 'a'")
    (finding,) = await compare(await spoiled.log())
    assert (finding.where, finding.stream) == ("sessions", SESSION)
    assert finding.values["columns"] == {"title": {"live": "other", "log": "first"}}
    assert "title is 'other', the log says 'first'" in finding.problem


async def test_a_missing_row_and_one_too_many_are_named(spoiled: Spoiled):
    """The one by what the log says of it, the other by what stands there."""
    await spoiled.fill()
    await spoiled.sql(
        "DELETE FROM {schema}.queue_items",
        "INSERT INTO {schema}.generations SELECT 99, version, first_position, first_time, last_position,"
        " last_time, tenant, 'ghost', 3, 0, NULL FROM {schema}.generations LIMIT 1",
    )
    ghost, missing = await compare(await spoiled.log())
    assert (missing.stream, missing.where) == (ITEM, "queue_items")
    assert "lacks the row" in missing.problem
    assert (ghost.stream, ghost.values["stream_id"]) == (StreamId("acme", "session", "ghost"), 99)
    await rebuild(await spoiled.log())
    assert await compare(await spoiled.log()) == []


async def test_writers_go_on_during_a_rebuild_and_nothing_is_lost(spoiled: Spoiled):
    """Wrong rows are put right under the writers' hands: no append fails, and the tables come out right."""
    await spoiled.fill()
    log = await spoiled.log()
    await spoiled.sql("UPDATE {schema}.conversations SET message_count = 1000, input_tokens = 0")
    stop = asyncio.Event()

    async def write(stream: StreamId) -> int:
        count = 0
        while not stop.is_set():
            await log.append(Command([new(stream, message(f"w{count}"), id=spoiled.ids.next())]))
            count += 1
        return count

    writers = [asyncio.create_task(write(stream)) for stream in (SESSION, OTHER)]
    for _ in range(3):
        await rebuild(log)
        await spoiled.sql("UPDATE {schema}.conversations SET message_count = 1000 WHERE key = 'a'")
    await rebuild(log)
    stop.set()
    counts = await asyncio.gather(*writers)
    assert min(counts) > 0
    assert await compare(log) == []
    rows = await spoiled.sql("SELECT key, message_count FROM {schema}.conversations")
    assert dict(rows) == {"a": 6 + counts[0], "a:b": 1 + counts[1]}


async def test_views_and_grants_outlive_a_rebuild(spoiled: Spoiled):
    """Rows are put right, tables stay: whatever hangs on them stays too."""
    await spoiled.fill()
    await spoiled.sql(
        "GRANT SELECT ON {schema}.sessions TO PUBLIC",
        "CREATE VIEW {schema}.mine AS SELECT key FROM {schema}.sessions",
        "DELETE FROM {schema}.sessions",
    )
    await rebuild(await spoiled.log())
    assert [row["key"] for row in await spoiled.sql("SELECT key FROM {schema}.mine ORDER BY 1")] == [
        "a",
        "a:b",
    ]
    granted = "SELECT has_table_privilege('pg_monitor', '{schema}.sessions', 'SELECT') AS ok"
    assert (await spoiled.sql(granted))[0]["ok"]


async def test_a_writer_that_knew_a_wrong_row_forgets_it(spoiled: Spoiled, tmp_path: Path):
    """On another host, which is told nothing: else it would write the wrong row again."""
    await spoiled.fill()
    here = await spoiled.log()
    there = Spoiled(tmp_path / "there", spoiled.postgres, spoiled.schema)
    await spoiled.sql("UPDATE {schema}.conversations SET input_tokens = 1000")
    await there.append(SESSION, message("folded on from the wrong row"))
    await rebuild(here)
    await there.append(SESSION, message("folded on from the right one"))
    assert await compare(here) == []
    await there.close()
