"""The log read again, as a user of the store asks for it."""

from __future__ import annotations

import pytest

import agentlog
from agentlog.errors import Refused


async def test_a_receipt_of_a_store_proves_its_history_later(store: agentlog.Store):
    """From Python as from the command line."""
    await store.sessions.create("a")
    receipt = await store.replay.receipt()
    assert receipt.position == 1
    await store.sessions.end("a")
    assert await store.verify(depth="quick", against=receipt) == []


async def test_which_types_of_events_there_are_is_not_for_one_tenant(open_store):
    """Others' counts say what they do, and when."""
    async with open_store() as store:
        await store.sessions.create("a", tenant="other")
        assert [found.type for found in await store.replay.event_types()] == ["session_created"]
    async with open_store(tenant="acme") as store:
        with pytest.raises(Refused, match="whole log"):
            await store.replay.event_types()
