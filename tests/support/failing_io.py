"""Files whose calls fail or wait when a test says so: the real ones, or any Io. Holds no test."""

from __future__ import annotations

import functools
import os
import threading
from typing import Any

from eventlog.io import SystemIo


class FailingIo(SystemIo):
    """Attributes:
    failures: by method name, the errno (or the exception) its calls raise as long as it stands there.
    held: by method name, an event its calls wait for before they do anything.
    calls: by method name, how often it was called.
    """

    def __init__(self) -> None:
        self.failures: dict[str, int | Exception] = {}
        self.held: dict[str, threading.Event] = {}
        self.calls: dict[str, int] = {}

    def _enter(self, name: str) -> None:
        self.calls[name] = self.calls.get(name, 0) + 1
        if name in self.held:
            assert self.held[name].wait(30), "the test forgot to let go"
        if name in self.failures:
            failure = self.failures[name]
            raise OSError(failure, os.strerror(failure)) if isinstance(failure, int) else failure

    def pwrite(self, fd: int, data: bytes, offset: int) -> int:
        self._enter("pwrite")
        return super().pwrite(fd, data, offset)

    def fdatasync(self, fd: int) -> None:
        self._enter("fdatasync")
        super().fdatasync(fd)

    def ftruncate(self, fd: int, length: int) -> None:
        self._enter("ftruncate")
        super().ftruncate(fd, length)


class FaultAt:
    """Any Io, of which one call fails: the n-th of those in `FAULTED`, whichever it is.

    What cannot be short goes through, and the next read or write is: threads do not keep an order.

    Attributes:
        at: number of the call that fails, from 0; None while none shall.
        failure: the errno it raises, or SHORT: a read or write of half of what was asked for.
        calls: the names of the calls so far, with the phase that was on.
        phase: what is being done, as the user of this says.
    """

    FAULTED = frozenset(
        {"open", "close", "pread", "pwrite", "fdatasync", "fsync"}
        | {"ftruncate", "rename", "link", "unlink", "mkdir", "lock"}
    )
    SHORT = -1
    CAN_BE_SHORT = frozenset({"pread", "pwrite"})

    def __init__(self, io: Any, at: int | None = None, failure: int = 0) -> None:
        self._io = io
        self.at = at
        self.failure = failure
        self.calls: list[tuple[str, str]] = []
        self.phase = ""
        self._failed = False

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._io, name)
        return functools.partial(self._call, name, method) if name in self.FAULTED else method

    def _call(self, name: str, method: Any, *arguments: Any, **options: Any) -> Any:
        number = len(self.calls)
        self.calls.append((self.phase, name))
        if not self._is_due(number, name):
            return method(*arguments, **options)
        self._failed = True
        if self.failure == self.SHORT:
            return self._short(name, method, *arguments)
        if name == "close":  # whatever close says, the descriptor is gone
            method(*arguments)
        if name == "pwrite":  # a write that fails may have written a part
            self._short(name, method, *arguments)
        raise OSError(self.failure, os.strerror(self.failure))

    def _is_due(self, number: int, name: str) -> bool:
        if self.at is None or self._failed:
            return False
        if self.failure == self.SHORT:
            return number >= self.at and name in self.CAN_BE_SHORT
        return number == self.at

    def _short(self, name: str, method: Any, fd: int, second: Any, offset: int) -> Any:
        half = (len(second) if name == "pwrite" else second) // 2
        return method(fd, second[:half] if name == "pwrite" else half, offset)
