"""Tasks: done once, tried again as often as was said, within their limits, and none is lost."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from agentlog.errors import AlreadyExists, BadInput, ClaimLost, NotFound
from agentlog.task_changes import Limits
from agentlog.task_lanes import RELEASES_MAX, room_of
from projections.task import COMPLETED, DEAD, EXPIRED, PENDING, RUNNING


async def sql(store, text, *values):
    return await store.log.reads.fetch(text, *values)


async def claim_all(store, **which):
    """Claim until there is no more; return the messages in order."""
    found = []
    while tasks := await store.tasks.claim("w", **which):
        found += [task.messages[0] for task in tasks]
    return found


async def test_a_task_comes_with_all_it_was_given_and_is_done_once(store):
    """Messages, turns and replies, results; exactly."""
    message = {"role": "user", "n": 12345678901234567890, "nul": "\x00"}
    id = await store.tasks.enqueue([message, "and"], session="main", priority=3)
    [task] = await store.tasks.claim("w")
    assert (task.id, task.messages, task.session, task.status) == (id, (message, "and"), "main", RUNNING)
    await store.tasks.progress(task, 1, reply="looking")
    await store.tasks.progress(task, 1)
    assert await store.tasks.complete(task, {"pages": 3}, reply="done") is not None
    assert await store.tasks.complete(task, {"pages": 3}) is None
    await store.tasks.mark_notified(id)

    done = await store.tasks.get(id)
    assert (done.status, done.turn, done.reply, done.result, done.notified) == (
        COMPLETED, 1, "done", {"pages": 3}, True,
    )  # fmt: skip
    assert done.token == task.token
    assert (await store.tasks.status("main"))[COMPLETED] == 1
    with pytest.raises(AlreadyExists):
        await store.tasks.enqueue([1], id=id)
    for unfit in ({"delay_s": -1}, {"ttl_s": 1e300}, {"backoff_s": float("nan")}):
        with pytest.raises(BadInput, match="must be a number of seconds"):
            await store.tasks.enqueue(["a"], **unfit)
    with pytest.raises(BadInput, match="list"):
        await store.tasks.enqueue("text")


async def test_tasks_come_by_priority_and_then_by_when_they_are_due(store):
    """Higher is sooner; a scheduled one takes its place among the others and keeps nobody waiting."""
    past = datetime.now(UTC) - timedelta(hours=1)
    for name, more in [
        ("a", {}), ("b", {"priority": 5}), ("future", {"priority": 9, "delay_s": 3600}), ("c", {}),
        ("due", {"run_at": past}), ("d", {"priority": -1}), ("other", {"queue": "other"}),
    ]:  # fmt: skip
        await store.tasks.enqueue([name], **more)

    assert await claim_all(store) == ["b", "due", "a", "c", "d"]
    assert await claim_all(store, queue="other") == ["other"]


async def test_a_failed_task_waits_is_tried_again_and_is_dead_in_the_end(store):
    """Each retry is counted; reviving gives them all back."""
    id = await store.tasks.enqueue([1], retries_max=2, backoff_s=0.0)
    for retry in range(3):
        [task] = await store.tasks.claim("w")
        assert (task.retries, task.attempts) == (retry, retry + 1)
        await store.tasks.fail(task, f"no {retry}")
    assert await store.tasks.claim("w") == []
    dead = await store.tasks.get(id)
    assert (dead.status, dead.reason, dead.retries) == (DEAD, "no 2", 2)

    await store.tasks.revive(id)
    [task] = await store.tasks.claim("w")
    assert (task.retries, task.attempts) == (0, 4)
    await store.tasks.set_status(id, "cancelled", "enough")
    with pytest.raises(ClaimLost, match="cancelled"):
        await store.tasks.fail(task)


async def test_only_what_a_dead_worker_held_returns_and_no_retry_is_counted(store):
    """S2 revived all that ran, and had nobody to refuse a worker that came back."""
    await store.tasks.enqueue([1])
    [alive] = await store.tasks.claim("same name")
    id = await store.tasks.enqueue([2])
    [dead] = await store.tasks.claim("same name", lease_s=0.0)

    [taken] = await store.tasks.claim("same name", limit=5)

    assert (taken.id, taken.retries, taken.releases, taken.attempts) == (id, 0, 1, 2)
    for late in (store.tasks.complete(dead), store.tasks.fail(dead), store.tasks.progress(dead, 1)):
        with pytest.raises(ClaimLost):
            await late
    await store.tasks.complete(await store.tasks.held(alive.id, alive.token))
    await store.tasks.complete(taken)
    assert await store.verify() == []


async def test_tasks_that_were_done_together_are_told_together(store):
    """In one append; one that is another's by now keeps the others from nothing."""
    for n in range(4):
        await store.tasks.enqueue([n])
    [dead] = await store.tasks.claim("w", lease_s=0.0)
    held = await store.tasks.claim("v", limit=4)
    before = (await store.log.head()).position

    assert await store.tasks.complete_many([dead, *held]) == [dead.id]
    assert (await store.log.head()).position == before + 4
    assert (await store.tasks.status())[COMPLETED] == 4
    assert await store.tasks.complete_many(held) == []


async def test_a_task_that_kills_its_workers_is_put_aside(store):
    """A claim that ends without a verdict time and again is no accident."""
    id = await store.tasks.enqueue([1])
    for _ in range(RELEASES_MAX):
        assert len(await store.tasks.claim("w", lease_s=0.0)) == 1
    assert await store.tasks.claim("w") == []
    assert (await store.tasks.get(id)).status == DEAD


async def test_equal_tasks_wait_once_however_many_enqueue_them_at_once(open_store, store):
    """S2 looked and then acted. What runs already does not count; another session neither."""
    async with open_store("other") as other:
        places = [store, other] * 4
        ids = await asyncio.gather(*(p.tasks.enqueue([1], session="s", unique=True) for p in places))
        assert len(set(ids)) == 1
        assert await store.tasks.enqueue([1], session="t", unique=True) not in ids
        assert await store.tasks.enqueue([2], session="s", unique=True) not in ids
        await store.tasks.claim("w", limit=3)
        assert await other.tasks.enqueue([1], session="s", unique=True) not in ids


async def test_messages_join_the_task_that_waits_however_many_come_at_once(open_store, store):
    """S2 looked and then acted. None is lost, and none joins a task that has been read."""
    async with open_store("other") as other:
        places = [store, other] * 3
        ids = await asyncio.gather(
            *(p.tasks.enqueue([n], session="s", merge=True) for n, p in enumerate(places))
        )
        assert len(set(ids)) == 1
    [task] = await store.tasks.claim("w")
    assert sorted(task.messages) == list(range(6))
    assert await store.tasks.enqueue([7], session="s", merge=True) != task.id
    with pytest.raises(BadInput, match="session"):
        await store.tasks.enqueue([1], merge=True)


async def test_a_lane_never_runs_more_than_it_may_on_any_number_of_hosts(open_store, store):
    """Exactly: who counts and then claims lets more through. Other lanes are not kept waiting."""
    limits = Limits(lane="provider", running_max=2)
    for n in range(9):
        await store.tasks.enqueue([n], limits=limits)
    await store.tasks.enqueue(["other"], limits=Limits(lane="quick", running_max=1))
    async with open_store("other") as other:
        lots = await asyncio.gather(*(p.tasks.claim("w", limit=3) for p in [store, other] * 4))
        first = [task for lot in lots for task in lot]
        assert sorted(str(task.lane) for task in first) == ["provider", "provider", "quick"]
        done = 0
        while tasks := [task for task in first if task.lane == "provider"]:
            assert len(tasks) <= 2
            done += len(tasks)
            await asyncio.gather(*map(store.tasks.complete, tasks))
            lots = await asyncio.gather(*(p.tasks.claim("w", limit=3) for p in [store, other] * 2))
            first = [task for lot in lots for task in lot]
    assert done == 9
    assert await store.verify() == []


async def test_a_lane_begins_no_more_than_its_rate_lets_through(store):
    """And goes on when time has passed, which the test lets pass in the table."""
    for n in range(5):
        await store.tasks.enqueue([n], limits=Limits(lane="provider", rate_max=2, rate_s=3600))
    assert len(await store.tasks.claim("w", limit=5)) == 2
    assert await store.tasks.claim("w", limit=5) == []
    await sql(store, "UPDATE {schema}.task_lanes SET at = at - interval '31 min'")
    assert len(await store.tasks.claim("w", limit=5)) == 1
    for wrong in (Limits(lane="l", running_max=0), Limits(lane="l", rate_max=0)):
        with pytest.raises(BadInput, match="nothing run"):
            await store.tasks.enqueue([1], limits=wrong)


def test_a_bucket_fills_up_with_time_and_never_over():
    """A rate below one saves up for its one."""
    now = datetime(2026, 11, 28, tzinfo=UTC)

    def room(**row):
        blank = {
            "lane_running_max": None,
            "running": 0,
            "lane_rate_max": None,
            "lane_rate_s": None,
            "tokens": None,
        }
        return room_of(blank | {"now": now, "at": now - timedelta(seconds=10)} | row)

    assert room() == (2**31, None)
    assert room(lane_running_max=3, running=5)[0] == -2
    assert room(lane_rate_max=4.0, lane_rate_s=1.0) == (4, 4.0)
    assert room(lane_rate_max=4.0, lane_rate_s=1.0, tokens=0.0) == (4, 4.0)
    assert room(lane_rate_max=4.0, lane_rate_s=20.0, tokens=0.5) == (2, 2.5)
    assert room(lane_rate_max=0.5, lane_rate_s=10.0, tokens=0.0) == (0, 0.5)
    assert room(lane_rate_max=0.5, lane_rate_s=5.0, tokens=0.0) == (1, 1.0)


async def test_a_task_that_waited_too_long_expires(store):
    """Nobody gets it, and it says so."""
    id = await store.tasks.enqueue([1], ttl_s=0.0)
    await store.tasks.enqueue([2], ttl_s=3600.0)
    assert await claim_all(store) == [2]
    assert (await store.tasks.get(id)).status == EXPIRED


async def test_pages_of_tasks_show_each_once_in_order(store):
    """By status and session; messages are left out."""
    ids = [await store.tasks.enqueue([n], session="s") for n in range(4)]
    await store.tasks.cancel(ids[1], "no")
    assert await store.tasks.cancel(ids[1], if_pending=True) is None

    first = await store.tasks.list(limit=2)
    rest = await store.tasks.list(limit=5, after=first[-1].id, session="s")

    assert [task.id for task in first + rest] == ids
    assert [task.id for task in await store.tasks.list(status=PENDING)] == [ids[0], *ids[2:]]
    assert first[0].messages == ()
    with pytest.raises(BadInput, match="pending, running"):
        await store.tasks.list(status="lost")
    for wrong in (
        store.tasks.list(after="nobody"),
        store.tasks.held("nobody", 1),
        store.tasks.revive("nobody"),
    ):
        with pytest.raises(NotFound):
            await wrong
