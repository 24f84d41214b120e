"""The queue: nobody gets another's item, a session's items come one by one, everything is done once."""

from __future__ import annotations

import asyncio

import pytest

from agentlog.claims import Holder
from agentlog.errors import AlreadyExists, BadInput, Busy, ClaimLost, NotFound
from eventlog.command import Command
from eventlog.envelope import new_event
from projections.queue import CANCELLED, CLAIMED, COMPLETED, FAILED, INTERRUPTED, PENDING, ROLLED_BACK


async def drain(queue, worker="w", **which):
    """Claim and complete until there is no more; return the bodies in order."""
    found = []
    while items := await queue.claim(worker, **which):
        for item in items:
            found.append(item.body)
            await queue.complete(item)
    return found


async def test_a_sessions_items_come_by_priority_and_then_in_order(store):
    """An urgent message overtakes; equals do not, not even by chance."""
    for body, priority in [("a", 0), ("b", 5), ("c", 0), ("d", 5), ("e", -1)]:
        await store.queue.enqueue("main", body, priority=priority)

    assert [item.priority for item in await store.queue.pending("main")] == [5, 5, 0, 0, -1]
    assert await drain(store.queue) == ["b", "d", "a", "c", "e"]


async def test_a_session_works_on_one_item_at_a_time_and_sessions_in_parallel(store):
    """However many workers ask at once."""
    for session in ("a", "b", "c"):
        for n in range(3):
            await store.queue.enqueue(session, n)

    lots = await asyncio.gather(*(store.queue.claim(f"w{n}", limit=2) for n in range(6)))
    claimed = [item for lot in lots for item in lot]

    assert sorted((item.session, item.body) for item in claimed) == [("a", 0), ("b", 0), ("c", 0)]
    assert await store.queue.claim("w", session="a") == []
    await store.queue.complete(claimed[0])
    [following] = await store.queue.claim("w")
    assert (following.session, following.body) == (claimed[0].session, 1)


async def test_two_hosts_never_work_on_one_session_at_once(open_store, store):
    """Also when one of them sees a newer, more urgent item than the other."""
    async with open_store("other") as other:
        for n in range(8):
            await store.queue.enqueue("main", n)
            await other.queue.enqueue("main", n, priority=1)
            won = await asyncio.gather(
                *(
                    place.queue.claim("w", session=asked)
                    for place in (store, other)
                    for asked in ("main", None)
                )
            )
            [item] = [item for lot in won for item in lot]
            await other.queue.complete(item)


async def test_no_item_goes_to_two_workers(open_store, store):
    """Over two hosts that ask at the same time, again and again."""
    ids = [await store.queue.enqueue(None, n) for n in range(40)]
    async with open_store("other") as other:

        async def work(place, worker):
            found = []
            while items := await place.queue.claim(worker, limit=3):
                found += items
            return found

        places = [store, other] * 3
        lots = await asyncio.gather(*(work(place, f"w{n}") for n, place in enumerate(places)))

    assert sorted(item.id for lot in lots for item in lot) == sorted(ids)
    assert (await store.queue.status())[CLAIMED] == 40


async def test_sessions_take_turns(store):
    """A session with a long line does not keep the others waiting, whatever it is called."""
    for n in range(6):
        await store.queue.enqueue("a", n)
    await store.queue.enqueue("b", "b")
    await store.queue.enqueue("c", "c")

    assert await drain(store.queue) == [0, "b", "c", 1, 2, 3, 4, 5]


async def test_an_item_whose_claim_is_over_returns_and_the_old_worker_cannot_end_it(store):
    """A worker that died must not keep it for ever; one that lives may keep its own."""
    kept = await store.queue.enqueue("kept", "kept")
    [alive] = await store.queue.claim("same name", lease_s=3600)
    first = await store.queue.enqueue("main", "leased")
    [dead] = await store.queue.claim("same name", lease_s=0.0)

    [taken] = await store.queue.claim("same name", limit=5)

    assert (taken.id, taken.attempts) == (first, 2)
    assert taken.token > dead.token
    for end in (store.queue.complete, store.queue.fail, store.queue.release):
        with pytest.raises(ClaimLost, match="same name"):
            await end(dead)
    await store.queue.complete(taken)
    await store.queue.complete(alive, {"answer": 42})
    assert (await store.queue.get(kept)).status == COMPLETED


async def test_a_claim_without_a_token_can_be_taken_up_by_its_position(store):
    """A command line, another process: whoever knows the token holds the claim."""
    id = await store.queue.enqueue("main", 1)
    [item] = await store.queue.claim("w")

    held = await store.queue.held(id, item.token)
    await store.queue.complete(held)

    assert (await store.queue.get(id)).token == item.token
    for wrong in (item.token - 1, item.token + 1):
        with pytest.raises(ClaimLost):
            await store.queue.held(id, wrong)
    with pytest.raises(NotFound):
        await store.queue.held("nobody", 1)


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
    item = await store.queue.enqueue(None, body, id="mine", operation="prompt")

    assert item == "mine"
    assert (await store.queue.get("mine")).body == body
    [claimed] = await store.queue.claim("w")
    assert (claimed.body, claimed.operation) == (body, "prompt")
    with pytest.raises(AlreadyExists):
        await store.queue.enqueue(None, body, id="mine")


async def test_a_second_message_is_answered_as_asked(store):
    """Enqueued, rejected, interrupting, rolling back, merged."""
    await store.conversation.append("main", {"role": "user", "content": "hi"})
    one = await store.queue.enqueue("main", 1)
    [held] = await store.queue.claim("w")
    assert held.session_version == 1
    with pytest.raises(Busy, match=one):
        await store.queue.enqueue("main", 2, when_busy="reject")
    two = await store.queue.enqueue("main", 3, when_busy="interrupt")
    with pytest.raises(ClaimLost, match="interrupted"):
        await store.queue.complete(held)
    [held] = await store.queue.claim("w")
    three = await store.queue.enqueue("main", 4, when_busy="rollback")
    assert await store.queue.enqueue("main", 5, when_busy="merge") == three
    [held] = await store.queue.claim("w")

    assert held.bodies == (4, 5)
    found = {item.id: (item.status, item.reason) for item in await store.queue.list(session="main")}
    assert found == {one: (INTERRUPTED, two), two: (ROLLED_BACK, three), three: (CLAIMED, None)}


async def test_of_two_messages_sent_at_once_one_is_rejected_and_merges_make_one_item(open_store, store):
    """S2 looked and then acted: both were taken."""
    async with open_store("other") as other:
        sent = [place.queue.enqueue("r", n, when_busy="reject") for n, place in enumerate([store, other] * 3)]
        answers = await asyncio.gather(*sent, return_exceptions=True)
        assert [type(answer) for answer in answers if not isinstance(answer, str)] == [Busy] * 5
        merged = [
            place.queue.enqueue("m", n, when_busy="merge") for n, place in enumerate([store, other] * 3)
        ]
        assert len(set(await asyncio.gather(*merged))) == 1
    [item] = await store.queue.claim("w", session="m")
    assert sorted(item.bodies) == [0, 1, 2, 3, 4, 5]


async def test_when_an_item_was_finished_is_kept(store):
    """Later events of a finished item do not move it."""
    id = await store.queue.enqueue("main", 1)
    [item] = await store.queue.claim("w")
    await store.queue.fail(item, "no")
    failed = await store.queue.get(id)
    assert (failed.status, failed.reason, failed.processed_time) == (FAILED, "no", failed.last_time)

    await store.queue.cancel(id)
    assert await store.queue.get(id) == failed
    await store.queue.requeue(id)
    assert await drain(store.queue) == [1]
    assert (await store.queue.get(id)).processed_time > failed.processed_time


async def test_cancelling_only_what_waits_says_whether_it_did(store):
    """As S0 had it."""
    id = await store.queue.enqueue("main", 1)
    await store.queue.claim("w")
    assert await store.queue.cancel(id, if_pending=True) is None
    other = await store.queue.enqueue("main", 2)
    assert await store.queue.cancel(other, if_pending=True) is not None
    assert (await store.queue.get(other)).status == CANCELLED


async def test_a_claimed_item_that_cannot_be_read_is_not_lost(store):
    """S0 said "empty" and the item was gone: here its worker gets it, without a body, and can fail it."""
    stream = store._scope.stream("queue_item", "odd", None)
    odd = new_event(stream, "item_enqueued", [1, 2], id=store.log.ids.next())
    await store.log.append(Command([odd]))

    [item] = await store.queue.claim("w")

    assert (item.id, item.bodies, item.body) == ("odd", (), None)
    await store.queue.fail(item, "unreadable")
    assert (await store.queue.status())[FAILED] == 1


async def test_a_claim_whose_caller_went_away_is_given_back(store):
    """Its worker was cancelled between asking and getting: nobody would ever work on it."""
    id = await store.queue.enqueue("main", 1)
    asked = asyncio.Event()

    class Noticed(Holder, frozen=True):
        def check(self):
            asked.set()  # who waits for it goes on when the claim waits
            return super().check()

    asking = asyncio.create_task(store.queue.claim_for(("", None), Noticed("w"), 1))
    await asked.wait()
    asking.cancel()
    await asyncio.wait([asking])

    [item] = await store.queue.claim("other")
    assert (item.id, item.worker) == (id, "other")


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
