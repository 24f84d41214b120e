"""The event loop in its thread: answers, interrupts, its end, and the calls that would wait for ever."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import pytest

from agentlog.errors import Closed
from agentlog.loop_thread import LoopThread
from tests.support.forking import true_in_a_child


@pytest.fixture
def thread() -> Iterator[LoopThread]:
    """A running loop; stopped at the end."""
    started = LoopThread()
    yield started
    started.stop()


async def said(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


async def wrong() -> None:
    raise LookupError("nothing there")


def test_a_call_gets_what_the_coroutine_returns_or_raises(thread: LoopThread):
    assert thread.call(said, 7) == 7
    assert thread.call(len, "four") == 4
    with pytest.raises(LookupError, match="nothing there"):
        thread.call(wrong)


def test_context_variables_of_the_caller_hold_in_the_call(thread: LoopThread):
    """Trace ids travel that way."""
    trace: ContextVar[str] = ContextVar("trace")
    trace.set("t-1")

    async def traced() -> str:
        return trace.get()

    assert thread.call(traced) == "t-1"


def test_calls_of_several_threads_go_on_side_by_side(thread: LoopThread):
    """Each waits for all the others: one after another they would never end."""
    everybody: list[asyncio.Barrier] = []

    async def meet() -> int:
        if not everybody:
            everybody.append(asyncio.Barrier(4))
        return await everybody[0].wait()

    met: list[int] = []
    callers = [threading.Thread(target=lambda: met.append(thread.call(meet))) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert sorted(met) == [0, 1, 2, 3]


def test_an_interrupt_cancels_the_call_and_the_next_one_works(thread: LoopThread):
    """Ctrl-C reaches the caller after what it waited for has ended, and the loop goes on."""
    seen: list[str] = []
    main = threading.get_ident()

    async def wait_for_ever() -> None:
        try:
            signal.pthread_kill(main, signal.SIGINT)
            await asyncio.Event().wait()
        finally:
            seen.append("ended")

    with pytest.raises(KeyboardInterrupt):
        thread.call(wait_for_ever)
    assert seen == ["ended"]
    assert thread.call(said, 1) == 1


def test_who_waits_hears_that_the_loop_was_stopped():
    """Instead of waiting for ever, or of an error of the loop's own."""
    thread = LoopThread()
    begun = threading.Event()
    heard: list[BaseException] = []

    async def wait_for_ever() -> None:
        begun.set()
        await asyncio.Event().wait()

    def call() -> None:
        try:
            thread.call(wait_for_ever)
        except Closed as error:
            heard.append(error)

    caller = threading.Thread(target=call)
    caller.start()
    begun.wait()
    thread.stop()
    caller.join()
    assert "closed during the call" in str(heard[0])
    with pytest.raises(Closed, match="was closed"):
        thread.call(said, 1)
    thread.stop()
    thread.tell(lambda: None)


def test_a_call_from_within_its_own_loop_is_refused(thread: LoopThread):
    """It would wait for itself."""
    with pytest.raises(Closed, match="wait for itself"):
        thread.call(lambda: thread.call(said, 1))


def test_a_forked_child_is_refused_and_does_not_wait(thread: LoopThread):
    """The thread stayed with the parent."""

    def refused() -> bool:
        thread.tell(lambda: None)
        try:
            thread.call(said, 1)
        except Closed as error:
            return "before a fork" in str(error)
        return False

    assert true_in_a_child(refused)
    assert thread.call(said, 2) == 2
