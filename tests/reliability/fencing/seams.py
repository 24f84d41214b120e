"""A file system that stops its own process in the middle of a write, and clocks that are wrong.

They stand at the seams Io and Clock; everything behind them is the log's own code.
"""

from __future__ import annotations

import random
import signal
import threading
import time

from eventlog.io import SystemIo

YEARS_10_US = 10 * 365 * 86_400 * 1_000_000
CLOCKS = ("right", "frozen", "ahead", "behind", "leaping")


class StoppingIo(SystemIo):
    """The real file system; once armed, a call under the directory's lock stops the whole process.

    Attributes:
        lock_wait_s: as SystemIo, for this process.
        stop_after: how many more of those calls go through; None: all of them.
    """

    def __init__(self, lock_wait_s: float) -> None:
        self.lock_wait_s = lock_wait_s
        self.stop_after: int | None = None
        self._holds = 0

    def lock(self, fd: int, *, exclusive: bool = True, wait: bool = True) -> None:
        super().lock(fd, exclusive=exclusive, wait=wait)
        self._holds += 1
        self._maybe_stop()

    def unlock(self, fd: int) -> None:
        self._maybe_stop()
        self._holds -= 1
        super().unlock(fd)

    def pwrite(self, fd: int, data: bytes, offset: int) -> int:
        self._maybe_stop()
        return super().pwrite(fd, data, offset)

    def fdatasync(self, fd: int) -> None:
        super().fdatasync(fd)
        self._maybe_stop()

    def _maybe_stop(self) -> None:
        if self.stop_after is None or not self._holds:
            return
        self.stop_after -= 1
        if self.stop_after < 0:
            self.stop_after = None
            # To this very thread: sent to the process, it would stop some thread first, and this one
            # could let go of the lock before the stop has come to it.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


class WrongClock:
    """A wall clock of one of CLOCKS; the monotonic one is right, as it is where only the date is wrong."""

    def __init__(self, kind: str, seed: int) -> None:
        assert kind in CLOCKS
        self._kind = kind
        self._frozen_us = time.time_ns() // 1000
        self._chance = random.Random(seed)

    def now_us(self) -> int:
        now = time.time_ns() // 1000
        if self._kind == "frozen":
            return self._frozen_us
        if self._kind == "leaping":
            return now + self._chance.choice([-YEARS_10_US, -3_600_000_000, -1, 0, 1, 3_600_000_000])
        return now + {"right": 0, "ahead": YEARS_10_US, "behind": -YEARS_10_US}[self._kind]

    def monotonic(self) -> float:
        return time.monotonic()
