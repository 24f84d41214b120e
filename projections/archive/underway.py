"""Questions under way, in whatever threads: an archive that closes stops them and waits. Asks nothing itself.

DuckDB refuses to close what a query runs on, and a query may run for hours.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition

from projections.archive.connection import Connection

# A query that only begins does not hear that it is to stop: it is told again.
STOP_AGAIN_S = 0.05


class Underway:
    """The questions of one archive that nobody has finished reading yet."""

    def __init__(self) -> None:
        self._changed = Condition()
        # By question, from before its connection is there; only while it is asked.
        self._asked: dict[object, Connection | None] = {}
        self._pid = os.getpid()

    @contextmanager
    def asking(self, connect: Callable[[], Connection]) -> Iterator[Connection]:
        """Give the connection that `connect` makes, and close it in the end."""
        question = object()
        self._asked[question] = None
        try:
            with connect() as connection:
                self._asked[question] = connection
                yield connection
        finally:
            with self._changed:
                del self._asked[question]
                self._changed.notify_all()

    def stop(self) -> None:
        """Stop what is being asked, and return when nothing is any more: within moments.

        Not of another process: a child of a fork has none of the threads that ask.
        """
        with self._changed:
            while self._asked and self._pid == os.getpid():
                for connection in list(self._asked.values()):
                    if connection is not None:
                        connection.interrupt()
                self._changed.wait(STOP_AGAIN_S)
