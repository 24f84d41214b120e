"""The log read again, as a user of the store asks for it."""

from __future__ import annotations

import agentlog


async def test_a_receipt_of_a_store_proves_its_history_later(store: agentlog.Store):
    """From Python as from the command line."""
    await store.sessions.create("a")
    receipt = await store.replay.receipt()
    assert receipt.position == 1
    await store.sessions.end("a")
    assert await store.verify(depth="quick", against=receipt) == []
