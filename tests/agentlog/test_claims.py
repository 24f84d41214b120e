"""Claiming: those that ask together are served together, and losing to another host costs that item alone."""

from __future__ import annotations

import asyncio

import pytest

from agentlog.claim_contents import said_until
from agentlog.claims import Candidate, Claimer, Holder
from agentlog.errors import BadInput
from agentlog.queue_lines import Lines
from eventlog.envelope import StreamId


async def test_those_that_ask_at_once_are_served_together_and_in_order(store):
    """A read and an append for all of them; each gets its part, the first in line the first."""
    for n in range(30):
        await store.queue.enqueue(None, n)
    head = (await store.log.head()).position

    lots = await asyncio.gather(*(store.queue.claim(f"w{n}", limit=4) for n in range(8)))

    assert [len(lot) for lot in lots] == [4] * 7 + [2]
    assert [item.body for lot in lots for item in lot] == list(range(30))
    assert sorted(item.token for lot in lots for item in lot) == list(range(head + 1, head + 31))
    assert (store.queue.claimer.won, store.queue.claimer.lost) == (30, 0)


async def test_a_claim_that_another_host_was_faster_with_costs_that_item_alone(open_store, store):
    """The rest of what was asked for together is claimed all the same."""
    ids = [await store.queue.enqueue(None, n) for n in range(6)]
    lines = Lines(store._scope)
    seen = await lines.candidates(("", None), 6)
    async with open_store("other") as other:
        [gone] = await other.queue.claim("faster")
    claimer = store.queue.claimer

    async def stale(selection, limit):
        claimer._select = lines.candidates
        return seen

    claimer._select = stale
    won = await claimer.claim(("", None), Holder("slower"), 6)

    assert gone.id == ids[0]
    assert [one.candidate.stream.key for one in won] == ids[1:]
    assert (claimer.won, claimer.lost) == (5, 1)
    assert [fields["body"] for one in won for _, fields in one.said] == [1, 2, 3, 4, 5]
    again = await said_until(store._scope, [one.candidate for one in won], ["item_enqueued"])
    assert [again[one.candidate.stream_id] for one in won] == [one.said for one in won]


async def test_a_claimer_that_loses_chooses_among_the_most_urgent_only():
    """Another place in line, never another priority."""
    found = [Candidate(StreamId("", "k", str(n)), n, 1, n // 10, None) for n in range(20)]
    claimer = Claimer(None, None, None, None, None, None)
    assert claimer._choose(found, 12) == found
    claimer._spread = 4
    few, many = claimer._choose(found, 3), claimer._choose(found, 12)
    assert len({one.stream for one in few}) == 3
    assert {one.urgency for one in few} == {0}
    assert many[:10] == found[:10]
    assert len(set(many)) == 12


def test_a_holder_has_a_name_and_a_time_that_can_be():
    with pytest.raises(BadInput, match="name"):
        Holder("").check()
    for seconds in (-1.0, float("nan"), 2e9):
        with pytest.raises(BadInput, match="lease_s"):
            Holder("w", seconds).check()
