"""One event loop in a thread of its own, for callers who have none. Knows nothing of stores.

A call waits for its answer; any thread may call, and calls of several threads go on side by side.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextvars import copy_context
from typing import Any

from eventlog.errors import Closed
from eventlog.forks import forks


class LoopThread:
    """Runs what it is given in its loop, until it is stopped.

    The thread ends with the process: nothing waits for it there. Who needs an orderly end calls `stop`.
    """

    def __init__(self) -> None:
        self._forks = forks()
        self._lock = threading.Lock()
        # Calls that nobody has answered yet: when the loop ends, they hear that it did.
        self._waiting: set[Future[Any]] = set()
        self._stopped = False
        started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._thread = threading.Thread(
            target=self._live, args=(started,), name="agentlog-event-loop", daemon=True
        )
        self._thread.start()
        self._loop, self._end = started.result()

    def call(self, function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        """Call `function` in the loop, await what it returns where that can be awaited, return the answer.

        An interrupt (Ctrl-C, or whatever a signal handler raises) cancels the call as it would a task,
        waits until that has ended, and goes on to the caller; a second one does not wait.
        Raises what the call raises; Closed when the loop was stopped, belongs to the process that forked
        this one, or would have to wait for itself.
        """
        answer: Future[Any] = Future()
        tasks: list[asyncio.Task[None]] = []
        # What the caller's thread keeps in context variables (trace ids …) holds for the call as well.
        context = copy_context()

        def start() -> None:
            task = self._loop.create_task(_answer(answer, function, arguments, keywords), context=context)
            tasks.append(task)

        try:
            self._submit(answer, start)
            return answer.result()
        except BaseException:
            if answer in self._waiting and not answer.done():
                self._loop.call_soon_threadsafe(lambda: tasks[0].cancel())
                wait([answer])
            raise
        finally:
            self._waiting.discard(answer)

    def tell(self, function: Callable[[], Any]) -> None:
        """Call `function` in the loop some time soon, without waiting; not at all when that was stopped."""
        if self._forks == forks():
            with self._lock:
                if not self._stopped:
                    self._loop.call_soon_threadsafe(function)

    def stop(self) -> None:
        """End the loop, cancel what still runs in it, return when the thread is gone. Again is harmless."""
        with self._lock:
            if not self._stopped:
                self._stopped = True
                self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopped

    def check(self) -> None:
        """Raise Closed where a call would wait for ever."""
        if self._forks != forks():
            raise Closed("the store was opened before a fork", hint="open it in this process")
        if self._stopped:
            raise Closed("the store was closed", hint="open it again")
        if threading.current_thread() is self._thread:
            raise Closed(
                "the store was called from its own thread, which would wait for itself",
                hint="a callback leaves a note; call the store where its own call returns",
            )

    def _submit(self, answer: Future[Any], start: Callable[[], None]) -> None:
        # First without the lock: in a forked child another thread may hold it for ever.
        self.check()
        with self._lock:
            self.check()
            self._waiting.add(answer)
            self._loop.call_soon_threadsafe(start)

    def _live(self, started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]]) -> None:
        async def live() -> None:
            end = asyncio.Event()
            started.set_result((asyncio.get_running_loop(), end))
            await end.wait()

        try:
            # It cancels what is left in the end, and closes generators and threads that the loop began.
            asyncio.run(live())
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)
        # What was handed over when the loop was ending was never begun.
        with self._lock:
            for answer in [*self._waiting]:
                if not answer.done():
                    answer.set_exception(_ended())


async def _answer(
    answer: Future[Any], function: Callable[..., Any], arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> None:
    try:
        found = function(*arguments, **keywords)
        if inspect.isawaitable(found):
            found = await found
    except asyncio.CancelledError:
        answer.set_exception(_ended())
        raise
    except BaseException as error:
        answer.set_exception(error)
    else:
        answer.set_result(found)


def _ended() -> Closed:
    return Closed("the store was closed during the call", hint="open it again")
