"""Stops questions that nobody waits for any more, and queries that take too long. Asks nothing itself.

Both in one way: DuckDB is interrupted from another thread, again and again until it has let go. It forgets an
interrupt that comes just before a query begins, so that a single one may stop nothing (DuckDB 2.0).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Event, Lock, Thread, Timer
from typing import Protocol, TypeVar

import duckdb

from eventlog.errors import Closed

AGAIN_S = 0.02

T = TypeVar("T")


class Interruptible(Protocol):
    """What may be told to stop, from any thread: a DuckDB connection or cursor."""

    def interrupt(self) -> None: ...


class Stop:
    """Whether a question is to stop, and what it is working on meanwhile. For any number of threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._asked = False
        self._working: set[_Working] = set()

    def ask(self) -> None:
        """Stop what runs and refuse what comes: both end with Closed. Waits for nothing."""
        with self._lock:
            begun, self._asked = not self._asked, True
            working = [*self._working] if begun else []
        for one in working:
            Thread(target=one.interrupt, name="agentlog-stop", daemon=True).start()

    def check(self) -> None:
        """Raise Closed when the question is to stop."""
        if self._asked:
            raise Closed(
                "the query was stopped: who asked went away, or the store was closed", hint="ask again"
            )

    def between(self, steps: Iterable[T]) -> Iterator[T]:
        """Give the steps of a long work, one after the other. Raises Closed as `check` does."""
        for step in steps:
            self.check()
            yield step

    @contextmanager
    def working(self, on: Interruptible, left_s: float | None = None) -> Iterator[None]:
        """Let `on` be interrupted inside of the `with`: by `ask`, and when `left_s` seconds are over.

        Nothing interrupts it any more when the `with` has ended.

        Raises:
            Closed: the question is to stop. duckdb.InterruptException: the time is over.
        """
        one = _Working(on)
        with self._lock:
            self.check()
            self._working.add(one)
        timer = None if left_s is None else Timer(left_s, one.interrupt)
        try:
            if timer is not None:
                timer.daemon = True
                timer.start()
            yield
        except duckdb.InterruptException:
            self.check()
            raise
        finally:
            if timer is not None:
                timer.cancel()
            with self._lock:
                self._working.discard(one)
            one.end()


class _Working:
    """One query, or one step of several, from its beginning to its end."""

    def __init__(self, on: Interruptible) -> None:
        self._on = on
        self._lock = Lock()
        self._over = Event()

    def interrupt(self) -> None:
        """Interrupt it until it has ended."""
        while not self._over.is_set():
            with self._lock:
                if not self._over.is_set():
                    self._on.interrupt()
            self._over.wait(AGAIN_S)

    def end(self) -> None:
        with self._lock:
            self._over.set()
