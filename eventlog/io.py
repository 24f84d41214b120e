"""The file system as an object that is passed in, and the few things that take several of its calls.

Segment code touches files through `Io` alone. The real one is here; simulations bring one that
forgets, tears and fails (tests/support). Every method raises OSError as the system call does.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress
from typing import Protocol

from eventlog.errors import AgentlogError

try:
    import fcntl
except ImportError:
    # Windows. Said here, because every way to a log imports this module before others that lock;
    # the first words would be of a missing module otherwise.
    raise AgentlogError(
        "this platform has no flock, with which agentlog guards a data directory",
        hint="use Linux or macOS; on Windows use WSL",
    ) from None

LOCK_POLL_S = 0.001
_logger = logging.getLogger(__name__)


class Io(Protocol):
    """System calls the log uses, named as in POSIX. Paths are str, file descriptors int."""

    def open(self, path: str, flags: int, mode: int = 0o600) -> int: ...
    def close(self, fd: int) -> None: ...
    def pread(self, fd: int, length: int, offset: int) -> bytes: ...
    def pwrite(self, fd: int, data: bytes, offset: int) -> int: ...
    def fdatasync(self, fd: int) -> None: ...
    def fsync(self, fd: int) -> None: ...
    def ftruncate(self, fd: int, length: int) -> None: ...
    def size(self, fd: int) -> int: ...
    def rename(self, source: str, target: str) -> None: ...
    def link(self, source: str, target: str) -> None: ...
    def unlink(self, path: str) -> None: ...
    def mkdir(self, path: str, mode: int = 0o700) -> None: ...
    def listdir(self, path: str) -> list[str]: ...
    def exists(self, path: str) -> bool: ...
    def identity(self, file: int | str) -> tuple[int, int]: ...
    def drop_cache(self, fd: int) -> None: ...
    def lock(self, fd: int, *, exclusive: bool = True, wait: bool = True) -> None: ...
    def unlock(self, fd: int) -> None: ...
    def free_bytes(self, path: str) -> int: ...


class SystemIo:
    """The real file system.

    Attributes:
        lock_wait_s: how long `lock` waits. Others hold it for the time of a write, so that whoever
            holds it for longer was stopped, or hangs.
    """

    lock_wait_s = 30.0

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        return os.open(path, flags | os.O_CLOEXEC, mode)

    def close(self, fd: int) -> None:
        os.close(fd)

    def pread(self, fd: int, length: int, offset: int) -> bytes:
        return os.pread(fd, length, offset)

    def pwrite(self, fd: int, data: bytes, offset: int) -> int:
        return os.pwrite(fd, data, offset)

    def fdatasync(self, fd: int) -> None:
        # macOS: fsync stops at the drive's cache; F_FULLFSYNC goes through it.
        if hasattr(fcntl, "F_FULLFSYNC"):
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
        else:
            os.fdatasync(fd)

    def fsync(self, fd: int) -> None:
        if hasattr(fcntl, "F_FULLFSYNC"):
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
        else:
            os.fsync(fd)

    def ftruncate(self, fd: int, length: int) -> None:
        os.ftruncate(fd, length)

    def size(self, fd: int) -> int:
        return os.fstat(fd).st_size

    def rename(self, source: str, target: str) -> None:
        os.rename(source, target)

    def link(self, source: str, target: str) -> None:
        """Give a file a second name; unlike rename, refuse when that name is taken."""
        os.link(source, target)

    def unlink(self, path: str) -> None:
        os.unlink(path)

    def mkdir(self, path: str, mode: int = 0o700) -> None:
        os.mkdir(path, mode)

    def listdir(self, path: str) -> list[str]:
        return os.listdir(path)

    def exists(self, path: str) -> bool:
        return os.path.exists(path)

    def identity(self, file: int | str) -> tuple[int, int]:
        """Device and inode of an open file, or of what a path names: equal for one and the same file."""
        found = os.stat(file)
        return found.st_dev, found.st_ino

    def drop_cache(self, fd: int) -> None:
        """Ask the kernel to forget clean pages, so that the next read shows what the disk has."""
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)

    def lock(self, fd: int, *, exclusive: bool = True, wait: bool = True) -> None:
        """flock, not lockf: POSIX locks vanish when any descriptor of the file is closed.

        Raises BlockingIOError while others hold it: at once, or with `wait` after `lock_wait_s`. The
        kernel's own waiting has no limit, and a stopped process holds a lock for ever.
        """
        kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
        end = time.monotonic() + self.lock_wait_s if wait else 0.0
        while True:
            try:
                return fcntl.flock(fd, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= end:
                    raise
            time.sleep(LOCK_POLL_S)

    def unlock(self, fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_UN)

    def free_bytes(self, path: str) -> int:
        stat = os.statvfs(path)
        return stat.f_bavail * stat.f_frsize


def make_directory(io: Io, path: str) -> None:
    """Make sure of a directory, mode 0700, and that its name is durable.

    One that exists is synced too: whoever made it may have been killed before that.
    """
    if not io.exists(path):
        with suppress(FileExistsError):  # another process was faster
            io.mkdir(path, 0o700)
    sync_directory(io, os.path.dirname(os.path.abspath(path)))


def close_quietly(io: Io, fd: int) -> None:
    """Close a descriptor of which all is synced, or nothing matters any more.

    An error is logged only: the descriptor is gone whatever close says, and what was synced is on disk.
    """
    try:
        io.close(fd)
    except OSError as error:
        _logger.warning("closing a file failed: %s", error)


def sync_directory(io: Io, path: str) -> None:
    """Make the names in a directory durable."""
    fd = io.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        io.fsync(fd)
    finally:
        io.close(fd)


def write_all(io: Io, fd: int, data: bytes, offset: int) -> None:
    """Write `data` at `offset`; goes on after a short write, as the kernel may make one."""
    done = io.pwrite(fd, data, offset)
    while done < len(data):
        done += io.pwrite(fd, data[done:], offset + done)


def read_at(io: Io, fd: int, length: int, offset: int) -> bytes:
    """Return `length` bytes at `offset`, fewer only where the file ends: a short read is not the end."""
    data = io.pread(fd, length, offset)
    while len(data) < length:
        more = io.pread(fd, length - len(data), offset + len(data))
        if not more:
            break
        data += more
    return data


def read_all(io: Io, path: str) -> bytes:
    """Return a small file whole. Raises OSError."""
    fd = io.open(path, os.O_RDONLY)
    try:
        return read_at(io, fd, io.size(fd), 0)
    finally:
        io.close(fd)
