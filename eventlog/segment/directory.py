"""The files of a segment directory: names, listing, lock, durable mark, quarantine copies.

    segments/00000000000000000001.ndjson.zst   a segment, by its first position
    segments/NAME.new                          a segment being created
    segments/LOCK                              flock: the right to write here
    segments/HEAD                              the durable mark, two slots
    quarantine/NAME.torn-OFFSET-N              what a recovery cut off

What the files hold is not read here, HEAD excepted.
"""

from __future__ import annotations

import errno
import os
import re
import threading
import uuid
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from eventlog.errors import CopiesDisagree, Damaged, MirrorUnavailable
from eventlog.io import Io, close_quietly, make_directory, read_at, sync_directory, write_all
from eventlog.segment.format import MARK_BYTES, MARK_SLOTS, Invalid, Mark, decode_mark, encode_mark

SUFFIX = ".ndjson.zst"
NEW_SUFFIX = ".new"
_NAME = re.compile(r"([0-9]{20})\.ndjson\.zst\Z")
_COPY_BYTES = 1024 * 1024
_NO_LOCKS = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS})


def segment_name(base_position: int) -> str:
    """Return the file name of the segment that begins at a position."""
    return f"{base_position:020d}{SUFFIX}"


class SegmentDirectory:
    """Names and small files of one directory of segments.

    The lock is held for the time of a write, by one thread of one process at a time.
    """

    def __init__(self, path: str, io: Io) -> None:
        self.path = path
        self.quarantine = os.path.join(os.path.dirname(os.path.abspath(path)), "quarantine")
        self._io = io
        self._lock_fd = -1
        # flock is held by the descriptor, so threads of one store need a lock of their own.
        self._threads = threading.RLock()
        self._depth = 0
        _open.add(self)

    def make(self) -> None:
        """Create the directory when it is missing, durably, and open the lock file."""
        make_directory(self._io, self.path)
        self._lock_fd = self._io.open(os.path.join(self.path, "LOCK"), os.O_RDWR | os.O_CREAT)

    def close(self) -> None:
        _open.discard(self)
        self._drop_lock_file()

    def _drop_lock_file(self) -> None:
        if self._lock_fd >= 0:
            close_quietly(self._io, self._lock_fd)
            self._lock_fd = -1

    @contextmanager
    def locked(self, *, wait: bool = True) -> Iterator[None]:
        """Hold the right to write in this directory; nests within one thread.

        Raises:
            BlockingIOError: others hold it, and nobody wants to `wait`.
            MirrorUnavailable: they do not let go, or the directory is not what it was.
        """
        if not self._threads.acquire(blocking=wait):
            raise BlockingIOError(errno.EWOULDBLOCK, "another thread writes here")
        try:
            if self._depth == 0:
                self._take_lock(wait)
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if self._depth == 0:
                    self._io.unlock(self._lock_fd)
        finally:
            self._threads.release()

    def _take_lock(self, wait: bool) -> None:
        path = os.path.join(self.path, "LOCK")
        try:
            self._io.lock(self._lock_fd, wait=wait)
        except BlockingIOError:
            if not wait:
                raise
            raise MirrorUnavailable(
                f"another process holds {path} and does not let go",
                hint="it was stopped, or hangs: see who has that file open, let it go on or end it",
            ) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            raise MirrorUnavailable(
                f"the file system of {self.path} has no flock: {error.strerror}",
                hint="put the data directory on a local disk",
            ) from error
        try:
            self._check_place()
        except BaseException:
            self._io.unlock(self._lock_fd)
            raise

    @property
    def in_place(self) -> bool:
        """Whether the directory at `path` is the one that was opened."""
        return self.is_at(self._lock_fd, os.path.join(self.path, "LOCK"))

    def _check_place(self) -> None:
        """Invariant: who may write holds the lock that others find.

        In a directory that was moved, deleted or made anew this one guards nothing, and what it
        guarded is not found any more.
        """
        if not self.in_place:
            raise MirrorUnavailable(
                f"{self.path} is not the directory that was opened: it was moved, deleted or made anew",
                hint="put it back, or open the store again",
            )

    def is_at(self, fd: int, path: str) -> bool:
        """Return whether `path` still names the open file `fd`."""
        try:
            return self._io.identity(fd) == self._io.identity(path)
        except FileNotFoundError:
            return False

    def segment_path(self, base_position: int) -> str:
        return os.path.join(self.path, segment_name(base_position))

    def bases(self) -> list[int]:
        """Return the first position of every segment, ascending. Other files are not looked at."""
        matches = (_NAME.match(name) for name in self._io.listdir(self.path))
        return sorted(int(match[1]) for match in matches if match)

    def remove_unfinished(self) -> None:
        """Remove what a crash left of a segment being created: it never held an event. Needs the lock."""
        for name in self._io.listdir(self.path):
            if name.endswith(SUFFIX + NEW_SUFFIX):
                self._io.unlink(os.path.join(self.path, name))

    def create_segment(self, base_position: int, header: bytes) -> int:
        """Create a segment that holds its header, durably; return its descriptor. Needs the lock.

        The name appears only after the header was synced, so a named segment whose header does
        not read is damaged, never torn. And only where the lock is: sealing took two syncs, and a copy
        of the directory that was put in its place meanwhile lacks the seal.

        Raises MirrorUnavailable: the directory was moved, deleted or made anew.
        """
        self._check_place()
        path = self.segment_path(base_position)
        new_path = path + NEW_SUFFIX
        fd = self._io.open(new_path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        try:
            write_all(self._io, fd, header, 0)
            self._io.fdatasync(fd)
            self._check_place()
            self._io.rename(new_path, path)
            sync_directory(self._io, self.path)
        except BaseException:
            self._io.close(fd)
            raise
        return fd

    def read_mark(self, log_id: uuid.UUID) -> Mark | None:
        """Return the durable mark, or None when none was ever written.

        Raises:
            Damaged: both slots are spoilt; a crash spoils at most the one being written.
            CopiesDisagree: the mark belongs to another log.
        """
        path = os.path.join(self.path, "HEAD")
        if not self._io.exists(path):
            return None
        marks, spoilt = self._slots(path)
        if not marks and len(spoilt) == len(MARK_SLOTS):
            raise Damaged(
                f"{path} holds no readable durable mark",
                hint="run `agentlog repair`, which puts it aside",
                first_position=1,
                last_position=None,
                where=path,
            )
        newest = max(marks.values(), key=lambda mark: mark.position, default=None)
        if newest is not None and newest.log_id != log_id:
            raise CopiesDisagree(
                f"{path} belongs to log {newest.log_id}, not to {log_id}",
                hint="open the directory that belongs to this log",
                first_position=1,
                last_position=None,
                where=path,
            )
        return newest

    def write_mark(self, mark: Mark) -> None:
        """Write and sync the durable mark into a spoilt slot or the older one. Needs the lock.

        Nothing is written when a mark as new stands there and no slot is spoilt.
        """
        path = os.path.join(self.path, "HEAD")
        is_new = not self._io.exists(path)
        marks, spoilt = ({}, []) if is_new else self._slots(path)
        newest = max(marks, key=lambda slot: marks[slot].position, default=None)
        if newest is not None and marks[newest].position >= mark.position:
            if not spoilt:
                return
            mark = marks[newest]
        target = next(slot for slot in (*spoilt, *MARK_SLOTS) if slot != newest)
        fd = self._io.open(path, os.O_RDWR | os.O_CREAT)
        try:
            if not is_new:
                # Whoever wrote the other slot may have been killed before its sync: a power cut
                # could then spoil both.
                self._io.fdatasync(fd)
            write_all(self._io, fd, encode_mark(mark), target)
            self._io.fdatasync(fd)
        finally:
            self._io.close(fd)
        if is_new:
            sync_directory(self._io, self.path)

    def spoilt_slots(self) -> list[int]:
        """Return the offsets of the slots of HEAD that do not read. Raises OSError."""
        path = os.path.join(self.path, "HEAD")
        return self._slots(path)[1] if self._io.exists(path) else []

    def _slots(self, path: str) -> tuple[dict[int, Mark], list[int]]:
        """Return the readable marks by slot offset, and the offsets of the slots that are spoilt."""
        marks: dict[int, Mark] = {}
        spoilt = []
        fd = self._io.open(path, os.O_RDONLY)
        try:
            for slot in MARK_SLOTS:
                try:
                    mark = decode_mark(read_at(self._io, fd, MARK_BYTES, slot))
                except Invalid:
                    spoilt.append(slot)
                    continue
                if mark is not None:
                    marks[slot] = mark
        finally:
            self._io.close(fd)
        return marks, spoilt

    def keep_copy(self, fd: int, name: str, offset: int) -> str:
        """Copy a file from `offset` to its end into quarantine/, durably; return the copy's path."""
        make_directory(self._io, self.quarantine)
        number = 1
        while self._io.exists(path := os.path.join(self.quarantine, f"{name}.torn-{offset}-{number}")):
            number += 1
        copy = self._io.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        try:
            done = 0
            while data := self._io.pread(fd, _COPY_BYTES, offset + done):
                write_all(self._io, copy, data, done)
                done += len(data)
            self._io.fsync(copy)
        finally:
            self._io.close(copy)
        sync_directory(self._io, self.quarantine)
        return path


_open: weakref.WeakSet[SegmentDirectory] = weakref.WeakSet()


def _forget_in_forked_child() -> None:
    """A flock lasts as long as any copy of its descriptor: a child's would outlive a killed parent."""
    for directory in list(_open):
        directory._drop_lock_file()


os.register_at_fork(after_in_child=_forget_in_forked_child)
