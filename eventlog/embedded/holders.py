"""Counts who uses a server, by shared flocks, which the kernel drops with a process. Keeps no pids.

    start.lock    exclusive, short: whoever creates, starts, joins or stops the server holds it
    holders.lock  shared, for as long as the attachment lasts

Only under start.lock does anybody join or stop a server. So whoever holds start.lock and can get
holders.lock exclusively knows that nobody uses the server and that nobody can come meanwhile.

flock, not lockf: a flock belongs to the open file and outlives nothing but its last descriptor. A forked
child shares that open file, so it closes its copy at once; exec closes it by itself. Standard library only.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
import weakref

from eventlog.embedded.files import open_owned

POLL_S = 0.005


class LockFile:
    """One open lock file. Closing it drops the lock.

    Raises OSError when the file cannot be opened, also (ELOOP) when a symbolic link is in its place.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.fd = open_owned(path, os.O_RDWR)
        _open_files.add(self)

    def try_lock(self, *, exclusive: bool) -> bool:
        """Take or convert the lock if that is possible now. A failed conversion leaves no lock at all."""
        kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
        try:
            fcntl.flock(self.fd, kind | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                return False
            raise
        return True

    def lock(
        self, *, exclusive: bool, stop: threading.Event | None = None, limit_s: float | None = None
    ) -> bool:
        """Take the lock; return False if `stop` was set or `limit_s` passed before it was free."""
        end = None if limit_s is None else time.monotonic() + limit_s
        while not self.try_lock(exclusive=exclusive):
            if (stop is not None and stop.is_set()) or (end is not None and time.monotonic() > end):
                return False
            time.sleep(POLL_S)
        return True

    def block(self) -> None:
        """Take the lock exclusively, asleep in the kernel for as long as it takes."""
        fcntl.flock(self.fd, fcntl.LOCK_EX)

    def unlock(self) -> None:
        fcntl.flock(self.fd, fcntl.LOCK_UN)

    def close(self) -> None:
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)


_open_files: weakref.WeakSet[LockFile] = weakref.WeakSet()


def _forget_in_forked_child() -> None:
    for file in list(_open_files):
        file.close()  # the parent's copy keeps the lock


os.register_at_fork(after_in_child=_forget_in_forked_child)


def is_last(holders: LockFile) -> bool:
    """Give up our shared lock and say whether nobody else has one; True leaves us the exclusive lock.

    The caller holds start.lock. Between our letting go and our exclusive lock the watcher may wake and
    have it for a moment, once: then it waits for start.lock. That moment must not look like a holder.
    """
    for _ in range(3):
        if holders.try_lock(exclusive=True):
            return True
        while not holders.try_lock(exclusive=False):  # only an exclusive lock stops a shared one: the watcher
            time.sleep(0.001)
    return False
