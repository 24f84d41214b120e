"""Questions under way, in whatever threads: an archive that closes stops them and waits. Asks nothing itself.

DuckDB refuses to close what a query runs on, and a query may run for hours.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

from projections.archive.stopping import AGAIN_S, Stop


class Underway:
    """The questions of one archive that nobody has finished reading yet."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._asked: set[Stop] = set()
        self._pid = os.getpid()

    @contextmanager
    def asking(self, stop: Stop) -> Iterator[None]:
        """Let a question, which `stop` ends, be stopped inside of the `with`."""
        with self._changed:
            self._asked.add(stop)
        try:
            yield
        finally:
            with self._changed:
                self._asked.remove(stop)
                self._changed.notify_all()

    def stop(self) -> None:
        """Stop what is being asked, and return when nothing is any more: when DuckDB has ended its step.

        Not of another process: a child of a fork has none of the threads that ask.
        """
        if self._pid != os.getpid():
            return
        with self._changed:
            while self._asked:
                for stop in self._asked:
                    stop.ask()
                self._changed.wait(AGAIN_S)  # those that come meanwhile are stopped as well
