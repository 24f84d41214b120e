"""Leases: who is alive holds what it claimed, who is not loses it, and nobody writes events to say so."""

from __future__ import annotations

import asyncio

import pytest

from agentlog.errors import BadInput, ClaimLost
from agentlog.lease import Lease


async def sql(store, text, *values):
    return await store.log.reads.fetch(text, *values)


async def until_renewed(store, before):
    for _ in range(1000):
        if (await sql(store, "SELECT expires_at FROM {schema}.leases"))[0] != before:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("nobody renewed the lease")


async def test_what_a_living_process_holds_stays_its_own_and_returns_when_it_ends(store):
    """Ending is at once; nobody waits for a time to be over."""
    await store.queue.enqueue("main", 1)
    async with Lease(store._scope) as lease:
        [held] = await store.queue.claim("w", lease=lease)
        assert await store.queue.claim("v") == []
    [taken] = await store.queue.claim("v")
    assert (taken.id, taken.attempts) == (held.id, 2)
    with pytest.raises(ClaimLost):
        await store.queue.complete(held)


async def test_a_lease_is_renewed_without_an_event_and_without_touching_an_index(store):
    """One row, however much is held: the log does not grow while nothing happens."""
    for n in range(20):
        await store.queue.enqueue(f"s{n}", n)
    async with Lease(store._scope, 0.15) as lease:
        await store.queue.claim("w", limit=20, lease=lease)
        head = await store.log.head()
        [before] = await sql(store, "SELECT expires_at FROM {schema}.leases")
        await until_renewed(store, before)
        assert await store.log.head() == head
        assert await store.queue.claim("v", limit=20) == []


@pytest.mark.parametrize("loss", ["expires_at = now()", "expires_at = '-infinity'"])
async def test_a_lease_that_nobody_renewed_is_over(store, loss):
    """A worker that died is noticed; one that was only away hears of it when it comes back."""
    await store.queue.enqueue("main", 1)
    async with Lease(store._scope, 3600) as lease:
        [held] = await store.queue.claim("w", lease=lease)
        await sql(store, f"UPDATE {{schema}}.leases SET lease_s = 0, {loss}")
        [taken] = await store.queue.claim("v")
        assert (taken.id, taken.worker) == (held.id, "v")
        with pytest.raises(ClaimLost, match="'v'"):
            await store.queue.complete(held)
        assert await store.verify() == []


async def test_where_leases_are_lost_everything_returns(store):
    """They are no part of the log: a restore does not bring them back, and nothing is stuck for it."""
    await store.queue.enqueue("main", 1)
    async with Lease(store._scope) as lease:
        await store.queue.claim("w", lease=lease)
        await sql(store, "DELETE FROM {schema}.leases")
        assert len(await store.queue.claim("v")) == 1


async def test_a_server_that_was_away_gives_every_lease_its_time_again(store):
    """Nobody could renew meanwhile: those it kept from renewing are not dead."""
    [row] = await sql(
        store,
        "INSERT INTO {schema}.leases (id, holder, lease_s, expires_at)"
        " SELECT 'x', '', extract(epoch FROM now() - pg_postmaster_start_time()) + 60, now() - '1s'::interval"
        " RETURNING {schema}.is_over('x', now(), NULL) AS over, {schema}.is_over('x', now(), 0) AS timed",
    )
    [later] = await sql(store, "SELECT {schema}.is_over('x', now(), NULL) AS over")
    assert (row["timed"], later["over"]) == (True, False)
    await sql(store, "UPDATE {schema}.leases SET lease_s = 0.001")
    [later] = await sql(store, "SELECT {schema}.is_over('x', now(), NULL) AS over")
    assert later["over"] is True


def test_a_lease_has_a_time_that_ends(store):
    for seconds in (0, -1, float("nan"), float("inf"), 100_000):
        with pytest.raises(BadInput, match="lease_s"):
            Lease(store._scope, seconds)
