"""Questions without an end, and what happens while they run. Holds no test."""

from __future__ import annotations

import sys
from collections.abc import Callable
from inspect import unwrap
from threading import Thread
from time import monotonic, sleep
from traceback import walk_stack
from typing import Any

from projections.archive import Connection

# DuckDB would count for days.
ENDLESS = "select count(*) from range(1e15::bigint)"
PATIENCE_S = 60


def inside(function: Callable[..., Any] = Connection._run) -> bool:
    """Whether any thread of this process is inside of the function: of this one, with a query in DuckDB."""
    code = unwrap(function).__code__
    return any(at.f_code is code for frame in sys._current_frames().values() for at, _ in walk_stack(frame))


def until(condition: Callable[[], bool]) -> None:
    """Return when it holds; for what has no handle to wait on."""
    end = monotonic() + PATIENCE_S
    while not condition():
        assert monotonic() < end
        sleep(0.001)


def once(condition: Callable[[], bool], act: Callable[[], Any]) -> Thread:
    """Do something in another thread as soon as the condition holds; return the thread, started."""

    def wait() -> None:
        until(condition)
        act()

    thread = Thread(target=wait, daemon=True)
    thread.start()
    return thread
