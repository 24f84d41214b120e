"""Questions that nobody waits for any more."""

from __future__ import annotations

import asyncio
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from agentlog.archive_answer import Answer
from agentlog.archive_pages import Found, whole
from agentlog.asking import in_thread
from agentlog.errors import Closed
from projections.archive import Stop
from tests.projections.archive.history import History
from tests.support.questions import ENDLESS, inside, once, until

COUNT = "select count(*) from messages"


@pytest.mark.parametrize("again", range(3))
async def test_a_question_that_nobody_waits_for_any_more_is_stopped(store, again):
    """It would go on for days; the store that closes, and the end of the program, would wait for it."""
    await store.conversation.append("a", {"role": "user", "content": "hello"})
    for ask in (
        lambda: store.archive.sql(ENDLESS),
        lambda: store.archive.sql(ENDLESS, timeout_s=1000),
        lambda: store.local.archive.sql(ENDLESS),
        lambda: store.at(position=1).archive.sql(ENDLESS),
    ):
        task = asyncio.ensure_future(_awaited(ask()))
        await asyncio.to_thread(until, inside)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not inside()
        assert (await store.archive.sql(COUNT)).rows == [(1,)]


async def test_a_limit_of_the_caller_s_own_stops_the_question(store):
    """As `asyncio.timeout` does: the error is its own."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await store.archive.sql(ENDLESS)
    assert not inside()


async def test_a_question_that_waits_for_a_thread_is_given_up_at_once(store):
    """All threads may be busy for long; what has not begun need not be waited for."""
    await store.conversation.append("a", {"role": "user", "content": "hello"})
    held, begun = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        held.wait()

    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(1))
    busy = loop.run_in_executor(None, hold)
    try:
        begun.wait()
        task = asyncio.ensure_future(_awaited(store.local.archive.sql(COUNT)))
        for _ in range(10):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not busy.done()
    finally:
        held.set()
        await busy
    assert (await store.archive.sql(COUNT)).rows == [(1,)]


async def test_who_is_cancelled_does_not_wait_for_ever_for_what_cannot_be_stopped():
    """A function over one huge value hears nothing for minutes; the caller has other things to do."""
    stops, end = [], threading.Event()

    def ask(stop: Stop) -> None:
        stops.append(stop)
        end.wait()

    task = asyncio.ensure_future(in_thread(ask, let_go_s=0.01))
    await asyncio.to_thread(until, lambda: bool(stops))
    task.cancel()
    try:
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(Closed, match="was stopped"):
            stops[0].check()
    finally:
        end.set()


def test_ctrl_c_stops_a_question_that_is_not_awaited(tmp_path):
    """Python hears no signal while its main thread is inside of DuckDB: another thread is."""
    history, main = History(), threading.get_ident()
    history.message("s")
    archive = history.archive(tmp_path)

    def answer(query: str) -> Answer:
        def ask(stop: Stop) -> Found:
            with archive.ask(history.head, stop=stop) as connection:
                return whole(connection.sql(query))

        return Answer(ask, lambda: asyncio.sleep(0))

    once(inside, lambda: signal.pthread_kill(main, signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        len(answer(ENDLESS))
    assert not inside()
    assert answer(COUNT).rows == [(1,)]
    archive.close()


def test_an_answer_that_is_printed_is_not_asked_for_by_that():
    """A debugger that shows it would block for as long as the question takes."""
    asked = []
    answer = Answer(asked.append, lambda: asyncio.sleep(0))
    assert (repr(answer), asked) == ("<Answer, not asked for yet>", [])


async def _awaited(answer: Answer) -> Answer:
    return await answer
