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
        self._last = 0  # milliseconds << 12 | counter
        self._random: list[int] = []  # 62-bit numbers; one system call makes 512 of them

    def next(self) -> str:
        with self._lock:
            stamp = (self._clock.now_us() // 1000) << 12
            self._last = last = max(self._last + 1, stamp)
            if not self._random:
                self._random = [n & _TAIL for n in struct.unpack("512Q", os.urandom(4096))]
            tail = self._random.pop() | _VARIANT
        text = f"{last >> 12:012x}7{last & 0xFFF:03x}{tail:016x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


_TAIL = 0x3FFF_FFFF_FFFF_FFFF
_VARIANT = 0x8000_0000_0000_0000
