"""A worker's loop: hands out what is due, ends it by what its handler did, gives back what it cannot end."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from agentlog.errors import BadInput, ClaimLost
from projections.task import COMPLETED, PENDING, RUNNING


async def status_of(store, id):
    return (await store.tasks.get(id)).status


async def test_handlers_run_side_by_side_and_what_comes_of_them_is_kept(store):
    """A return value completes, an exception fails and is a retry."""
    ids = [await store.tasks.enqueue([n], backoff_s=0.0) for n in range(12)]
    running, most = 0, 0
    side_by_side = asyncio.Event()

    async def handle(task):
        nonlocal running, most
        running, most = running + 1, max(most, running + 1)
        if running > 1:
            side_by_side.set()
        await side_by_side.wait()
        running -= 1
        if task.messages == (3,) and not task.retries:
            raise ValueError("not yet")
        return {"n": task.messages[0]}

    work = store.tasks.work(concurrency=4)
    count = 0
    async for task in work:
        task.start(handle)
        count += 1
        if count == 13:
            work.stop()

    done = [await store.tasks.get(id) for id in ids]
    assert [task.result for task in done] == [{"n": n} for n in range(12)]
    assert [task.retries for task in done] == [0, 0, 0, 1] + [0] * 8
    assert 1 < most <= 4
    assert await store.verify() == []


async def test_an_item_is_handed_out_when_it_comes(store):
    """A loop that waits hears of it; a session's items come one after the other."""
    work, found = store.queue.work(concurrency=3), []

    async def consume():
        async for item in work:
            found.append(item.body)
            await item.complete()
            if len(found) == 3:
                work.stop()

    consuming = asyncio.create_task(consume())
    for n in range(3):
        await store.queue.enqueue("main", n)
    await asyncio.wait_for(consuming, 60)
    assert found == [0, 1, 2]


async def test_sigterm_ends_a_loop_when_what_runs_has_ended(store):
    """Nothing more is claimed, nothing is lost, and the handler of before is back."""
    before = signal.getsignal(signal.SIGTERM)
    ids = [await store.tasks.enqueue([n]) for n in range(3)]
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def handle(task):
        begun.set()
        await go_on.wait()

    async def consume():
        async for task in store.tasks.work(concurrency=2):
            task.start(handle)

    consuming = asyncio.create_task(consume())
    await begun.wait()
    os.kill(os.getpid(), signal.SIGTERM)
    await store.tasks.enqueue(["later"])
    go_on.set()
    await asyncio.wait_for(consuming, 60)

    assert [await status_of(store, id) for id in ids] == [COMPLETED, COMPLETED, PENDING]
    assert (await store.tasks.status())[RUNNING] == 0
    assert signal.getsignal(signal.SIGTERM) == before


async def test_what_does_not_end_in_time_is_given_back_and_no_retry_counts(store):
    """Its handler is cancelled: whoever gets the task next must not work beside it."""
    id = await store.tasks.enqueue([1])
    cancelled = asyncio.Event()

    async def handle(task):
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    work = store.tasks.work(grace_s=0.0)
    async for task in work:
        task.start(handle)
        work.stop()

    assert cancelled.is_set()
    task = await store.tasks.get(id)
    assert (task.status, task.retries, task.releases) == (PENDING, 0, 1)


async def test_a_handler_that_lost_its_task_changes_nothing(store):
    """Its lease was over: another has the task, and the loop goes on."""
    id = await store.tasks.enqueue([1])
    work = store.tasks.work(concurrency=1)

    async def handle(task):
        await store.log.reads.fetch("UPDATE {schema}.leases SET lease_s = 0, expires_at = '-infinity'")
        [other] = await store.tasks.claim("other")
        assert other.id == task.id
        with pytest.raises(ClaimLost):
            await task.release()
        assert task.lost
        return "too late"

    async for task in work:
        await task.start(handle)
        work.stop()
    known = await store.tasks.get(id)
    assert (known.status, known.worker, known.result) == (RUNNING, "other", None)


async def test_a_loop_needs_room_for_something(store):
    for concurrency in (0, 1001):
        with pytest.raises(BadInput, match="concurrency"):
            store.tasks.work(concurrency=concurrency)


async def test_the_handle_takes_what_a_loop_handed_out(store):
    """As it takes what claiming returned: who has the one need not know of the other."""
    await store.tasks.enqueue(["do"], id="t")
    work = store.tasks.work()
    async for task in work:
        await store.tasks.progress(task, 3)
        await store.tasks.complete(task, {"n": 1})
        work.stop()
    found = await store.tasks.get("t")
    assert (found.status, found.turn, found.result) == (COMPLETED, 3, {"n": 1})
