"""Told only what is synced; and what happens when the disk fails after Postgres has committed."""

from __future__ import annotations

import asyncio
import errno
import threading
import time

import asyncpg
import pytest

from eventlog.acknowledge import HEAL_INTERVAL_S, QUICK_S, SLOW_WRITES
from eventlog.clock import SystemClock
from eventlog.command import Command, Receipt
from eventlog.errors import Closed, MirrorUnavailable, NotMirrored
from eventlog.io import SystemIo
from eventlog.log import Log
from eventlog.segment.directory import SegmentDirectory
from tests.eventlog.conftest import OpenLog
from tests.support.builders import assert_whole, said, saying, story, verdicts
from tests.support.failing_io import FailingIo

A, B = story("a"), story("b")


class PushedClock(SystemClock):
    """The machine's clock, put forward by hand."""

    ahead_s = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead_s

    def pass_time(self) -> None:
        self.ahead_s += HEAL_INTERVAL_S


class WatchedIo(SystemIo):
    """Notes which thread syncs; `slow` makes a sync take longer than the event loop may be held up."""

    def __init__(self) -> None:
        self.slow = False
        self.in_loop: list[bool] = []

    def fdatasync(self, fd: int) -> None:
        self.in_loop.append(threading.current_thread() is threading.main_thread())
        if self.slow:
            time.sleep(2 * QUICK_S)
        super().fdatasync(fd)


def after_a_slow_write(log: Log) -> None:
    """What is written next is written in another thread: the test holds it up."""
    log._parts.acknowledger._to_thread = SLOW_WRITES


def segment_lines(log: Log) -> bytes:
    return b"".join(lines for _, lines in log.segments.read_raw())


async def assert_level(log: Log, count: int) -> None:
    """Both copies hold the same `count` events, durably."""
    assert len(await assert_whole(log)) == count
    stored = b"".join(row.line for row in await log.reads.page(0, count + 1))
    assert segment_lines(log) == stored
    assert log.segments.durable_position == count


async def test_invariant_2_nobody_is_told_before_the_sync(opened: OpenLog):
    """Postgres has the events long before; their callers wait for the disk."""
    io = FailingIo()
    log = await opened(io=io)
    await log.append(saying(A))
    after_a_slow_write(log)
    io.held["fdatasync"] = threading.Event()
    appends = [asyncio.ensure_future(log.append(saying(stream))) for stream in (A, B)]
    while (await log.head()).position < 3:
        pass
    done, _ = await asyncio.wait(appends, timeout=0.1)
    assert not done
    assert log.segments.durable_position == 1
    io.held.pop("fdatasync").set()
    receipts = await asyncio.gather(*appends)
    assert log.segments.durable_position == max(receipt.last_position for receipt in receipts) == 3


@pytest.mark.parametrize("size", [1, 3])
async def test_durability_postgres_returns_before_the_sync_and_the_segment_follows(
    opened: OpenLog, size: int
):
    """An explicit choice, per command here."""
    io = FailingIo()
    log = await opened(io=io)
    io.held["fdatasync"] = threading.Event()
    appends = [log.append(saying(story(str(n)), durability="postgres")) for n in range(size)]
    receipts = await asyncio.wait_for(asyncio.gather(*appends), 20)
    assert sorted(receipt.first_position for receipt in receipts) == list(range(1, size + 1))
    assert log.segments.durable_position == 0
    assert log._parts.acknowledger.trouble is None, "the sync was waited for, until it gave up"
    io.held.pop("fdatasync").set()
    await log.append(saying(A))
    await assert_level(log, size + 1)


async def test_durability_postgres_can_be_the_log_s_own_and_both_a_command_s(opened: OpenLog):
    io = FailingIo()
    log = await opened(io=io, durability="postgres")
    after_a_slow_write(log)
    io.held["fdatasync"] = threading.Event()
    await asyncio.wait_for(log.append(saying(A)), 20)
    strict = asyncio.ensure_future(log.append(saying(A, durability="both")))
    done, _ = await asyncio.wait([strict], timeout=0.1)
    assert not done
    io.held.pop("fdatasync").set()
    await strict
    await assert_level(log, 2)


async def test_a_quick_disk_is_written_in_the_event_loop_and_a_slow_one_is_not(opened: OpenLog):
    """To hand it to another thread takes longer than a quick sync; a slow one would hold up everybody."""
    io = WatchedIo()
    log = await opened(io=io)
    await log.append(saying(A))  # makes the segment
    log._parts.acknowledger._to_thread = 0  # whatever that took
    io.in_loop.clear()
    io.slow = True
    for _ in range(SLOW_WRITES + 2):
        await asyncio.gather(log.append(saying(A)), log.append(saying(B)))
    assert io.in_loop == [True, *[False] * SLOW_WRITES, True]
    await assert_level(log, 1 + 2 * (SLOW_WRITES + 2))


async def test_who_does_not_wait_for_the_segment_is_not_held_up_by_the_disk(opened: OpenLog):
    """Not by the sync of somebody else's events in the same batch either."""
    io = WatchedIo()
    log = await opened(io=io)
    await log.append(saying(A))
    log._parts.acknowledger._to_thread = 0
    io.in_loop.clear()
    await asyncio.gather(log.append(saying(A)), log.append(saying(B, durability="postgres")))
    await assert_level(log, 3)
    assert io.in_loop == [False]


async def test_closing_brings_the_segment_level_for_those_who_did_not_wait(opened: OpenLog):
    log = await opened(durability="postgres")
    await asyncio.gather(*[log.append(saying(story(str(n)))) for n in range(10)])
    await log.close()
    assert log.segments.durable_position == 10


async def test_a_repeat_that_waits_for_the_segment_waits_for_it(opened: OpenLog):
    """Beside one with the same key that does not."""
    io = FailingIo()
    log = await opened(io=io)
    after_a_slow_write(log)
    io.held["fdatasync"] = threading.Event()
    eager = asyncio.ensure_future(log.append(saying(A, idempotency_key="k", durability="postgres")))
    patient = asyncio.ensure_future(log.append(saying(A, idempotency_key="k")))
    await asyncio.wait_for(eager, 20)
    done, _ = await asyncio.wait([patient], timeout=0.1)
    assert not done
    io.held.pop("fdatasync").set()
    assert (await patient).duplicate


FAILURES = [
    ("pwrite", errno.ENOSPC),
    ("pwrite", errno.EIO),
    ("fdatasync", errno.EIO),
    ("fdatasync", errno.ENOSPC),
]


@pytest.mark.parametrize(("call", "number"), FAILURES)
@pytest.mark.parametrize("size", [1, 3])
async def test_a_disk_that_fails_after_the_commit_is_told_with_the_receipt(
    opened: OpenLog, call: str, number: int, size: int
):
    """Then appends are refused before their commit, until the segment is level again."""
    io, clock = FailingIo(), PushedClock()
    log = await opened(io=io, clock=clock)
    await log.append(saying(A))
    io.failures[call] = number
    found = await verdicts(log, *[saying(story(str(n))) for n in range(size)])
    assert [type(error) for error in found] == [NotMirrored] * size
    assert sorted(error.receipt.first_position for error in found) == list(range(2, 2 + size))
    assert (await log.head()).position == 1 + size

    for _ in range(3):
        clock.pass_time()
        with pytest.raises(MirrorUnavailable, match="nothing was appended"):
            await log.append(saying(A))
    assert (await log.head()).position == 1 + size, "refused before the commit"

    io.failures.clear()
    clock.pass_time()
    receipt = await log.append(saying(A))
    assert (receipt.first_position, receipt.versions) == (2 + size, {A: 2})
    await assert_level(log, 2 + size)


async def test_who_repeats_a_key_while_the_disk_fails_hears_that_its_receipt_is_the_first_one_s(
    opened: OpenLog,
):
    """The same batch holds both; only the first one's events are in the log."""
    io = FailingIo()
    log = await opened(io=io)
    io.failures["fdatasync"] = errno.EIO
    found = await verdicts(log, *[saying(A, idempotency_key="k") for _ in range(2)])
    assert [type(error) for error in found] == [NotMirrored] * 2
    assert [error.receipt.duplicate for error in found] == [False, True]
    assert (await log.head()).position == 1


async def test_a_failed_sync_is_never_tried_again_on_the_same_file(opened: OpenLog):
    """The page cache would show what is not on disk: the segments are opened and read afresh."""
    io, clock = FailingIo(), PushedClock()
    log = await opened(io=io, clock=clock)
    io.failures["fdatasync"] = errno.EIO
    with pytest.raises(NotMirrored):
        await log.append(saying(A))
    poisoned = log.segments
    io.failures.clear()
    with pytest.raises(MirrorUnavailable):
        poisoned.sync()
    clock.pass_time()
    await log.append(saying(A))
    assert log.segments is not poisoned
    await assert_level(log, 2)


async def test_reading_goes_on_while_the_disk_refuses_writes(opened: OpenLog):
    io = FailingIo()
    log = await opened(io=io)
    await log.append(saying(A))
    io.failures["pwrite"] = errno.ENOSPC
    with pytest.raises(NotMirrored):
        await log.append(saying(A, "only in Postgres"))
    with pytest.raises(MirrorUnavailable):
        await log.append(saying(A))
    assert [event.value["text"] for event in await assert_whole(log)] == ["", "only in Postgres"]


async def test_durability_postgres_goes_on_while_the_disk_fails_and_heals_it_by_itself(opened: OpenLog):
    io, clock = FailingIo(), PushedClock()
    log = await opened(io=io, clock=clock, durability="postgres")
    io.failures["fdatasync"] = errno.EIO
    for _ in range(3):
        await log.append(saying(A))
        clock.pass_time()
    io.failures.clear()
    for _ in range(3):
        clock.pass_time()
        await log.append(saying(A))
    await log.append(saying(A, durability="both"))
    await assert_level(log, 7)


async def test_a_failing_disk_does_not_keep_the_log_from_closing(opened: OpenLog):
    io = FailingIo()
    log = await opened(io=io)
    io.failures["pwrite"] = errno.ENOSPC
    with pytest.raises(NotMirrored):
        await log.append(saying(A))
    await log.close()
    io.failures.clear()
    again = await opened(io=io)
    await assert_level(again, 1)


async def test_who_waits_for_the_disk_while_the_log_closes_is_told_so(opened: OpenLog):
    """Nobody is left waiting for a writer that has stopped."""
    io = FailingIo()
    log = await opened(io=io)
    io.failures["pwrite"] = errno.ENOSPC
    with pytest.raises(NotMirrored):
        await log.append(saying(A))
    async with log._parts.acknowledger._healing:
        waiting = asyncio.ensure_future(log.append(saying(A)))
        await log.close()
        log._parts.acknowledger.trouble = None
    with pytest.raises(Closed):
        await asyncio.wait_for(waiting, 20)


async def test_a_mirror_that_breaks_in_an_unforeseen_way_leaves_nobody_waiting(opened: OpenLog):
    """The writer and all callers wait for the acknowledger: it must outlive any error."""
    io = FailingIo()
    log = await opened(io=io, batch_events_max=2)
    io.failures["pwrite"] = MemoryError("no room")
    found = await verdicts(log, *[saying(story(str(n))) for n in range(12)])
    assert {type(error) for error in found} == {NotMirrored}
    with pytest.raises(MirrorUnavailable):
        await log.append(saying(A))
    assert (await log.head()).position == 12


async def test_a_heal_by_somebody_else_that_stopped_short_is_gone_on_with(opened: OpenLog):
    """It knew a lower head; what came meanwhile must not pass for durable."""
    io, clock = FailingIo(), PushedClock()
    log = await opened(io=io, clock=clock, durability="postgres")
    acknowledger = log._parts.acknowledger
    io.failures["fdatasync"] = errno.EIO
    with pytest.raises(NotMirrored):
        await log.append(saying(A, durability="both"))
    io.failures.clear()
    async with acknowledger._healing:
        await log.append(saying(A))
        await acknowledger.mirror.reopen()
        await acknowledger.mirror.catch_up(1)
        acknowledger.trouble = None
    await log.close()
    assert log.segments.durable_position == 2


async def test_several_who_come_while_it_heals_are_all_answered(opened: OpenLog):
    io, clock = FailingIo(), PushedClock()
    log = await opened(io=io, clock=clock)
    io.failures["fdatasync"] = errno.EIO
    await verdicts(log, saying(A), saying(B))
    io.failures.clear()
    clock.pass_time()
    found = await verdicts(log, *[Command([said(A), said(B)]) for _ in range(10)])
    assert [receipt.first_position for receipt in found] == list(range(3, 23, 2))
    await assert_level(log, 22)


async def test_a_log_that_falls_idle_writes_down_how_far_it_is_synced(
    opened: OpenLog, monkeypatch: pytest.MonkeyPatch
):
    """A file cannot prove its own truncation: the mark does, also when the process is killed later."""
    monkeypatch.setattr("eventlog.acknowledge.IDLE_MARK_S", 0.01)
    log = await opened()
    for _ in range(3):
        await log.append(saying(A))
    assert log.directory.log_id is not None
    files = SegmentDirectory(str(log.directory.segments), SystemIo())
    async with asyncio.timeout(30):
        while (mark := files.read_mark(log.directory.log_id)) is None or mark.position < 3:
            await log.head()
    assert (mark.position, mark.chain) == (3, (await log.head()).chain)


async def test_postgres_is_told_what_is_synced_and_not_what_is_committed(
    opened: OpenLog, admin: asyncpg.Connection, schema_name: str, monkeypatch: pytest.MonkeyPatch
):
    """It is the witness of what was promised: beyond that, a torn tail would be taken for damage."""
    monkeypatch.setattr("eventlog.postgres.append.MARK_INTERVAL_S", 0)
    io = FailingIo()
    log = await opened(io=io, durability="postgres")
    await log.append(saying(A, durability="both"))
    after_a_slow_write(log)
    io.held["fdatasync"] = threading.Event()
    for _ in range(3):
        await asyncio.wait_for(log.append(saying(A)), 20)
    told = await admin.fetchval(f"SELECT durable_position FROM {schema_name}.mirrors")
    io.held.pop("fdatasync").set()
    assert told == 1
    await assert_level(log, 4)


async def test_closing_goes_on_when_its_caller_is_cancelled(opened: OpenLog):
    """Half closed, the appends under way would wait for ever, and nobody could close again."""
    log = await opened()
    appends = [asyncio.ensure_future(log.append(saying(A))) for _ in range(50)]
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(log.close())
    await asyncio.sleep(0)
    closing.cancel()
    async with asyncio.timeout(60):
        await log.close()
        done = await asyncio.gather(*appends, return_exceptions=True)
    assert all(isinstance(answer, Receipt | Closed) for answer in done)
