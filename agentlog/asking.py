"""A question to the archive, asked in a thread: whoever stops waiting for it stops it.

Otherwise it would go on with nobody waiting, keep the connection that the store closes, and hold up the end
of the program, which waits for its threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from projections.archive import Stop

T = TypeVar("T")
# One step of DuckDB may take minutes and hears nothing: a caller who is cancelled has other things to do.
LET_GO_S = 5.0


async def in_thread(ask: Callable[[Stop], T], *, let_go_s: float = LET_GO_S) -> T:
    """Ask in a thread. A caller that is cancelled stops the question and waits until it has let go.

    Whoever is cancelled once more waits no longer.

    Args:
        ask: ends soon after the stop that it is given was asked for.
        let_go_s: how long the caller waits for that; the question is told to stop until it does, in any case.
    """
    stop, begun = Stop(), False

    def work() -> T:
        nonlocal begun
        begun = True
        return ask(stop)

    thread = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        # Nobody is going to ask how it ended.
        thread.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        stop.ask()
        if begun:
            await asyncio.wait([thread], timeout=let_go_s)
        else:
            thread.cancel()
        raise


def waited_for(ask: Callable[[Stop], T]) -> T:
    """Ask, and block until there is an answer; an interrupt (Ctrl-C) stops the question and is raised then.

    In a thread as well: Python hears no signal while its main thread is inside of DuckDB.
    """
    stop = Stop()
    with ThreadPoolExecutor(1, "agentlog-question") as threads:
        asked = threads.submit(copy_context().run, ask, stop)
        try:
            return asked.result()
        except BaseException:
            stop.ask()
            raise
