"""Several processes share a directory: each append begins where the last one ended, whoever made it."""

from __future__ import annotations

import errno
import multiprocessing
import os
import shutil
import threading
from contextlib import nullcontext
from pathlib import Path

import pytest

from eventlog.errors import Damaged, MirrorUnavailable
from eventlog.io import SystemIo
from eventlog.segment.store import NotContiguous
from tests.eventlog.segment.building import (
    FIRST,
    FixedClock,
    History,
    filled,
    lines_of,
    machine,
    open_store,
)
from tests.support.forking import true_in_a_child


def test_two_stores_taking_turns_make_one_log() -> None:
    """Over rolls and seals made by either; each sees the other's blocks when it appends or refreshes."""
    history = History().commit_many(40, size=700)
    io = machine()
    stores = [open_store(io, segment_bytes_max=4096), open_store(io, segment_bytes_max=4096)]
    for position in range(0, 40, 2):
        store, other = stores[position // 2 % 2], stores[(position // 2 + 1) % 2]
        with pytest.raises(NotContiguous) if position else nullcontext():
            store.append([history.block(max(0, position - 1), position + 1)])
        store.append([history.block(store.head_position, position + 2)])
        store.sync()
        if position % 3 == 0:
            assert other.refresh() == position + 2
    assert stores[0].refresh() == stores[1].refresh() == 40
    for store in stores:
        assert lines_of(store) == history.lines
        assert len(store.segments()) > 3
        assert list(store.verify()) == []
        store.close()
    assert lines_of(open_store(io, witness=40)) == history.lines


def test_a_reader_meets_segments_it_never_heard_of() -> None:
    """A read follows seals into files that another process made since."""
    history = History().commit_many(20, size=1000)
    io = machine()
    writer, reader = open_store(io, segment_bytes_max=4096), open_store(io)
    for block in history.blocks(0, [1] * 20):
        writer.append([block])
    assert reader.head_position == 0
    assert lines_of(reader) == history.lines
    assert lines_of(reader, 13, 15) == history.lines[13:15]


def test_what_a_killed_process_left_is_cut_by_the_next_append_of_another() -> None:
    """Its lock went with it; half a block stands at the end; refresh leaves it alone."""
    history = History().commit_many(4)
    io = filled(history, [2])
    store = open_store(io)
    length = store.segments()[0].length_bytes
    fd = io.open(FIRST, os.O_RDWR)
    io.pwrite(fd, b"\x51\x2a\x4d\x18 half a header", length)
    assert store.refresh() == 2
    assert io.size(fd) > length
    store.append([history.block(2, 4)])
    assert store.recovery.cuts[0].offset == length
    assert lines_of(store) == history.lines
    assert list(store.verify()) == []


def test_blocks_that_vanish_behind_a_living_store_are_damage() -> None:
    """What this process synced it remembers: a shortened file is not taken for a torn one."""
    history = History().commit_many(6)
    io = filled(history, [2, 2])
    store = open_store(io)
    fd = io.open(FIRST, os.O_RDWR)
    io.ftruncate(fd, store.segments()[0].length_bytes - 3)
    with pytest.raises(Damaged) as caught:
        store.append([history.block(4, 6)])
    assert (caught.value.first_position, caught.value.last_position) == (3, 4)
    with pytest.raises(Damaged):
        lines_of(store)


def test_opening_waits_for_a_block_that_is_being_written(tmp_path: Path) -> None:
    """The lock is taken before anything is decided: half of a living writer's block is no torn tail."""
    history = History().commit_many(3)
    directory = str(tmp_path / "segments")
    writer = open_store(SystemIo(), directory)
    writer.append([history.block(0, 2)])
    opened: list[bool] = []

    def open_another() -> None:
        store = open_store(SystemIo(), directory)
        opened.append(bool(store.recovery))
        store.close()

    with writer._files.locked():
        path = writer.segments()[0].path
        length = os.stat(path).st_size
        with open(path, "ab") as file:
            file.write(b"half of a block")
        thread = threading.Thread(target=open_another)
        thread.start()
        thread.join(0.05)
        assert opened == []
        os.truncate(path, length)
    thread.join(20)
    assert opened == [False]
    writer.close()


@pytest.mark.parametrize("seed", range(30))
def test_a_failed_sync_of_one_does_not_stop_the_other_and_is_not_built_upon(seed: int) -> None:
    """The cache shows a block that is not on disk, and who opens the file now is not told so."""
    history = History().commit_many(4)
    io = machine(seed=seed)
    one, two = open_store(io), open_store(io)
    one.append([history.block(0, 2)])
    io.failures["fdatasync"] = errno.EIO
    with pytest.raises(MirrorUnavailable):
        one.sync()
    io.failures.clear()
    two.refresh()
    assert two.head_position in (0, 2), "the block reached the disk, or it did not"
    two.append([history.block(two.head_position, 4)])
    assert two.sync() == 4
    assert lines_of(open_store(io.crash(), witness=4)) == history.lines


def test_reads_run_beside_appends(tmp_path: Path) -> None:
    """No false alarm while blocks are half written and segments roll: every read is a prefix."""
    history = History().commit_many(400, size=300)
    store = open_store(SystemIo(), str(tmp_path / "segments"), segment_bytes_max=16_384)
    problems: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                lines = lines_of(store)
                assert lines == history.lines[: len(lines)]
        except BaseException as error:
            problems.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for block in history.blocks(0, [2] * 200):
        store.append([block])
    done.set()
    reader.join()
    assert problems == []
    assert lines_of(store) == history.lines
    store.close()


class Impatient(SystemIo):
    lock_wait_s = 0.05


def test_a_lock_that_is_never_let_go_is_waited_for_no_longer_than_said(tmp_path: Path) -> None:
    """Its holder was stopped, or hangs in a debugger: an error names the file."""
    history = History().commit_many(2)
    directory = str(tmp_path / "segments")
    holder, other = open_store(SystemIo(), directory), open_store(Impatient(), directory)
    with holder._files.locked():
        with pytest.raises(MirrorUnavailable, match=r"another process holds .*LOCK"):
            other.append([history.block(0, 2)])
        with pytest.raises(BlockingIOError):
            other.append([history.block(0, 2)], wait=False)
        with pytest.raises(MirrorUnavailable, match="does not let go"):
            open_store(Impatient(), directory)
    other.append([history.block(0, 2)])
    with holder._files.locked():
        other.close()  # the mark is not written; everything is synced
    holder.close()


@pytest.mark.parametrize("fate", ["moved", "deleted", "made anew", "newest segment deleted", "replaced"])
def test_a_directory_that_is_not_what_was_opened_takes_no_more_events(tmp_path: Path, fate: str) -> None:
    """Invariant 2: bytes synced to a file that no path leads to are durable for nobody."""
    history = History().commit_many(4)
    directory = tmp_path / "segments"
    store = open_store(SystemIo(), str(directory))
    store.append([history.block(0, 2)])
    store.sync()
    newest = Path(store.segments()[0].path)
    if fate == "moved":
        directory.rename(tmp_path / "elsewhere")
    elif fate == "newest segment deleted":
        newest.unlink()
    elif fate == "replaced":
        copy = newest.with_suffix(".copy")
        shutil.copy(newest, copy)
        copy.rename(newest)
    else:
        shutil.rmtree(directory)
        if fate == "made anew":
            open_store(SystemIo(), str(directory)).close()
    with pytest.raises(MirrorUnavailable, match="moved, deleted"):
        store.append([history.block(2, 4)])
    with pytest.raises(MirrorUnavailable):
        store.refresh()
    store.close()


@pytest.mark.parametrize("at_sync", [1, 2, 3])
def test_a_copy_put_in_the_place_of_a_directory_that_is_sealing_gets_no_segment(
    tmp_path: Path, at_sync: int
) -> None:
    """A segment after one without its seal would make damage of what was only copied too early."""
    history = History().commit_many(3, size=5000)
    directory = tmp_path / "segments"

    class Swapping(SystemIo):
        syncs: int | None = None

        def fdatasync(self, fd: int) -> None:
            if self.syncs is not None:
                self.syncs += 1
                if self.syncs == at_sync:  # before the index, the seal, the next header is on disk
                    shutil.copytree(directory, tmp_path / "copy")
                    directory.rename(tmp_path / "aside")
                    (tmp_path / "copy").rename(directory)
            super().fdatasync(fd)

    store = open_store(io := Swapping(), str(directory), segment_bytes_max=4096)
    store.append([history.block(0, 2)])
    store.sync()
    io.syncs = 0
    with pytest.raises(MirrorUnavailable, match="moved, deleted"):
        store.append([history.block(2, 3)])
    assert io.syncs >= at_sync
    store.close()
    again = open_store(SystemIo(), str(directory), witness=2)
    assert lines_of(again) == history.lines[:2]
    again.append([history.block(2, 3)])
    again.close()


def test_a_forked_child_does_not_keep_its_parents_lock(tmp_path: Path) -> None:
    """A flock lasts as long as any copy of its descriptor: the child of a killed parent would hold it."""
    store = open_store(SystemIo(), str(tmp_path / "segments"))
    with store._files.locked():
        held = os.stat(store._files._lock_fd)
        assert true_in_a_child(lambda: store._files._lock_fd == -1 and not _has_open(held))
    store.close()


def _has_open(file: os.stat_result) -> bool:
    return any(
        (found.st_dev, found.st_ino) == (file.st_dev, file.st_ino)
        for found in map(_stat, range(256))
        if found is not None
    )


def _stat(fd: int) -> os.stat_result | None:
    try:
        return os.fstat(fd)
    except OSError:
        return None


class WithoutLocks(SystemIo):
    def lock(self, fd: int, *, exclusive: bool = True, wait: bool = True) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


def test_a_file_system_without_flock_is_refused_in_so_many_words(tmp_path: Path) -> None:
    """Some network file systems; a hint about permissions would send people the wrong way."""
    with pytest.raises(MirrorUnavailable, match=r"has no flock.*local disk"):
        open_store(WithoutLocks(), str(tmp_path / "segments"))


def _append_all(directory: str, count: int) -> None:
    """Append the whole history, block by block, together with whoever else does."""
    history = History().commit_many(count, size=200)
    store = open_store(SystemIo(), directory, clock=FixedClock(), segment_bytes_max=16_384)
    while store.head_position < count:
        after = store.head_position
        try:
            store.append([history.block(after, min(after + 1 + os.getpid() % 3, count))])
            store.sync()
        except NotContiguous:
            continue
    store.close()


def test_two_processes_make_one_log(tmp_path: Path) -> None:
    """Real processes, real locks: no block lost, none twice, rolls by either."""
    directory, count = str(tmp_path / "segments"), 300
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_append_all, args=(directory, count)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(50)
    assert [worker.exitcode for worker in workers] == [0, 0]
    store = open_store(SystemIo(), directory, witness=count)
    assert lines_of(store) == History().commit_many(count, size=200).lines
    assert list(store.verify()) == []
    assert not store.recovery
    store.close()
