"""The contract of Io: what segment code relies on. The real file system and the lossy one both keep it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from eventlog.io import Io, SystemIo
from tests.support.lossy_io import LossyIo, PowerCut

CREATE = os.O_RDWR | os.O_CREAT


@pytest.fixture(params=["system", "lossy"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Io, str]:
    """An Io and an empty directory on it."""
    if request.param == "system":
        return SystemIo(), str(tmp_path)
    io = LossyIo(Random(0))
    io.mkdir("/data")
    return io, "/data"


def test_what_was_written_is_read_and_a_gap_is_zeros(place: tuple[Io, str]) -> None:
    """Positional writes extend a file; reading beyond its end gives nothing."""
    io, directory = place
    fd = io.open(f"{directory}/a", CREATE)
    assert io.pwrite(fd, b"tail", 10) == 4
    assert io.pwrite(fd, b"head", 0) == 4
    assert io.pread(fd, 100, 0) == b"head" + bytes(6) + b"tail"
    assert io.pread(fd, 3, 11) == b"ail"
    assert io.pread(fd, 3, 14) == b""
    assert io.size(fd) == 14


def test_truncation_shortens_and_lengthens(place: tuple[Io, str]) -> None:
    """Recovery cuts with it."""
    io, directory = place
    fd = io.open(f"{directory}/a", CREATE)
    io.pwrite(fd, b"abcdef", 0)
    io.ftruncate(fd, 2)
    assert io.pread(fd, 9, 0) == b"ab"
    io.ftruncate(fd, 4)
    assert io.pread(fd, 9, 0) == b"ab\0\0"


def test_a_second_descriptor_sees_what_the_first_one_wrote(place: tuple[Io, str]) -> None:
    """Readers use descriptors of their own."""
    io, directory = place
    fd = io.open(f"{directory}/a", CREATE)
    reader = io.open(f"{directory}/a", os.O_RDONLY)
    io.pwrite(fd, b"x", 0)
    assert io.pread(reader, 9, 0) == b"x"
    io.close(fd)
    assert io.pread(reader, 9, 0) == b"x"
    with pytest.raises(OSError, match="Bad file descriptor"):
        io.pwrite(reader, b"y", 0)


def test_truncating_open_empties_and_exclusive_open_refuses(place: tuple[Io, str]) -> None:
    """New segments use the first, quarantine copies the second."""
    io, directory = place
    io.pwrite(io.open(f"{directory}/a", CREATE), b"old", 0)
    with pytest.raises(FileExistsError):
        io.open(f"{directory}/a", CREATE | os.O_EXCL)
    assert io.size(io.open(f"{directory}/a", CREATE | os.O_TRUNC)) == 0


def test_a_rename_replaces_and_keeps_the_open_file(place: tuple[Io, str]) -> None:
    """A segment is renamed while its descriptor is open."""
    io, directory = place
    fd = io.open(f"{directory}/a.new", CREATE)
    io.pwrite(fd, b"new", 0)
    io.open(f"{directory}/a", CREATE)
    io.rename(f"{directory}/a.new", f"{directory}/a")
    assert io.listdir(directory) == ["a"]
    io.pwrite(fd, b"er", 3)
    assert io.pread(io.open(f"{directory}/a", os.O_RDONLY), 9, 0) == b"newer"


def test_a_second_name_is_the_same_file_and_no_name_is_taken_twice(place: tuple[Io, str]) -> None:
    """Who is second to make a data directory must not replace what the first one made."""
    io, directory = place
    fd = io.open(f"{directory}/a", CREATE)
    io.link(f"{directory}/a", f"{directory}/b")
    io.pwrite(fd, b"x", 0)
    assert io.identity(f"{directory}/b") == io.identity(fd)
    io.unlink(f"{directory}/a")
    assert io.pread(io.open(f"{directory}/b", os.O_RDONLY), 9, 0) == b"x"
    io.open(f"{directory}/c", CREATE)
    with pytest.raises(FileExistsError):
        io.link(f"{directory}/b", f"{directory}/c")


def test_names_appear_and_disappear(place: tuple[Io, str]) -> None:
    """Files and directories, and syncing a directory."""
    io, directory = place
    io.mkdir(f"{directory}/sub")
    io.open(f"{directory}/sub/a", CREATE)
    assert io.exists(f"{directory}/sub/a")
    fd = io.open(f"{directory}/sub", os.O_RDONLY | os.O_DIRECTORY)
    io.fsync(fd)
    io.close(fd)
    io.unlink(f"{directory}/sub/a")
    assert not io.exists(f"{directory}/sub/a")
    assert io.listdir(f"{directory}/sub") == []
    assert not io.exists(f"{directory}/none/a")


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda io, at: io.open(f"{at}/none", os.O_RDWR), FileNotFoundError),
        (lambda io, at: io.open(f"{at}/none/a", CREATE), FileNotFoundError),
        (lambda io, at: io.open(at, os.O_RDWR), IsADirectoryError),
        (lambda io, at: io.unlink(f"{at}/none"), FileNotFoundError),
        (lambda io, at: io.rename(f"{at}/none", f"{at}/b"), FileNotFoundError),
        (lambda io, at: io.listdir(f"{at}/none"), FileNotFoundError),
        (lambda io, at: (io.mkdir(f"{at}/d"), io.mkdir(f"{at}/d")), FileExistsError),
        (lambda io, at: io.mkdir(f"{at}/none/d"), FileNotFoundError),
        (lambda io, at: io.close(987_654), OSError),
    ],
)
def test_errors_are_those_of_the_system_calls(
    place: tuple[Io, str], call: Callable[[Io, str], object], error: type[OSError]
) -> None:
    """Code branches on their classes."""
    io, directory = place
    with pytest.raises(error):
        call(io, directory)


def test_a_lock_excludes_other_descriptors_until_it_is_released_or_closed(place: tuple[Io, str]) -> None:
    """flock: by descriptor, also within one process; taken twice by the same one it stays one lock."""
    io, directory = place
    first, second = (io.open(f"{directory}/LOCK", CREATE) for _ in range(2))
    io.lock(first)
    io.lock(first)
    with pytest.raises(BlockingIOError):
        io.lock(second, wait=False)
    io.unlock(first)
    io.lock(second, wait=False)
    io.close(second)
    io.lock(first, wait=False)


def test_a_crash_loses_only_what_was_not_synced() -> None:
    """Over many seeds: synced bytes and names always stay, others are each kept and lost at times."""
    seen = set()
    for seed in range(60):
        io = LossyIo(Random(seed))
        io.mkdir("/d")
        io.fsync(io.open("/", os.O_RDONLY | os.O_DIRECTORY))
        fd = io.open("/d/a", CREATE)
        io.fsync(io.open("/d", os.O_RDONLY | os.O_DIRECTORY))
        io.pwrite(fd, b"synced", 0)
        io.fdatasync(fd)
        io.pwrite(fd, b"+later", 6)
        io.open("/d/b", CREATE)
        after = io.crash()
        with pytest.raises(PowerCut):
            io.size(fd)
        content = after.pread(after.open("/d/a", os.O_RDONLY), 99, 0)
        assert content.startswith(b"synced")
        seen.add((content, after.exists("/d/b")))
    contents = {content for content, _ in seen}
    assert {b"synced", b"synced+later"} < contents, "also torn ones"
    assert {there for _, there in seen} == {True, False}


def test_a_failed_sync_loses_data_that_only_the_cache_shows() -> None:
    """As Linux does it: the next sync succeeds, and reads show what is not on disk."""
    seen = set()
    for seed in range(20):
        io = LossyIo(Random(seed))
        fd = io.open("/a", CREATE)
        other = io.open("/a", os.O_RDONLY)
        io.fsync(io.open("/", os.O_RDONLY | os.O_DIRECTORY))
        io.pwrite(fd, b"told", 0)
        io.failures["fdatasync"] = errno.EIO
        with pytest.raises(OSError, match="Input/output"):
            io.fdatasync(fd)
        io.failures.clear()
        io.fdatasync(fd)
        assert io.pread(fd, 9, 0) == b"told"
        with pytest.raises(OSError, match="Input/output"):
            io.fdatasync(other)  # each descriptor that was open hears of it, once
        io.fdatasync(other)
        io.drop_cache(fd)
        kept = io.pread(fd, 9, 0)
        after = io.crash()
        assert after.pread(after.open("/a", os.O_RDONLY), 9, 0) == kept
        seen.add(kept)
    assert {b"", b"told"} <= seen


def test_a_killed_process_leaves_its_files_unsynced_and_its_locks_free() -> None:
    """The next process sees everything; a power cut still takes what was not synced."""
    io = LossyIo(Random(1))
    fd = io.open("/a", CREATE)
    io.fsync(io.open("/", os.O_RDONLY | os.O_DIRECTORY))
    io.pwrite(fd, b"seen", 0)
    io.lock(fd)
    following = io.killed()
    with pytest.raises(PowerCut):
        io.size(fd)
    again = following.open("/a", CREATE)
    following.lock(again, wait=False)
    assert following.pread(again, 9, 0) == b"seen"
    contents = {following.machine.root.after_crash(Random(seed)).contents() for seed in range(30)}
    assert (("a", b""),) in contents
