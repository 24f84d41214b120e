"""A question to the archive, asked in a thread: whoever stops waiting for it stops it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from projections.archive import Connection

T = TypeVar("T")
Hold = Callable[[Connection], object]
# A query that only begins does not hear that it is to stop: it is told again.
STOP_AGAIN_S = 0.05


async def in_thread(ask: Callable[[Hold], T]) -> T:
    """Ask in a thread. A caller that is cancelled stops DuckDB, and waits until it has let go.

    Otherwise the question would go on with nobody waiting, keep the connection that the store closes, and
    hold up the end of the program: the event loop waits for its threads.

    Args:
        ask: hands the connection it asks to the function it is given, before it asks.
    """
    asked: list[Connection] = []
    thread = asyncio.ensure_future(asyncio.to_thread(ask, asked.append))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        # Nobody is going to ask how it ended.
        thread.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        while not thread.done():
            for connection in asked:
                connection.interrupt()
            await asyncio.wait([thread], timeout=STOP_AGAIN_S)
        raise
