"""Time and identity as objects that are passed in, so that one seed can drive a whole run."""

from __future__ import annotations

import os
import struct
import threading
import time
from typing import Protocol


class Clock(Protocol):
    """What the log asks of a clock. Order never comes from it: order is the position."""

    def now_us(self) -> int:
        """Wall-clock time in microseconds since 1970, UTC. May jump in either direction."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never backwards; for timeouts and rates."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_us(self) -> int:
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        return time.monotonic()


class Ids:
    """Makes event ids: UUID version 7 (RFC 9562), in text form, ascending within a process.

    The 12 bits after the version count ids within one millisecond, so that ids of one process
    sort in the order they were made even in a burst. Safe to call from several threads; not to be
    shared with a forked child, which would repeat the buffered randomness (an open log refuses
    to be used there anyway).
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._millisecond = 0
        self._count = 0  # ids made in this millisecond
        self._start = ""  # the text of the millisecond
        self._ends: list[str] = []  # variant and 62 random bits; one system call makes 512 of them

    def next(self) -> str:
        with self._lock:
            millisecond = self._clock.now_us() // 1000
            if millisecond > self._millisecond:
                self._begin(millisecond)
            elif self._count == _COUNT_MAX:
                self._begin(self._millisecond + 1)
            else:
                self._count += 1
            if not self._ends:
                self._ends = [_random_end(bits) for bits in struct.unpack("512Q", os.urandom(4096))]
            return f"{self._start}-7{self._count:03x}-{self._ends.pop()}"

    def _begin(self, millisecond: int) -> None:
        text = f"{millisecond:012x}"
        self._millisecond, self._count, self._start = millisecond, 0, f"{text[:8]}-{text[8:]}"


_COUNT_MAX = 0xFFF


def _random_end(bits: int) -> str:
    text = f"{bits & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000:016x}"
    return f"{text[:4]}-{text[4:]}"
