"""The queue: nobody gets another's item, and everything is done once."""

from __future__ import annotations

import asyncio

import pytest

from agentlog.errors import AlreadyExists, BadInput, NotFound, Refused
from agentlog.queue import decide_cancel, decide_complete, decide_enqueue
from eventlog.events import ItemCancelled, ItemCompleted, ItemEnqueued
from projections.queue import CANCELLED, CLAIMED, COMPLETED, PENDING, QueueItem

DONE = ItemCompleted()


def test_an_id_is_used_once():
    """So that enqueuing again after a lost answer is safe."""
    event = ItemEnqueued(b"1")

    assert decide_enqueue("i", event, None) == [event]
    for status in (PENDING, CLAIMED, COMPLETED, CANCELLED):
        with pytest.raises(AlreadyExists, match=status):
            decide_enqueue("i", event, QueueItem(status=status))


def test_only_who_claimed_an_item_completes_it():
    """Somebody whose lease ran out must hear that another worker has it."""
    assert decide_complete("i", "w", DONE, QueueItem(status=CLAIMED, worker="w")) == [DONE]
    assert decide_complete("i", "w", DONE, QueueItem(status=COMPLETED, worker="w")) == []
    # Cancelled while it was worked on: done is done.
    assert decide_complete("i", "w", DONE, QueueItem(status=CANCELLED, worker="w")) == [DONE]
    for item in (QueueItem(), QueueItem(status=CLAIMED, worker="v"), QueueItem(status=COMPLETED, worker="v")):
        with pytest.raises(Refused, match="claim"):
            decide_complete("i", "w", DONE, item)
    with pytest.raises(NotFound):
        decide_complete("i", "w", DONE, None)


def test_what_is_not_done_can_be_cancelled():
    """Twice is once."""
    for status in (PENDING, CLAIMED):
        assert decide_cancel("i", "why", QueueItem(status=status)) == [ItemCancelled("why")]
    assert decide_cancel("i", None, QueueItem(status=CANCELLED)) == []
    with pytest.raises(Refused, match="completed"):
        decide_cancel("i", None, QueueItem(status=COMPLETED, worker="w"))
    with pytest.raises(NotFound):
        decide_cancel("i", None, None)


async def test_items_are_claimed_by_priority_and_then_in_order(store):
    """An urgent message overtakes; equals do not."""
    for body, priority in [("a", 0), ("b", 5), ("c", 0), ("d", 5), ("e", -1)]:
        await store.queue.enqueue("main", body, priority=priority)

    claimed = [item for _ in range(6) for item in await store.queue.claim("w")]

    assert [item.body for item in claimed] == ["b", "d", "a", "c", "e"]
    assert {(item.worker, item.status, item.attempts) for item in claimed} == {("w", CLAIMED, 1)}


async def test_no_item_goes_to_two_workers(open_store, store):
    """Over two hosts that ask at the same time, again and again."""
    ids = [await store.queue.enqueue("main", n) for n in range(40)]
    async with open_store("other") as other:

        async def work(place, worker):
            found = []
            while items := await place.queue.claim(worker, limit=3):
                found += items
            return found

        places = [store, other] * 3
        lots = await asyncio.gather(*(work(place, f"w{n}") for n, place in enumerate(places)))

    assert sorted(item.id for lot in lots for item in lot) == sorted(ids)
    assert await store.queue.status() == {PENDING: 0, CLAIMED: 40, COMPLETED: 0, CANCELLED: 0}


async def test_an_item_whose_lease_is_over_is_claimed_by_the_next(store):
    """A worker that died must not keep it for ever; one that lives may keep its own."""
    second = await store.queue.enqueue("main", "kept")
    await store.queue.claim("alive", lease_s=3600)
    first = await store.queue.enqueue("main", "leased")
    await store.queue.claim("dead", lease_s=0.0)

    taken = await store.queue.claim("next", limit=5)

    assert [(item.id, item.worker, item.attempts) for item in taken] == [(first, "next", 2)]
    with pytest.raises(Refused, match="next"):
        await store.queue.complete(first, "dead")
    await store.queue.complete(second, "alive", result={"answer": 42})


async def test_workers_can_ask_for_one_session(store):
    """Each session's messages are its own."""
    await store.queue.enqueue("a", 1)
    await store.queue.enqueue("b", 2)

    assert [item.body for item in await store.queue.claim("w", session="b", limit=5)] == [2]
    assert (await store.queue.status("a"))[PENDING] == 1
    assert (await store.queue.status("b"))[PENDING] == 0


async def test_a_body_comes_back_exactly(store):
    """Any JSON, NUL and long numbers included."""
    body = {"text": "a\x00b", "n": 12345678901234567890, "deep": [[["x"]]], "none": None}
    item = await store.queue.enqueue(None, body, id="mine")

    assert item == "mine"
    assert (await store.queue.get("mine")).body == body
    with pytest.raises(AlreadyExists):
        await store.queue.enqueue(None, body, id="mine")


async def test_pages_of_items_show_each_once_in_order(store):
    """Bodies are left out: they stand in the log."""
    ids = [await store.queue.enqueue("main", n) for n in range(5)]
    await store.queue.cancel(ids[1], "no")

    first = await store.queue.list(limit=2)
    rest = await store.queue.list(limit=5, after=first[-1].id)

    assert [item.id for item in first + rest] == ids
    assert [item.reason for item in await store.queue.list(status=CANCELLED)] == ["no"]
    assert first[0].body is None
    with pytest.raises(BadInput):
        await store.queue.list(status="lost")
    with pytest.raises(NotFound):
        await store.queue.list(after="nobody")
