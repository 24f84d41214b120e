"""The local copy by itself: what it gives without Postgres, as of when, and that it changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from eventlog.directory import DataDirectory
from eventlog.errors import BadInput, Damaged
from eventlog.io import SystemIo
from eventlog.local import BEGINNING, LocalCopy
from eventlog.log import Log
from tests.eventlog.conftest import OpenLog
from tests.eventlog.test_log import snapshot
from tests.support.builders import saying, story, whole

A, B = story("a"), story("b")


async def test_it_holds_the_same_events_as_the_log_and_says_as_of_when(opened: OpenLog, tmp_path: Path):
    """Over several segments, beside a log that is open and after it was closed."""
    log = await opened(segment_bytes_max=4096)
    for number in range(40):
        receipt = await log.append(saying((A, B)[number % 2], "x" * 150 + str(number)))
    assert len(log.segments.segments()) > 1
    events, head = await whole(log), await log.head()
    for closed in (False, True):
        if closed:
            await log.close()
        local = LocalCopy.open(tmp_path / "data")
        assert [event async for block in local.read() for event in block] == events
        as_of = await local.as_of()
        assert (as_of.position, as_of.time, as_of.chain) == (40, receipt.time, head.chain)
        for after, until in ((0, 3), (17, 30), (39, None), (40, None)):
            got = [event.position async for block in local.read(after, until) for event in block]
            assert got == list(range(after + 1, (until or 40) + 1))
        assert [event.version for event in await local.read_stream(A, after=2)] == list(range(3, 21))
        assert [event.version for event in await local.read_stream(B, limit=2)] == [1, 2]
        assert await local.read_stream(story("nobody")) == []


async def test_it_follows_what_is_appended_after_it_was_opened(log: Log, tmp_path: Path):
    local = LocalCopy.open(tmp_path / "data")
    assert (await local.as_of()).time == BEGINNING
    for number in range(3):
        await log.append(saying(A, str(number)))
        assert (await local.as_of()).position == number + 1


async def test_a_directory_without_a_log_is_refused_and_nothing_is_made(tmp_path: Path):
    with pytest.raises(BadInput, match=r"is no data directory: it has no agentlog\.json"):
        LocalCopy.open(tmp_path / "data")
    assert not (tmp_path / "data").exists()


async def test_reading_changes_nothing_not_even_a_torn_tail(opened: OpenLog, tmp_path: Path):
    """Cutting is for who opens the log: it has the other copy to ask."""
    log = await opened()
    await log.append(saying(A))
    await log.close()
    (segment,) = (tmp_path / "data" / "segments").glob("*.zst")
    with segment.open("ab") as file:
        file.write(b"torn")
    before = snapshot(tmp_path)
    local = LocalCopy.open(tmp_path / "data")
    assert (await local.as_of()).position == 1
    assert len(await local.read_stream(A)) == 1
    assert snapshot(tmp_path) == before


async def test_damage_below_the_durable_mark_is_told_not_skipped(opened: OpenLog, tmp_path: Path):
    """Invariant 7, without a second copy to compare with."""
    log = await opened()
    for number in range(3):
        await log.append(saying(A, str(number)))
    await log.close()
    (segment,) = (tmp_path / "data" / "segments").glob("*.zst")
    data = bytearray(segment.read_bytes())
    data[-20] ^= 1
    segment.write_bytes(data)
    local = LocalCopy.open(tmp_path / "data")
    with pytest.raises(Damaged, match="positions 3 to 3"):
        await local.as_of()
    with pytest.raises(Damaged):
        await local.read_stream(A)


async def test_events_of_one_append_come_together(log: Log, tmp_path: Path):
    await log.append(saying(A, "1", "2", "3"))
    await log.append(saying(B))
    blocks = [[e.position for e in block] async for block in LocalCopy.open(tmp_path / "data").read()]
    assert blocks == [[1, 2, 3], [4]]


async def test_a_directory_that_never_belonged_to_a_log_is_refused(tmp_path: Path):
    """Who made it went away before it met a server: there is no log whose copy this could be."""
    DataDirectory(tmp_path / "data", SystemIo())
    with pytest.raises(BadInput, match="never belonged to a log"):
        LocalCopy.open(tmp_path / "data")
