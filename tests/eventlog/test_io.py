"""The real file system through `Io`. What any Io must do is in segment/test_io_contract.py."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from eventlog.io import SystemIo


@pytest.fixture
def io() -> SystemIo:
    return SystemIo()


def test_files_are_private_and_not_inherited(io: SystemIo, tmp_path: Path):
    """Payloads are other people's conversations; a child process has no business with them."""
    fd = io.open(str(tmp_path / "f"), os.O_CREAT | os.O_RDWR)
    try:
        assert stat.S_IMODE(os.fstat(fd).st_mode) == 0o600
        assert not os.get_inheritable(fd)
    finally:
        io.close(fd)
    io.mkdir(str(tmp_path / "d"))
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o700


def test_a_lock_survives_the_closing_of_another_descriptor_of_the_file(io: SystemIo, tmp_path: Path):
    """POSIX locks (lockf) would be gone; then two processes append at once."""
    path = str(tmp_path / "lock")
    held = io.open(path, os.O_CREAT | os.O_RDWR)
    io.lock(held)
    io.close(io.open(path, os.O_RDWR))
    other = io.open(path, os.O_RDWR)
    with pytest.raises(BlockingIOError):
        io.lock(other, wait=False)
    io.unlock(held)
    io.lock(other, wait=False)
    io.close(held)
    io.close(other)


def test_a_lock_dies_with_its_process(io: SystemIo, tmp_path: Path):
    """Also after kill -9: nobody has to clean up a stale lock."""
    path = str(tmp_path / "lock")
    script = (
        "import fcntl, os, sys; fd = os.open(sys.argv[1], os.O_CREAT | os.O_RDWR);"
        " fcntl.flock(fd, fcntl.LOCK_EX); print(flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    holder.stdout.readline()
    fd = io.open(path, os.O_RDWR)
    with pytest.raises(BlockingIOError):
        io.lock(fd, wait=False)
    holder.kill()
    holder.wait()
    io.lock(fd, wait=False)
    io.close(fd)
    holder.stdin.close()
    holder.stdout.close()


def test_shared_locks_go_together_and_exclude_an_exclusive_one(io: SystemIo, tmp_path: Path):
    path = str(tmp_path / "lock")
    one, two, three = (io.open(path, os.O_CREAT | os.O_RDWR) for _ in range(3))
    io.lock(one, exclusive=False)
    io.lock(two, exclusive=False, wait=False)
    with pytest.raises(BlockingIOError):
        io.lock(three, wait=False)
    for fd in (one, two, three):
        io.close(fd)


def test_what_was_written_is_read_after_the_cache_was_dropped(io: SystemIo, tmp_path: Path):
    fd = io.open(str(tmp_path / "f"), os.O_CREAT | os.O_RDWR)
    assert io.pwrite(fd, b"abcdef", 3) == 6
    io.fdatasync(fd)
    io.drop_cache(fd)
    assert io.pread(fd, 100, 0) == b"\0\0\0abcdef"
    assert io.size(fd) == 9
    io.close(fd)


def test_free_space_is_what_an_ordinary_user_may_take(io: SystemIo, tmp_path: Path):
    """`f_bavail`, not `f_bfree`: root's reserve is not for logs."""
    found = os.statvfs(tmp_path)
    assert abs(io.free_bytes(str(tmp_path)) - found.f_bavail * found.f_frsize) < 2**30
