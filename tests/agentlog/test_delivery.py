"""Delivery: what is done once stays done, over restarts, hosts and callers at the same moment."""

from __future__ import annotations

import asyncio

import pytest

from agentlog.errors import BadIdentifier, BadInput, BadPayload, WrongTenant
from eventlog.envelope import StreamId
from eventlog.events import DELIVERY, SESSION, MessageAppended, new, raw


def message(store, text, tenant=""):
    return new(
        StreamId(tenant, SESSION, "main"), MessageAppended(text, "user", raw(text)), id=store.log.ids.next()
    )


def appending(store, ran, *texts, tenant=""):
    """An effect that notes that it ran, and returns messages."""

    async def effect():
        ran.append(texts)
        return [message(store, text, tenant) for text in texts]

    return effect


async def contents(store):
    return [found.content for found in await store.conversation.load("main")]


async def test_what_is_marked_is_delivered_also_after_a_restart(open_store):
    """And marking it again says what the first mark said."""
    async with open_store() as store:
        assert not await store.delivery.is_delivered("k")
        first = await store.delivery.mark("k", details={"message_id": "m-1"})
        assert await store.delivery.is_delivered("k")
    async with open_store() as store:
        assert await store.delivery.is_delivered("k")
        again = await store.delivery.mark("k")
        assert (again.duplicate, again.first_position) == (True, first.first_position)
        assert await store.delivery.receipt("k") == again
        [event] = await store.log.read_stream(StreamId("", DELIVERY, "k"))
        assert event.value == {"effect": "k", "details": {"message_id": "m-1"}}


async def test_a_key_and_its_prefix_and_another_tenants_never_touch(store):
    """Invariant 10: tenants and keys are columns."""
    await store.delivery.mark("a")
    await store.delivery.mark("k", tenant="a:b")
    for key, tenant in (("a:b", ""), ("k", ""), ("k", "a"), ("b:k", "a")):
        assert not await store.delivery.is_delivered(key, tenant=tenant)


async def test_an_effect_runs_once_and_its_marker_commits_with_its_events(store):
    """All of it is one command: there is no moment at which one stands without the other."""
    ran = []
    receipt = await store.delivery.run_once("k", appending(store, ran, "one", "two"))
    again = await store.delivery.run_once("k", appending(store, ran, "three"))

    assert (receipt.first_position, receipt.last_position, receipt.duplicate) == (1, 3, False)
    assert (again.first_position, again.last_position, again.duplicate) == (1, 3, True)
    assert ran == [("one", "two")]
    assert await contents(store) == ["one", "two"]
    assert await store.delivery.is_delivered("k")


async def test_an_effect_that_fails_leaves_the_key_free(store):
    """What it raises comes through, nothing is written, and it may be tried again."""

    async def broken():
        raise RuntimeError("the channel is down")

    async def nothing():
        return None

    with pytest.raises(RuntimeError, match="channel is down"):
        await store.delivery.run_once("k", broken)
    assert not await store.delivery.is_delivered("k")
    assert (await store.log.head()).position == 0
    receipt = await store.delivery.run_once("k", nothing)
    assert (receipt.first_position, receipt.last_position) == (1, 1)


async def test_of_callers_at_the_same_moment_one_runs_the_effect(open_store, store):
    """In one process; on two hosts both may run, and the events of one land."""
    ran = []
    effects = [appending(store, ran, str(n)) for n in range(5)]
    await asyncio.gather(*(store.delivery.run_once("k", effect) for effect in effects))
    assert len(ran) == len(await contents(store)) == 1

    both = asyncio.Barrier(2)

    async def at_once(place):
        async def effect():
            await both.wait()
            return [message(place, "host")]

        return await place.delivery.run_once("hosts", effect)

    async with open_store("other") as other:
        receipts = await asyncio.gather(at_once(store), at_once(other))
    assert sorted(receipt.duplicate for receipt in receipts) == [False, True]
    assert len({receipt.first_position for receipt in receipts}) == 1
    assert len(await contents(store)) == 2


async def test_a_key_of_any_append_counts(store):
    """One memory for all: what was appended under a key is delivered."""
    await store.conversation.append("main", {"role": "user", "content": "hi"}, idempotency_key="turn-1")
    assert await store.delivery.is_delivered("turn-1")


async def test_a_key_whose_lifetime_is_over_counts_no_more_and_can_be_dropped(open_store, store):
    """A store of one tenant drops that tenant's alone."""
    for key in ("old", "older", "young"):
        await store.delivery.mark(key)
    await store.log.reads.fetch(
        "UPDATE {schema}.idempotency_keys SET expires_at = now() - interval '1 day' WHERE key LIKE 'old%'"
    )
    assert not await store.delivery.is_delivered("old")
    async with open_store("other", tenant="acme") as mine:
        assert await mine.delivery.cleanup() == 0
    assert await store.delivery.cleanup() == 2
    assert await store.delivery.cleanup() == 0
    assert await store.delivery.is_delivered("young")
    assert not (await store.delivery.mark("old")).duplicate


async def test_invalid_input_is_refused_by_its_name_and_changes_nothing(open_store, store):
    """At each entry point."""

    async def no_events():
        return ["text"]

    ran = []
    delivery = store.delivery
    calls = [
        (lambda: delivery.is_delivered(""), BadInput, "key is empty"),
        (lambda: delivery.is_delivered(7), BadIdentifier, "int"),
        (lambda: delivery.receipt("x" * 513), BadIdentifier, "513"),
        (lambda: delivery.mark("a\x00"), BadIdentifier, "NUL"),
        (lambda: delivery.mark("k", details=float("nan")), BadPayload, "nan"),
        (lambda: delivery.run_once("", appending(store, ran, "x")), BadInput, "key is empty"),
        (
            lambda: delivery.run_once("k", appending(store, ran, "x"), meta={"idempotency": 1}),
            BadPayload,
            "idem",
        ),
        (lambda: delivery.run_once("k", no_events), BadInput, "returned str"),
    ]
    for call, error, named in calls:
        with pytest.raises(error, match=named):
            await call()
    assert ran == []
    with pytest.raises(BadInput, match="one tenant"):
        await delivery.run_once("k", appending(store, ran, "x", tenant="other"))
    async with open_store("other", tenant="acme") as mine:
        with pytest.raises(WrongTenant):
            await mine.delivery.run_once("k", appending(mine, ran, "x", tenant="umbrella"))
    assert (await store.log.head()).position == 0
