"""The local copy stays level with Postgres, copies what others appended, and never believes a bad row."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

import asyncpg
import pytest

from eventlog.command import Command
from eventlog.errors import CopiesDisagree, Damaged, MirrorUnavailable
from eventlog.log import Log
from eventlog.mirror import COPY_EVENTS_MAX
from eventlog.segment.store import Block
from tests.eventlog.conftest import OpenLog
from tests.support.builders import assert_whole, said, saying, story

A, B = story("a"), story("b")


async def alter(admin: asyncpg.Connection, schema: str, *statements: str) -> None:
    """Change the log behind its guards, as a restored backup or a careless hand would."""
    await admin.execute("SET session_replication_role = replica")
    for statement in statements:
        await admin.execute(statement.replace("{schema}", schema))
    await admin.execute("RESET session_replication_role")


async def same_bytes(log: Log) -> int:
    stored = await log.reads.page(0, 1 << 40, 1 << 20)
    assert b"".join(lines for _, lines in log.segments.read_raw()) == b"".join(row.line for row in stored)
    return len(stored)


async def test_opening_copies_what_postgres_has_and_the_segments_lack(opened: OpenLog):
    """More than one page of it; `progress` tells how far it got."""
    away = await opened("away")
    await away.append(saying(A))
    await away.close()
    other = await opened("other", batch_events_max=500)
    await asyncio.gather(*[other.append(Command([said(A), said(B)])) for _ in range(COPY_EVENTS_MAX)])
    told: list[int] = []
    again = await opened("away", progress=told.append)
    assert again.segments.durable_position == 1 + 2 * COPY_EVENTS_MAX
    assert told == sorted(told)
    assert told[-1] == 1 + 2 * COPY_EVENTS_MAX
    assert await same_bytes(again) == 1 + 2 * COPY_EVENTS_MAX


async def test_invariant_3_events_of_others_are_copied_in_before_one_s_own_is_acknowledged(
    opened: OpenLog,
):
    """The segment holds a prefix of the log, never a hole."""
    one, other = await opened("one"), await opened("other")
    for number in range(5):
        await other.append(saying(B, str(number)))
    receipt = await one.append(saying(A))
    assert one.segments.durable_position == receipt.last_position == 6
    assert await same_bytes(one) == 6
    assert other.segments.head_position == 5


@pytest.mark.parametrize("there", ["nothing", "a restored one"])
async def test_a_reader_whose_directory_was_replaced_reads_postgres(
    opened: OpenLog, tmp_path: Path, there: str
):
    """What it knows of the files it opened is not true of others: a restored copy has other blocks."""
    reader = await opened("data", segment_bytes_max=4096)
    for _ in range(20):
        await reader.append(saying(A, random.randbytes(500).hex()))
    assert len(reader.segments.segments()) > 2
    writer = await opened("other")
    (tmp_path / "data").rename(tmp_path / "aside")
    if there == "a restored one":
        await (await opened("data")).close()
    await writer.append(saying(A, "the last"))
    assert [event.position async for block in reader.read() for event in block] == [*range(1, 22)]
    assert [event.position async for block in reader.read(after=10) for event in block] == [*range(11, 22)]


async def test_a_reader_of_a_damaged_file_is_told_so(opened: OpenLog):
    """Postgres has the event, but a damaged copy is to be known."""
    log = await opened()
    await log.append(saying(A, "x" * 50))
    os.truncate(log.segments.segments()[0].path, 300)
    with pytest.raises(Damaged):
        async for _ in log.read():
            pass


async def test_logs_on_one_directory_write_every_event_once(opened: OpenLog):
    """Whoever has the next events takes the lock; the others find them written."""
    logs = [await opened("shared") for _ in range(3)]
    for _ in range(4):
        await asyncio.gather(*[log.append(saying(story(str(n)))) for n, log in enumerate(logs * 4)])
    for log in logs:
        await log.append(saying(A))
    assert await same_bytes(logs[0]) == 51
    await assert_whole(logs[1])


async def test_batches_with_others_between_them_are_written_with_those(opened: OpenLog):
    """Two of ours wait for one sync, and another host committed in between: both are acknowledged."""
    one, other = await opened("one"), await opened("other")
    for number in range(4):
        await other.append(saying(A, str(number)))
    first, second, _, last = (
        Block(header.first_position, header.count, lines, header.chain_before, header.chain_after)
        for header, lines in other.segments.read_raw()
    )
    await one._parts.mirror.write([first, second, last])
    assert one.segments.durable_position == 4
    assert await same_bytes(one) == 4


async def test_invariant_7_a_row_that_does_not_match_its_hash_is_not_copied(
    opened: OpenLog, admin: asyncpg.Connection
):
    """Damage is reported: the position is named, the segment ends before it."""
    other = await opened("other")
    for text in ("one", "two", "three"):
        await other.append(saying(A, text))
    await alter(admin, other.settings.schema, "UPDATE {schema}.events SET data = '{}' WHERE position = 2")
    with pytest.raises(Damaged, match="position 2 in Postgres does not match its hash") as found:
        await opened("fresh")
    assert (found.value.first_position, found.value.last_position) == (2, 2)


async def test_a_missing_row_is_damage_and_not_copied_over(opened: OpenLog, admin: asyncpg.Connection):
    other = await opened("other")
    for text in ("one", "two", "three"):
        await other.append(saying(A, text))
    await alter(admin, other.settings.schema, "DELETE FROM {schema}.events WHERE position = 2")
    with pytest.raises(Damaged, match="Postgres lacks position 2") as found:
        await opened("fresh")
    assert (found.value.first_position, found.value.last_position) == (2, 2)


async def test_a_row_whose_chain_was_rewritten_is_not_copied(opened: OpenLog, admin: asyncpg.Connection):
    """A consistent row at a wrong place: only the chain shows it."""
    other = await opened("other")
    await other.append(saying(A, "one"))
    await other.append(saying(A, "two"))
    moved = "UPDATE {schema}.events SET time = time + interval '1 second' WHERE position = 1"
    await alter(admin, other.settings.schema, moved)
    with pytest.raises(CopiesDisagree, match="chain of Postgres at position 1"):
        await opened("fresh")


BEHIND = (
    "DELETE FROM {schema}.events WHERE position > 1",
    "UPDATE {schema}.streams SET version = 1",
    "UPDATE {schema}.head SET position = 1, chain = (SELECT chain FROM {schema}.events WHERE position = 1)",
)


def files(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (path / "segments").iterdir() if file.suffix == ".zst"}


async def test_postgres_behind_the_segments_is_refused_with_both_heads(
    opened: OpenLog, admin: asyncpg.Connection, tmp_path: Path
):
    """Invariant 3, broken from outside: an old backup was restored. Nothing is written anywhere."""
    log = await opened()
    for text in ("one", "two", "three"):
        await log.append(saying(A, text))
    await log.close()
    before = files(tmp_path / "data")
    await alter(admin, log.settings.schema, *BEHIND)
    with pytest.raises(CopiesDisagree, match=r"segments stand at position 3 .* Postgres at 1") as found:
        await opened()
    assert (found.value.first_position, found.value.last_position) == (2, 3)
    assert "agentlog restore" in str(found.value)
    assert files(tmp_path / "data") == before


async def test_another_history_of_the_same_length_is_refused(opened: OpenLog, admin: asyncpg.Connection):
    log, witness = await opened("mine"), await opened("witness")
    await log.append(saying(A, "one"))
    await log.append(saying(A, "two"))
    await log.close()
    await witness.close()
    await alter(admin, log.settings.schema, *BEHIND, "TRUNCATE {schema}.tallies, {schema}.chapters")
    await alter(admin, log.settings.schema, "DELETE FROM {schema}.mirrors")
    other = await opened("another")
    await other.append(saying(A, "another two"))
    await other.append(saying(A, "another three"))
    with pytest.raises(CopiesDisagree, match="do not share that history"):
        await opened("mine")


async def test_an_open_log_notices_when_postgres_falls_behind_under_it(
    opened: OpenLog, admin: asyncpg.Connection
):
    """A failover to a replica that had not everything: found when the connection is made again."""
    log = await opened()
    for text in ("one", "two", "three"):
        await log.append(saying(A, text))
    await alter(admin, log.settings.schema, *BEHIND)
    await admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'agentlog'"
        " AND pid <> pg_backend_pid() AND query LIKE $1",
        f"%{log.settings.schema}.%",
    )
    async with asyncio.timeout(60):
        with pytest.raises(CopiesDisagree):
            await log.append(saying(A, "four"))
    assert log.segments.head_position == 3


async def test_a_segment_directory_that_lost_its_tail_is_damage(opened: OpenLog, tmp_path: Path):
    """Postgres remembers how far it was synced: a tail that vanished is not taken for a torn one."""
    log = await opened()
    for text in ("one", "two", "three", "four"):
        await log.append(saying(A, text))
    await log.close()
    [segment] = (tmp_path / "data" / "segments").glob("*.zst")
    segment.write_bytes(segment.read_bytes()[:-1])
    with pytest.raises(Damaged):
        await opened()


async def test_a_directory_that_cannot_be_written_is_refused(opened: OpenLog, tmp_path: Path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "segments").write_bytes(b"a file in its place")
    with pytest.raises(MirrorUnavailable):
        await opened()
