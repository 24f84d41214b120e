"""Each kind of damage is named exactly, and a healthy store has no finding."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from eventlog.command import Command
from eventlog.envelope import StreamId
from eventlog.events import new
from eventlog.io import SystemIo
from eventlog.segment.directory import SegmentDirectory
from projections.archive.archive import Archive
from replay.blocks import readable_blocks
from replay.report import Finding
from replay.verify import verify, verify_store
from tests.replay.support import ITEM, OTHER, SESSION, Spoiled, message, named


async def check(spoiled: Spoiled) -> list[Finding]:
    """Verify the store as it lies there, closed."""
    await spoiled.close()
    return await verify_store(spoiled.data, spoiled.postgres, settings=spoiled.settings)


async def test_a_healthy_store_has_no_finding(spoiled: Spoiled):
    """Open or closed."""
    await spoiled.fill()
    assert await verify(await spoiled.log()) == []
    assert await check(spoiled) == []


async def test_an_empty_store_has_no_finding(spoiled: Spoiled):
    """Nothing to compare is nothing wrong."""
    assert await verify(await spoiled.log()) == []
    assert await check(spoiled) == []


async def test_looking_changes_nothing(spoiled: Spoiled):
    """Not a byte of the directory, not a row: also when there is damage to see."""
    await spoiled.fill()
    await spoiled.close()
    flip(spoiled.segments()[0], -40)
    before = {path: path.read_bytes() for path in sorted(spoiled.data.rglob("*")) if path.is_file()}
    tables = await spoiled.sql("SELECT * FROM {schema}.events ORDER BY 1"), await spoiled.tables()
    assert await check(spoiled) != []
    assert {path: path.read_bytes() for path in sorted(spoiled.data.rglob("*")) if path.is_file()} == before
    assert (await spoiled.sql("SELECT * FROM {schema}.events ORDER BY 1"), await spoiled.tables()) == tables


# The segments.


def flip(path: Path, offset: int) -> None:
    """Change one byte of a file."""
    content = bytearray(path.read_bytes())
    content[offset] ^= 0x10
    path.write_bytes(content)


def block_of(spoiled: Spoiled, log_id, position: int) -> tuple[Path, int, int]:
    """(file, offset of the header, offset behind the frame) of the block that holds a position."""
    directory = SegmentDirectory(str(spoiled.data / "segments"), SystemIo())
    for block in readable_blocks(SystemIo(), directory, log_id, position):
        if block.header.first_position <= position <= block.header.last_position:
            return Path(block.path), block.header.offset, block.header.end
    raise AssertionError(f"no block holds position {position}")


@pytest.mark.parametrize("part", ["header", "frame"])
async def test_one_changed_byte_in_a_segment_is_one_finding_with_its_positions(spoiled: Spoiled, part: str):
    """A damaged block is one finding, whatever it holds; the rest is compared all the same."""
    await spoiled.fill()
    log = await spoiled.log()
    await log.append(Command([new(SESSION, message(f"b{n}"), id=spoiled.ids.next()) for n in range(5)]))
    await spoiled.append(SESSION, message("after"))
    path, begin, end = block_of(spoiled, log.directory.log_id, 16)
    await spoiled.close()
    flip(path, begin + 20 if part == "header" else end - 9)
    (finding,) = await check(spoiled)
    assert (finding.area, finding.first_position, finding.last_position) == ("segments", 14, 18)
    assert finding.where == str(path)


async def test_a_lost_tail_of_the_segments_is_named(spoiled: Spoiled):
    """A file cannot prove that it was not cut short; the durable mark can."""
    await spoiled.fill()
    log = await spoiled.log()
    path, begin, _ = block_of(spoiled, log.directory.log_id, 12)
    await spoiled.close()
    with path.open("r+b") as file:
        file.truncate(begin)
    (finding,) = await check(spoiled)
    assert (finding.area, finding.first_position, finding.last_position) == ("segments", 12, 13)


async def test_a_missing_segment_file_is_named(spoiled: Spoiled):
    """By the positions that were in it."""
    await spoiled.log(segment_bytes_max=4096, zstd_level=1)
    await spoiled.fill()
    await spoiled.append(SESSION, *[message(f"x{n}", "0123456789abcdef" * 200) for n in range(30)])
    await spoiled.close()
    _, second, third = spoiled.segments()[:3]
    second.unlink()
    begin, end = int(second.name[:20]), int(third.name[:20]) - 1
    found = await check(spoiled)
    assert all(finding.area == "segments" for finding in found)
    assert ("segments", begin, end) in named(found)


# Postgres.


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ("data = '{}', compressed = false", "data"),
        ("type = 'message_apended'", "type"),
        ("meta = '{\"a\":1}'", "meta"),
        ("occurred_at = now()", "occurred_at"),
        ("id = gen_random_uuid()", "id"),
        ("schema = 2", "schema"),
        ("time = time - interval '1 us'", "time"),
        ("version = 99", "version"),
    ],
)
async def test_one_changed_row_in_postgres_is_one_finding_that_names_the_column(
    spoiled: Spoiled, change: str, field: str
):
    """Also where the row's hash does not cover it: place and time are covered by the chain."""
    await spoiled.fill()
    await spoiled.behind_the_guards(f"UPDATE {{schema}}.events SET {change} WHERE position = 4")
    (finding,) = await check(spoiled)
    assert (finding.area, finding.first_position, finding.last_position) == ("postgres", 4, 4)
    assert list(finding.values) == [field]
    assert field in finding.problem


async def test_a_row_rewritten_with_a_fitting_hash_is_still_found(spoiled: Spoiled):
    """Whoever can change data can change its hash too; the chain and the other copy tell."""
    await spoiled.fill()
    await spoiled.behind_the_guards(
        "UPDATE {schema}.events AS e SET data = o.data, compressed = o.compressed, id = o.id, hash = o.hash"
        " FROM {schema}.events AS o WHERE e.position = 3 AND o.position = 4"
    )
    found = await check(spoiled)
    assert ("postgres", 3, 3) in named(found)


@pytest.mark.parametrize(("column", "area"), [("hash", "postgres"), ("chain", "chain")])
async def test_a_wrong_hash_or_chain_value_alone_is_named(spoiled: Spoiled, column: str, area: str):
    """The event itself is right in both copies."""
    await spoiled.fill()
    await spoiled.behind_the_guards(f"UPDATE {{schema}}.events SET {column} = sha256('x') WHERE position = 5")
    assert named(await check(spoiled)) == [(area, 5, 5)]


async def test_deleted_rows_are_one_finding_with_their_range(spoiled: Spoiled):
    """The rest still compares: chain, versions and projections follow the segments."""
    await spoiled.fill()
    await spoiled.behind_the_guards("DELETE FROM {schema}.events WHERE position IN (3, 4, 5, 9)")
    assert named(await check(spoiled)) == [("postgres", 3, 5), ("postgres", 9, 9)]


async def test_rows_behind_the_head_are_named(spoiled: Spoiled):
    """Or the head is wrong: both are told."""
    await spoiled.fill()
    await spoiled.sql("UPDATE {schema}.head SET position = 11")
    found = await check(spoiled)
    assert ("postgres", 12, 13) in named(found)


async def test_a_postgres_that_lost_commits_is_named(spoiled: Spoiled):
    """An old backup: whole in itself, but behind the segments."""
    await spoiled.fill()
    await spoiled.behind_the_guards(
        "DELETE FROM {schema}.events WHERE position > 11",
        "UPDATE {schema}.head SET position = 11, time = e.time, chain = e.chain FROM {schema}.events e"
        " WHERE e.position = 11",
    )
    found = await check(spoiled)
    assert ("copies", 12, 13) in named(found)
    assert {finding.area for finding in found} <= {"copies", "streams", "projections"}


async def test_a_wrong_head_is_named(spoiled: Spoiled):
    """Its chain is what the next append would build on."""
    await spoiled.fill()
    await spoiled.sql("UPDATE {schema}.head SET chain = sha256('x')")
    (finding,) = await check(spoiled)
    assert (finding.area, finding.where) == ("chain", "head")


async def test_two_histories_are_told_from_damage(spoiled: Spoiled, tmp_path: Path):
    """Both prove themselves, so neither may be overwritten by a repair."""
    await spoiled.fill()
    await spoiled.close()
    kept = {path: path.read_bytes() for path in (spoiled.data / "segments").iterdir()}
    await spoiled.append(SESSION, message("ours"))
    theirs = {path: path.read_bytes() for path in (spoiled.data / "segments").iterdir()}
    await spoiled.close()
    await spoiled.behind_the_guards(
        "DELETE FROM {schema}.events WHERE position = 14",
        "UPDATE {schema}.head SET position = 13, time = e.time, chain = e.chain FROM {schema}.events e"
        " WHERE e.position = 13",
        "UPDATE {schema}.streams SET version = version - 1 WHERE key = 'a'",
        "DELETE FROM {schema}.mirrors",
    )
    for path in theirs:
        path.unlink()
    for path, content in kept.items():
        path.write_bytes(content)
    await spoiled.append(SESSION, message("other"))
    await spoiled.close()
    for path, content in theirs.items():
        path.write_bytes(content)
    (spoiled.data / "segments" / "HEAD").unlink()
    found = await check(spoiled)
    assert any(
        f.area == "copies" and f.first_position == 14 and "different histories" in f.problem for f in found
    )


# What stands around the events.


async def test_a_wrong_stream_version_is_named(spoiled: Spoiled):
    """The next append would leave a gap."""
    await spoiled.fill()
    await spoiled.sql("UPDATE {schema}.streams SET version = 50 WHERE key = 'a:b'")
    (finding,) = await check(spoiled)
    assert (finding.area, finding.stream) == ("streams", OTHER)
    assert finding.values == {"version": {"postgres": 50, "log": 2}}


async def test_a_renamed_stream_is_one_finding_not_one_per_event(spoiled: Spoiled):
    """The rows are right; what is wrong is one row of streams."""
    await spoiled.fill()
    await spoiled.sql("UPDATE {schema}.streams SET key = 'z' WHERE key = 'a'")
    (finding,) = await check(spoiled)
    assert (finding.area, finding.stream) == ("streams", SESSION)
    assert finding.values["identity"]["postgres"] == StreamId("acme", "session", "z")


async def test_a_deleted_stream_is_one_finding(spoiled: Spoiled):
    """Its events are still there, under its id."""
    await spoiled.fill()
    await spoiled.behind_the_guards("DELETE FROM {schema}.streams WHERE key = 'q1'")
    (finding,) = await check(spoiled)
    assert (finding.area, finding.stream) == ("streams", ITEM)


async def test_a_stream_without_events_is_named(spoiled: Spoiled):
    """An append on it would begin in the middle."""
    await spoiled.fill()
    await spoiled.sql(
        "INSERT INTO {schema}.streams (tenant, kind, key, version) VALUES ('', 'session', 'x', 3)"
    )
    (finding,) = await check(spoiled)
    assert (finding.area, finding.stream) == ("streams", StreamId("", "session", "x"))


async def test_an_idempotency_key_that_points_at_nothing_is_named(spoiled: Spoiled):
    """A repeat with it would get a receipt of nothing. One that points well is not."""
    await spoiled.fill()
    log = await spoiled.log()
    await log.append(Command([new(SESSION, message("k"), id=spoiled.ids.next())], idempotency_key="good"))
    await spoiled.sql(
        "INSERT INTO {schema}.idempotency_keys VALUES ('acme', 'bad', 14, 2, now() + interval '1 day')",
        "INSERT INTO {schema}.idempotency_keys VALUES ('other', 'foreign', 1, 1, now() + interval '1 day')",
    )
    found = await check(spoiled)
    assert sorted((f.area, f.values["key"]) for f in found) == [("keys", "bad"), ("keys", "foreign")]


async def test_projection_rows_edited_deleted_and_added_are_each_named(spoiled: Spoiled):
    """Invariant 6 is proved by verify, row by row."""
    await spoiled.fill()
    await spoiled.sql(
        "UPDATE {schema}.conversations SET input_tokens = 1 WHERE key = 'a'",
        "DELETE FROM {schema}.queue_items",
        "INSERT INTO {schema}.todo_lists SELECT 77, version, first_position, first_time, last_position,"
        " last_time, tenant, 'ghost', total, completed, in_progress, pending, todos FROM {schema}.todo_lists",
    )
    found = await check(spoiled)
    assert [finding.area for finding in found] == ["projections"] * 3
    by_table = {finding.where: finding for finding in found}
    assert by_table["conversations"].values["columns"] == {"input_tokens": {"live": "1", "log": "18"}}
    assert by_table["queue_items"].stream == ITEM
    assert by_table["todo_lists"].stream == StreamId("acme", "session", "ghost")


async def test_a_schema_difference_is_named(spoiled: Spoiled):
    """A guard that was left switched off is how the next accident gets in."""
    await spoiled.fill()
    await spoiled.sql("ALTER TABLE {schema}.events DISABLE TRIGGER USER")
    (finding,) = await check(spoiled)
    assert finding.area == "schema"
    assert "events_are_append_only" in finding.problem


async def test_damage_in_both_copies_is_named_in_both(spoiled: Spoiled):
    """At the same position: lost, and the projections cannot be judged."""
    await spoiled.fill()
    log = await spoiled.log()
    path, begin, _ = block_of(spoiled, log.directory.log_id, 6)
    await spoiled.close()
    flip(path, begin + 170)
    await spoiled.behind_the_guards("UPDATE {schema}.events SET data = '{}' WHERE position = 6")
    found = await check(spoiled)
    assert named(found)[:2] == [("segments", 6, 6), ("postgres", 6, 6)]
    assert "some of it is lost" in found[-1].problem


async def test_a_schema_that_is_gone_is_said_to_be(spoiled: Spoiled):
    """And the segments are checked all the same."""
    await spoiled.fill()
    await spoiled.close()
    await spoiled.sql("DROP SCHEMA {schema} CASCADE")
    found = await verify_store(spoiled.data, spoiled.postgres, settings=spoiled.settings, schema_check=False)
    assert [finding.area for finding in found] == ["schema"]


async def test_an_open_log_verifies_while_writers_go_on(spoiled: Spoiled):
    """At one position, though the head moves on meanwhile."""
    await spoiled.fill()
    log = await spoiled.log()
    stop = asyncio.Event()

    async def write() -> int:
        count = 0
        while not stop.is_set():
            await log.append(Command([new(SESSION, message(f"w{count}"), id=spoiled.ids.next())]))
            count += 1
        return count

    writer = asyncio.create_task(write())
    found = [await verify(log, schema_check=False) for _ in range(3)]
    stop.set()
    assert await writer > 0
    assert found == [[], [], []]


async def test_a_damaged_archive_file_is_named(spoiled: Spoiled):
    """With the positions it holds."""
    await spoiled.fill()
    log = await spoiled.log()
    directory = log.directory.archive
    archive = Archive(directory, lambda *range: log.segments.read(*range), str(log.directory.log_id))
    await asyncio.to_thread(archive.build, 13)
    assert await verify(log, archive) == []
    flip(next(iter(sorted(directory.rglob("*.parquet")))), 20)
    (finding,) = await verify(log, archive)
    assert (finding.area, finding.first_position, finding.last_position) == ("archive", 1, 13)
