"""The process and the event loop that an open log belongs to; elsewhere, and afterwards, it is refused.

A forked child would talk on its parent's connections. In another event loop the futures of this one
wake nobody: whoever awaited them would wait for ever. What the log does is not known here.
"""

from __future__ import annotations

import asyncio

from eventlog.errors import Closed
from eventlog.forks import forks


class Home:
    """Where something was opened. Made in the running event loop. Who closes it sets `closed`."""

    def __init__(self) -> None:
        self._forks = forks()
        self._loop = asyncio.get_running_loop()
        self.closed = False

    def check(self) -> None:
        """Raise Closed in a forked child, in another event loop, and afterwards."""
        if self._forks != forks():
            raise Closed("the log was opened before a fork", hint="open it in this process")
        if asyncio.get_running_loop() is not self._loop:
            raise Closed(
                "the log was opened in another event loop",
                hint="open it in this one, or hand the call over with asyncio.run_coroutine_threadsafe",
            )
        if self.closed:
            raise Closed("the log was closed", hint="open it again")
