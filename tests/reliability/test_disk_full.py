"""A full disk, on either side: told truly, refused before the commit, and over by itself once there is space.

The kernel refuses for real: by a limit on the size of files (EFBIG in the middle of a write), and as root by
a small tmpfs (ENOSPC). With failures made up by a test see tests/eventlog/test_acknowledge.py.
"""

from __future__ import annotations

import asyncio
import os
import random
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

from eventlog.clock import SystemClock
from eventlog.command import Command, Receipt
from eventlog.embedded.server import EmbeddedPostgres, attach
from eventlog.errors import LogUnavailable, MirrorUnavailable, NotMirrored, OutcomeUnknown
from eventlog.log import Log
from tests.eventlog.conftest import OpenLog
from tests.support.builders import assert_whole, open_log, said, saying, story, verdicts, whole

A, B = story("a"), story("b")
BOUND_S = 60.0
INCOMPRESSIBLE = random.Random(1).randbytes(2_000_000).hex()

needs_prlimit = pytest.mark.skipif(
    shutil.which("prlimit") is None, reason="needs prlimit(1) of util-linux: it limits another process"
)


def text(length: int) -> str:
    return INCOMPRESSIBLE[:length]


async def append_when_there_is_space(log: Log, command: Command) -> Receipt:
    """The same open log heals by itself, twice a second at most."""
    async with asyncio.timeout(BOUND_S):
        while True:
            (found,) = await verdicts(log, command)
            if isinstance(found, Receipt):
                return found
            assert isinstance(found, LogUnavailable | MirrorUnavailable), found


async def assert_level(log: Log, count: int) -> None:
    """Both copies hold the same `count` events."""
    assert len(await assert_whole(log)) == count
    assert log.segments.durable_position == count
    assert b"".join(lines for _, lines in log.segments.read_raw()).count(b"\n") == count


@contextmanager
def files_at_most(length: int) -> Iterator[None]:
    """No file of this process grows beyond `length` bytes; a write that would is cut short, then refused."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (length, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def server_process(log: Log) -> int:
    """Which process of the server this log's writer talks to."""
    appender = log._parts.writer._appender
    assert appender is not None
    return int(appender.connection.get_server_pid())


async def limit_server(log: Log, length: int | None) -> None:
    """The same for the server process that this log's writer talks to; None: no limit any more."""
    pid = server_process(log)
    command = ["prlimit", "--pid", str(pid), f"--fsize={'unlimited' if length is None else length}:"]
    owner = os.stat(f"/proc/{pid}")
    user = {"user": owner.st_uid, "group": owner.st_gid} if os.getuid() == 0 else {}
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, **user)
    if done.returncode:
        pytest.skip(f"a server process cannot be limited here: {done.stderr.decode().strip()}")


def newest_segment(log: Log) -> Path:
    return Path(log.segments.segments()[-1].path)


@pytest.mark.parametrize("room", [0, 1, 95, 160, 300])
async def test_a_segment_that_cannot_grow_is_told_with_the_receipt_and_healed_by_itself(
    opened: OpenLog, room: int
):
    """Wherever the write is cut: before the block, in its header, or in its frame."""
    log = await opened(batch_events_max=2)
    await log.append(saying(A, text(200_000)))  # above what else this process may be writing
    with files_at_most(newest_segment(log).stat().st_size + room):
        found = await verdicts(log, *[saying(story(str(n)), text(2_000)) for n in range(5)])
        assert {type(answer) for answer in found} <= {NotMirrored, MirrorUnavailable, Receipt}, found
        refused = [answer for answer in found if isinstance(answer, NotMirrored)]
        assert refused
        head = (await log.head()).position
        assert head == 1 + sum(not isinstance(answer, MirrorUnavailable) for answer in found)
        assert {answer.receipt.last_position for answer in refused} <= set(range(2, head + 1))
        for _ in range(3):
            with pytest.raises(MirrorUnavailable, match="nothing was appended"):
                await log.append(saying(A, text(5_000)))
        assert (await log.head()).position == head, "refused before the commit"
        assert len(await whole(log)) == head, "reading goes on"
        weak = await log.append(saying(B, text(5_000), durability="postgres"))
        assert weak.first_position == head + 1, "who does not wait for the disk is not refused"
    await append_when_there_is_space(log, saying(A))
    await assert_level(log, head + 2)


async def test_a_segment_that_cannot_be_sealed_or_begun_is_healed_by_itself(opened: OpenLog):
    """The index, the seal and the next file need space as well."""
    log = await opened(segment_bytes_max=200_000)
    await log.append(saying(A, text(600_000)))
    count = 1
    with files_at_most(newest_segment(log).stat().st_size + 10):
        (found,) = await verdicts(log, saying(A, "x"))
        assert isinstance(found, NotMirrored)
        count += 1
    await append_when_there_is_space(log, saying(A))
    await assert_level(log, count + 1)
    assert len(log.segments.segments()) == 2


async def test_who_is_cancelled_while_the_disk_is_full_leaves_no_trace_and_closing_works(opened: OpenLog):
    log = await opened()
    await log.append(saying(A, text(200_000)))
    with files_at_most(newest_segment(log).stat().st_size):
        with pytest.raises(NotMirrored):
            await log.append(saying(A))
        waiting = [asyncio.ensure_future(log.append(saying(A))) for _ in range(3)]
        await asyncio.sleep(0)
        for append in waiting:
            append.cancel()
        await asyncio.wait(waiting)
        async with asyncio.timeout(BOUND_S):
            await log.close()
    again = await opened()
    await assert_level(again, 2)


async def test_a_store_is_not_opened_on_a_full_disk_and_says_so(opened: OpenLog):
    """What other hosts appended meanwhile has no room here."""
    log, other = await opened(), await opened("other")
    await log.append(saying(A, text(200_000)))
    await log.close()
    await other.append(saying(A, text(50_000)))
    room = files_at_most(newest_segment(other).stat().st_size - 20_000)
    with room, pytest.raises(MirrorUnavailable, match=r"cannot be (written|brought up)"):
        await opened()
    await assert_level(await opened(), 2)


@needs_prlimit
async def test_a_table_of_postgres_that_cannot_grow_is_unavailable_and_over_by_itself(
    opened: OpenLog, admin: asyncpg.Connection
):
    """A limit on the server process of the writer: its next page does not fit into the file."""
    log = await opened()
    events = [said(A, text(1_400)) for _ in range(200)]
    await log.append(Command(events))
    await admin.execute("SELECT pg_switch_wal()")  # or the limit would strike that file first: a crash
    size = await admin.fetchval("SELECT pg_relation_size($1::regclass)", f"{log.settings.schema}.events")
    await limit_server(log, size)
    found: list[object] = []
    async with asyncio.timeout(BOUND_S):
        while not any(isinstance(answer, LogUnavailable) for answer in found):
            found += await verdicts(log, *[saying(story(str(n)), text(1_400)) for n in range(4)])
    assert {type(answer) for answer in found} <= {Receipt, LogUnavailable}
    count = 200 + sum(isinstance(answer, Receipt) for answer in found)
    assert (await log.head()).position == count, "nothing is half done"
    await limit_server(log, None)
    await append_when_there_is_space(log, saying(A))
    await assert_level(log, count + 1)


@needs_prlimit
@pytest.mark.parametrize("patience_s", [0.0, 60.0])
async def test_a_full_disk_under_the_wal_crashes_postgres_and_the_outcome_is_looked_up(
    short_path: Path, patience_s: float
):
    """Postgres panics when it cannot write its log, in the middle of our commit, and recovers."""
    os.chmod(short_path, 0o755)  # the server may be another user, who has to pass
    server = await attach(short_path / "data", clock=SystemClock())
    try:
        log = await open_log(server, "agentlog", short_path / "log", unavailable_wait_s=patience_s)
        async with log, asyncio.timeout(BOUND_S):
            await log.append(saying(A, "before"))
            # No table of ours has so many bytes; the WAL's file is beyond them once it has grown by more.
            await log.reads.fetch("SELECT pg_switch_wal()")
            await log.reads.fetch("SELECT pg_logical_emit_message(false, '', repeat('x', 1000000))")
            await limit_server(log, 900_000)
            command, before = saying(A), server_process(log)
            (found,) = await verdicts(log, command)
            if patience_s:
                assert isinstance(found, Receipt)
            else:
                assert isinstance(found, OutcomeUnknown | Receipt)
            while not isinstance(found, Receipt):
                (found,) = await verdicts(log, command)
            assert server_process(log) != before, "it did not crash"
            assert found.first_position == 2
            assert len(await assert_whole(log)) == 2
    finally:
        await server.close()


class SmallDisk:
    """A file system of half a megabyte, mounted at `path`, which a filler fills to the last byte."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"

    def fill(self) -> None:
        with open(self._filler, "ab", buffering=0) as file:
            for length in (65_536, 4_096, 512, 1):
                try:
                    while file.write(b"\0" * length):
                        pass
                except OSError:
                    continue

    def free(self) -> None:
        self._filler.unlink()


def mount(path: Path, options: str) -> None:
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)]
    made = subprocess.run(command, capture_output=True)
    if made.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here: {made.stderr.decode().strip()}")


@pytest.fixture
def small_disk(short_path: Path) -> Iterator[SmallDisk]:
    path = short_path / "disk"
    path.mkdir()
    short_path.chmod(0o755)  # the server may be another user, who has to pass
    mount(path, "size=768k,mode=0777")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.mark.root
async def test_a_really_full_disk_under_the_segments_is_back_pressure_until_there_is_space(
    postgres_server: EmbeddedPostgres, schema_name: str, small_disk: SmallDisk
):
    """ENOSPC from a file system, with segments being sealed and made; again and again."""
    log = await open_log(postgres_server, schema_name, small_disk.path / "data", segment_bytes_max=20_000)
    async with log:
        count = 0
        for _ in range(3):
            small_disk.fill()
            found: list[object] = []
            while not any(isinstance(answer, MirrorUnavailable) for answer in found):
                found += await verdicts(log, *[saying(story(str(n)), text(3_000)) for n in range(3)])
            assert {type(answer) for answer in found} <= {Receipt, NotMirrored, MirrorUnavailable}
            count += sum(isinstance(answer, Receipt | NotMirrored) for answer in found)
            assert (await log.head()).position == count
            small_disk.free()
            await append_when_there_is_space(log, saying(A))
            count += 1
            await assert_level(log, count)


@pytest.mark.root
async def test_a_really_full_disk_under_postgres_is_unavailable_until_there_is_space(
    postgres_server: EmbeddedPostgres, schema_name: str, admin: asyncpg.Connection, small_disk: SmallDisk,
    tmp_path: Path,
):  # fmt: skip
    """The tables lie on a small tablespace; the WAL elsewhere, or Postgres would stop."""
    owner = (await asyncio.to_thread(os.stat, f"/proc/{postgres_server.pid}")).st_uid
    place = small_disk.path / "tables"
    place.mkdir()
    os.chown(place, owner, owner)
    await asyncio.to_thread(mount, small_disk.path, "remount,size=24m")
    await admin.execute(f"CREATE TABLESPACE {schema_name} LOCATION '{place}'")
    try:
        target = {
            **postgres_server.connection,
            "server_settings": {"default_tablespace": schema_name},
        }
        log = await open_log(target, schema_name, tmp_path / "data")
        async with log:
            await log.append(saying(A, text(4_000)))
            small_disk.fill()
            found: list[object] = []
            async with asyncio.timeout(BOUND_S):
                while not any(isinstance(answer, LogUnavailable) for answer in found):
                    found += await verdicts(log, *[saying(story(str(n)), text(8_000)) for n in range(8)])
            assert {type(answer) for answer in found} <= {Receipt, LogUnavailable}
            count = 1 + sum(isinstance(answer, Receipt) for answer in found)
            assert (await log.head()).position == count
            small_disk.free()
            await append_when_there_is_space(log, saying(A))
            await assert_level(log, count + 1)
    finally:
        await admin.execute(f"DROP SCHEMA {schema_name} CASCADE")
        await admin.execute(f"DROP TABLESPACE {schema_name}")
