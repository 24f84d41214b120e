"""A commit whose answer was lost stays findable, whoever asks about its streams before it is looked up."""

from __future__ import annotations

import asyncio

from eventlog.command import Command
from tests.eventlog.conftest import OpenLog
from tests.support.builders import assert_whole, said, saying, story, verdicts
from tests.support.proxy import ANSWER_LOST, NEVER_SENT, SWALLOWED, Proxy

A, B, C = (story(key) for key in "abc")


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


async def test_commands_that_share_a_stream_do_not_have_each_other_looked_up_for_ever(
    opened: OpenLog, proxy: Proxy
):
    """Both were lost once, and another host moved the stream of one: each look-up read the shared stream."""
    log = await opened(target=proxy.connection)
    await verdicts(log, *(saying(stream) for stream in (A, B, C)))
    await (await opened("other")).append(saying(A, "theirs"))
    proxy.faults.append(NEVER_SENT)
    async with asyncio.timeout(60):
        found = await verdicts(log, Command([said(A), said(B)]), Command([said(B), said(C)]))
    assert [type(verdict).__name__ for verdict in found] == ["Receipt"] * 2
    assert len(await assert_whole(log)) == 8
