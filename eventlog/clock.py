"""Time and identity as objects that are passed in, so that one seed can drive a whole run."""

from __future__ import annotations

import os
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
    sort in the order they were made even in a burst. Safe to call from several threads.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last = 0  # milliseconds << 12 | counter

    def next(self) -> str:
        with self._lock:
            stamp = (self._clock.now_us() // 1000) << 12
            self._last = max(self._last + 1, stamp)
            millis, counter = self._last >> 12, self._last & 0xFFF
        tail = int.from_bytes(os.urandom(8), "big") & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
        text = f"{millis:012x}7{counter:03x}{tail:016x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
