"""A commit whose answer was lost stays findable, whoever asks about its streams before it is looked up."""

from __future__ import annotations

import asyncio

from tests.eventlog.conftest import OpenLog
from tests.support.builders import assert_whole, saying, story
from tests.support.proxy import ANSWER_LOST, SWALLOWED, Proxy

A = story("a")


async def test_invariant_5_a_stream_read_between_two_attempts_does_not_hide_a_commit(
    opened: OpenLog, proxy: Proxy
):
    """Somebody decides anew on the stream: from then on its version tells nothing of the lost commit."""
    log = await opened(target=proxy.connection)
    await log.append(saying(A, "first"))
    proxy.faults.extend([ANSWER_LOST, SWALLOWED])
    appending = asyncio.create_task(log.append(saying(A, "second")))
    for _ in range(2):
        await proxy.struck.wait()
        proxy.struck.clear()
    await log.reload([A])
    proxy.cut()
    receipt = await appending
    assert (receipt.first_position, receipt.duplicate) == (2, False)
    assert [event.value["text"] for event in await assert_whole(log)] == ["first", "second"]
