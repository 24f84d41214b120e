"""Damage in one copy is mended from the other, byte for byte; what both lost is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from eventlog.command import Command
from eventlog.errors import CopiesDisagree, Damaged
from eventlog.events import new
from eventlog.io import SystemIo
from eventlog.log import Log
from eventlog.segment.directory import SegmentDirectory
from replay.blocks import readable_blocks
from replay.repair import repair
from replay.report import RepairReport
from replay.verify import verify
from tests.replay.support import SESSION, Spoiled, message
from tests.replay.test_restore import EVENTS, lines


async def mend(spoiled: Spoiled) -> RepairReport:
    """Repair, and see that the log is whole and goes on."""
    await spoiled.close()
    report = await repair(spoiled.data, spoiled.postgres, settings=spoiled.settings)
    assert report.found
    assert report.left == []
    await spoiled.append(SESSION, message("after"))
    assert await verify(await spoiled.log()) == []
    return report


def contents(report: RepairReport) -> list[bytes]:
    """What the files are that the repair put into quarantine."""
    return [Path(kept).read_bytes() for kept in report.kept]


def offset_in(log: Log, position: int, part: str) -> tuple[Path, int]:
    """A place to spoil within the block of a position: in its header, its frame, or where it begins."""
    directory = SegmentDirectory(log.segments.directory, SystemIo())
    assert log.directory.log_id is not None
    for block in readable_blocks(SystemIo(), directory, log.directory.log_id, position):
        header = block.header
        if header.first_position <= position <= header.last_position:
            at = {"header": header.offset + 20, "frame": header.end - 9, "begin": header.offset}[part]
            return Path(block.path), at
    raise AssertionError(f"no block holds position {position}")


def flip(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 0x10
    path.write_bytes(content)


async def test_a_damaged_frame_is_mended_to_the_very_bytes_it_had(spoiled: Spoiled):
    """The header remembers its CRC; the damaged file is kept."""
    await spoiled.fill()
    path, offset = offset_in(await spoiled.log(), 7, "frame")
    await spoiled.close()
    whole = path.read_bytes()
    flip(path, offset)
    damaged = path.read_bytes()
    report = await repair(spoiled.data, spoiled.postgres, settings=spoiled.settings)
    assert path.read_bytes() == whole
    assert (report.blocks, report.rewritten_from, report.left) == ([(7, 7)], None, [])
    assert contents(report) == [damaged]


async def test_a_damaged_header_has_the_segments_written_anew_from_that_file_on(spoiled: Spoiled):
    """The same lines; the files of before are kept."""
    await spoiled.log(segment_bytes_max=4096)
    await spoiled.fill()
    await spoiled.append(SESSION, *[message(f"x{n}", f"{n}" * 500) for n in range(60)])
    second = int(spoiled.segments()[1].name[:20])
    path, offset = offset_in(await spoiled.log(), second + 3, "header")
    await spoiled.close()
    text, files = lines(spoiled.data), spoiled.segments()
    assert len(files) > 2
    flip(path, offset)
    report = await mend(spoiled)
    assert report.rewritten_from == second
    assert lines(spoiled.data).startswith(text)
    assert len(report.kept) == len(files)  # all but the first, and the durable mark


async def test_a_lost_tail_and_a_lost_file_are_copied_again(spoiled: Spoiled):
    """Nothing needs to be set aside for what is not there."""
    await spoiled.fill()
    path, offset = offset_in(await spoiled.log(), 11, "begin")
    await spoiled.close()
    text = lines(spoiled.data)
    with path.open("r+b") as file:
        file.truncate(offset)
    report = await repair(spoiled.data, spoiled.postgres, settings=spoiled.settings)
    assert (report.rewritten_from, report.left) == (11, [])
    assert lines(spoiled.data) == text
    for segment in spoiled.segments():
        segment.unlink()
    await mend(spoiled)
    assert lines(spoiled.data).startswith(text)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE {schema}.events SET data = '{}', compressed = false WHERE position = 4",
        "UPDATE {schema}.events SET hash = sha256('x') WHERE position = 4",
        "UPDATE {schema}.events SET time = time - interval '1 us' WHERE position = 4",
        "UPDATE {schema}.events SET version = 99 WHERE position = 4",
        "UPDATE {schema}.events SET chain = sha256('x') WHERE position = 4",
        "DELETE FROM {schema}.events WHERE position IN (4, 5, 13)",
        "UPDATE {schema}.streams SET version = 50",
        "UPDATE {schema}.streams SET key = key || 'z'",
        "UPDATE {schema}.streams SET key = 'swap' WHERE key = 'a';"
        " UPDATE {schema}.streams SET key = 'a' WHERE key = 'a:b';"
        " UPDATE {schema}.streams SET key = 'a:b' WHERE key = 'swap'",
        "DELETE FROM {schema}.streams",
        "INSERT INTO {schema}.streams (tenant, kind, key, version) VALUES ('', 'session', 'x', 3)",
        "UPDATE {schema}.head SET chain = sha256('x'), position = 9",
        "INSERT INTO {schema}.idempotency_keys VALUES ('acme', 'bad', 13, 2, now())",
        "UPDATE {schema}.conversations SET input_tokens = 1",
        "DELETE FROM {schema}.events; DELETE FROM {schema}.streams;"
        " UPDATE {schema}.head SET position = 0, chain = decode(repeat('00', 32), 'hex')",
    ],
)
async def test_postgres_is_mended_from_the_segments(spoiled: Spoiled, damage: str):
    """The rows are what they were, to the byte, and the guards are back."""
    await spoiled.fill()
    before, tables = await spoiled.sql(EVENTS.replace("stream_id, ", "")), await spoiled.tables()
    files = [path.read_bytes() for path in spoiled.segments()]
    await spoiled.close()
    await spoiled.behind_the_guards(*damage.split(";"))
    report = await repair(spoiled.data, spoiled.postgres, settings=spoiled.settings)
    assert report.found
    assert report.left == []
    assert await spoiled.sql(EVENTS.replace("stream_id, ", "")) == before
    assert await spoiled.tables() == tables
    assert [path.read_bytes() for path in spoiled.segments()] == files
    await spoiled.append(SESSION, message("after"))
    assert await verify(await spoiled.log()) == []


async def test_what_was_replaced_in_postgres_is_kept(spoiled: Spoiled):
    """A repair that was wrong can be undone by hand."""
    await spoiled.fill()
    await spoiled.behind_the_guards("UPDATE {schema}.events SET type = 'spoilt' WHERE position = 4")
    report = await mend(spoiled)
    (kept,) = contents(report)
    assert b'"type":"spoilt"' in kept
    assert report.rows == [4]


async def test_damage_in_both_copies_at_different_places_is_mended(spoiled: Spoiled):
    """Each is the other's witness, position by position."""
    await spoiled.fill()
    path, offset = offset_in(await spoiled.log(), 7, "frame")
    await spoiled.close()
    flip(path, offset)
    await spoiled.behind_the_guards("DELETE FROM {schema}.events WHERE position IN (3, 9)")
    report = await mend(spoiled)
    assert (report.rows, report.blocks) == ([3, 9], [(7, 7)])


async def test_a_position_lost_in_both_copies_is_refused_and_named(spoiled: Spoiled):
    """Nothing is changed, not even what could be mended."""
    await spoiled.fill()
    path, offset = offset_in(await spoiled.log(), 7, "frame")
    await spoiled.close()
    flip(path, offset)
    await spoiled.behind_the_guards("DELETE FROM {schema}.events WHERE position IN (3, 7)")
    before, spoilt = await spoiled.sql(EVENTS), path.read_bytes()
    with pytest.raises(Damaged, match="position 7") as refused:
        await repair(spoiled.data, spoiled.postgres, settings=spoiled.settings)
    assert (refused.value.first_position, refused.value.last_position) == (7, 7)
    assert (await spoiled.sql(EVENTS), path.read_bytes()) == (before, spoilt)


async def test_two_histories_are_not_mended(spoiled: Spoiled):
    """Which one counts is for people to say."""
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
    for path, content in kept.items():
        path.write_bytes(content)
    await spoiled.append(SESSION, message("other"))
    await spoiled.close()
    for path, content in theirs.items():
        path.write_bytes(content)
    with pytest.raises(CopiesDisagree, match="two histories"):
        await repair(spoiled.data, spoiled.postgres, settings=spoiled.settings)


async def test_a_healthy_store_is_left_alone(spoiled: Spoiled):
    """No epoch, no file, no row."""
    await spoiled.fill()
    log = await spoiled.log()
    await log.append(Command([new(SESSION, message("k"), id=spoiled.ids.next())], idempotency_key="k"))
    await spoiled.close()
    before = await spoiled.sql("SELECT * FROM {schema}.head"), identity(spoiled.segments()[0])
    report = await repair(spoiled.data, spoiled.postgres, settings=spoiled.settings)
    assert report == RepairReport(found=[], left=[])
    assert (await spoiled.sql("SELECT * FROM {schema}.head"), identity(spoiled.segments()[0])) == before


def identity(path: Path) -> tuple[int, int]:
    """The same as long as nobody wrote or replaced the file."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns


async def test_a_tail_that_postgres_alone_remembers_is_copied_again(spoiled: Spoiled):
    """The durable mark went with it; Postgres keeps another one."""
    await spoiled.fill()
    path, offset = offset_in(await spoiled.log(), 7, "begin")
    await spoiled.close()
    text = lines(spoiled.data)
    with path.open("r+b") as file:
        file.truncate(offset)
    (spoiled.data / "segments" / "HEAD").unlink()
    # As an append tells it that comes a moment after the one before it: not every one does.
    await spoiled.sql("UPDATE {schema}.mirrors SET durable_position = 12")
    report = await repair(spoiled.data, spoiled.postgres, settings=spoiled.settings)
    (finding,) = report.found
    # How far Postgres remembers depends on the time: the mark travels with an append now and then.
    assert (finding.area, finding.first_position) == ("segments", 7)
    assert finding.last_position in range(7, 13)
    assert report.left == []
    assert lines(spoiled.data) == text
