"""The real file system, with calls that fail or wait when a test says so. Holds no test."""

from __future__ import annotations

import os
import threading

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
