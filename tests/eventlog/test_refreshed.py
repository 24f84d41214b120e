"""Asking where streams stand: it takes one round trip, and hides no commit whose answer was lost."""

from __future__ import annotations

import asyncio

import pytest

from eventlog.command import Command
from eventlog.envelope import StreamId
from tests.eventlog.conftest import OpenLog
from tests.support.builders import PROJECTIONS, assert_whole, said, saying, story, verdicts
from tests.support.proxy import ANSWER_LOST, NEVER_SENT, SWALLOWED, Proxy

A, B, C = (story(key) for key in "abc")


@pytest.mark.parametrize("count", [1, 20])
async def test_streams_that_are_not_known_are_asked_about_in_one_round_trip(
    opened: OpenLog, proxy: Proxy, count: int
):
    """However many they are, and before an append only when it must be: an agent waits for each trip."""

    def streams(name: str) -> list[StreamId]:
        return [story(f"{name} {number}") for number in range(count)]

    def asked() -> list[str]:
        """What was asked since the last time, but for hints, which nobody waits for."""
        texts = [text for text in proxy.asked if text != statements.notify]
        proxy.asked.clear()
        return texts

    def command(name: str) -> Command:
        return Command([said(stream) for stream in streams(name)])

    log, other = await opened(target=proxy.connection), await opened("other")
    statements = log.reads.statements
    states = statements.states(PROJECTIONS)
    append = statements.append_one if count == 1 else statements.append
    for name in ("theirs", "theirs too"):
        await other.append(command(name))
    await log.append(saying(A))  # connects, and copies what is theirs
    asked()

    await log.append(command("new"))
    assert asked() == [append]
    await log.append(command("theirs"))
    assert asked() == [append, states, append], "it was taken for new"
    await log.reload(streams("theirs too"))
    assert asked() == [states]
    assert set((await log.append(command("theirs too"))).versions.values()) == {2}
    assert asked() == [append]


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
