"""A worker's loop: claim, hand out, hold a lease meanwhile, drain when it is told to stop. Knows no noun.

    async for task in store.tasks.work(concurrency=8):
        task.start(handle)

What is handed out is held under one lease of the process until it is ended. `start` runs a handler in the
background: its return value completes, its exception fails. On SIGTERM nothing more is claimed; what runs
goes on, and what has not ended after the grace time is given back without a retry being counted.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Generic, Protocol, TypeVar

from agentlog.checks import check_kind, check_number, check_seconds
from agentlog.claims import Holder
from agentlog.errors import ClaimLost
from agentlog.lease import LEASE_S, Lease
from agentlog.scope import Scope

GRACE_S = 30.0
CONCURRENCY_MAX = 1000
# Waking up proves nothing: between two looks that found nothing lies at least this.
PAUSE_S = 0.02

_logger = logging.getLogger(__name__)
_stopping: dict[asyncio.AbstractEventLoop, set[Callable[[], None]]] = {}


class Thing(Protocol):
    """What a loop hands out: an item or a task."""

    @property
    def id(self) -> str: ...
    @property
    def token(self) -> int | None: ...


T = TypeVar("T", bound=Thing)


class Ending(Protocol):
    """The handle of a noun, as far as a loop needs it: each raises ClaimLost."""

    async def complete(self, held: Any, result: Any = None) -> Any: ...
    async def fail(self, held: Any, reason: str | None = None) -> Any: ...
    async def release(self, held: Any, reason: str | None = None) -> Any: ...


class Held(Generic[T]):
    """Something this process works on. End it once: complete, fail or release; or `start` a handler.

    Attributes:
        value: the item or task as it was claimed.
        lost: whether it turned out to be another's meanwhile.
    """

    def __init__(self, value: T, handle: Ending, ended: Callable[[Held[T]], None]) -> None:
        self.value = value
        self.lost = False
        self._handle = handle
        self._ended = ended
        self._running: asyncio.Task[None] | None = None

    def __getattr__(self, name: str) -> Any:
        """What the item or task has, this has as well."""
        return getattr(self.value, name)

    async def complete(self, result: Any = None) -> None:
        """It was done. Raises ClaimLost when it is another's: nothing was appended."""
        await self._end(self._handle.complete(self.value, result))

    async def fail(self, reason: str | None = None) -> None:
        """It could not be done. Raises ClaimLost."""
        await self._end(self._handle.fail(self.value, reason))

    async def release(self, reason: str | None = None) -> None:
        """It is given back undone. Raises ClaimLost."""
        await self._end(self._handle.release(self.value, reason))

    async def progress(self, turn: int | None = None, *, reply: str | None = None) -> None:
        """Of a task: tell of a turn that is finished, or of the last reply. Raises ClaimLost."""
        tasks: Any = self._handle
        try:
            await tasks.progress(self.value, turn, reply=reply)
        except ClaimLost:
            self.lost = True
            raise

    def start(self, handler: Callable[[Held[T]], Awaitable[Any]]) -> asyncio.Task[None]:
        """Run `handler(this)` in the background and end this by what comes of it."""
        self._running = asyncio.create_task(self._run(handler), name=f"agentlog-work-{self.value.id}")
        return self._running

    async def _run(self, handler: Callable[[Held[T]], Awaitable[Any]]) -> None:
        try:
            try:
                result = await handler(self)
            except Exception as error:
                if isinstance(error, ClaimLost):
                    raise
                await self.fail(f"{type(error).__name__}: {error}")
            else:
                await self.complete(result)
        except ClaimLost as error:
            _logger.warning("%s", error)
        except Exception as error:
            # It is still held: its lease ends with the process, and it returns.
            _logger.error("how %s ended could not be appended: %s", self.value.id, error)
            self._ended(self)

    async def _end(self, ending: Awaitable[Any]) -> None:
        try:
            await ending
        except ClaimLost:
            self.lost = True
            self._ended(self)
            raise
        self._ended(self)

    async def stop(self, reason: str) -> None:
        """Cancel the handler and give this back."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
        with suppress(ClaimLost):
            await self.release(reason)


class Loop(Generic[T]):
    """Claims up to `concurrency` things and hands each out once.

    Args:
        claim: (holder, limit) → things that are the holder's now.
        handle: ends them.
    """

    def __init__(
        self,
        scope: Scope,
        claim: Callable[[Holder, int], Awaitable[list[T]]],
        handle: Ending,
        *,
        worker: str | None,
        concurrency: int,
        lease_s: float = LEASE_S,
        grace_s: float = GRACE_S,
    ) -> None:
        check_number(concurrency, "concurrency", 1, CONCURRENCY_MAX)
        check_kind(worker, str | None, "worker", "a text")
        check_seconds(grace_s, "grace_s")
        self._scope = scope
        self._claim = claim
        self._handle = handle
        self._worker = worker or f"{socket.gethostname()}/{os.getpid()}"
        self._concurrency = concurrency
        self._grace_s = grace_s
        self._lease = Lease(scope, lease_s)
        self._held: set[Held[T]] = set()
        self._stopped = False
        self._changed = asyncio.Event()

    def stop(self) -> None:
        """Claim nothing more; the loop ends when what it handed out has ended."""
        self._stopped = True
        self._changed.set()

    def __aiter__(self) -> AsyncGenerator[Held[T], None]:
        """Claim, and yield what was claimed, each once, until the loop is stopped."""
        return self._run()

    async def _run(self) -> AsyncGenerator[Held[T], None]:
        async with self._holding():
            while not self._stopped:
                free = self._concurrency - len(self._held)
                if free <= 0:
                    await self._wait(None)
                    continue
                position = self._scope.log.notifier.seen_position
                holder = Holder(self._worker, None, self._lease.id)
                found = [Held(thing, self._handle, self._end) for thing in await self._claim(holder, free)]
                self._held.update(found)
                for held in found:
                    yield held
                if not found:
                    await self._wait(position)

    @asynccontextmanager
    async def _holding(self) -> AsyncIterator[None]:
        await self._lease.take()
        try:
            with on_sigterm(self.stop):
                yield
                await self._drain()
        finally:
            for held in list(self._held):
                await held.stop("its worker stopped")
            await self._lease.end()

    async def _drain(self) -> None:
        """Wait for what was handed out and is running."""
        running = [held._running for held in self._held if held._running is not None]
        if running:
            await asyncio.wait(running, timeout=self._grace_s)

    def _end(self, held: Held[T]) -> None:
        self._held.discard(held)
        self._changed.set()

    async def _wait(self, position: int | None) -> None:
        """Return when something ended or the loop is stopped; with a position, also when the log moved."""
        self._changed.clear()
        if self._stopped:
            return
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._changed.wait())]
        if position is not None:
            waits.append(asyncio.ensure_future(self._moved(position)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _moved(self, position: int) -> None:
        await asyncio.sleep(PAUSE_S)
        await self._scope.log.notifier.wait_beyond(position)


@contextmanager
def on_sigterm(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` on SIGTERM while this lasts; what was to happen on it before is put back afterwards.

    Where signals cannot be caught (another thread, another system) it is not called.
    """
    loop = asyncio.get_running_loop()
    stops = _stopping.setdefault(loop, set())
    before = signal.getsignal(signal.SIGTERM)
    if not stops:
        try:
            loop.add_signal_handler(signal.SIGTERM, lambda: [call() for call in list(stops)])
        except (RuntimeError, ValueError):
            before = None
    stops.add(stop)
    try:
        yield
    finally:
        stops.discard(stop)
        if not stops:
            del _stopping[loop]
            if before is not None:
                loop.remove_signal_handler(signal.SIGTERM)
                signal.signal(signal.SIGTERM, before)
