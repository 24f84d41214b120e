"""Questions that nobody waits for any more."""

from __future__ import annotations

import asyncio

import pytest


async def test_a_question_that_nobody_waits_for_any_more_is_stopped(open_store):
    """It would go on for hours; the store that closes, and the end of the program, would wait for it."""
    async with open_store() as store:
        await store.conversation.append("a", {"role": "user", "content": "hello"})
        for _ in range(2):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(store.archive.sql("select count(*) from range(1e15::bigint)"), 0.2)
        assert (await store.archive.sql("select count(*) from messages")).rows == [(1,)]
