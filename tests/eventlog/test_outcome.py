"""What became of a command when its connection was lost: invariant 5, through a proxy that cuts."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from eventlog.command import Command
from eventlog.errors import LogUnavailable, NotMirrored, OutcomeUnknown
from eventlog.log import Log
from eventlog.outcome import DOUBTFUL_MAX, Outcomes
from eventlog.postgres.reads import Reads
from tests.eventlog.conftest import OpenLog
from tests.support.builders import assert_whole, said, saying, story, verdicts
from tests.support.proxy import ANSWER_LOST, ANSWER_SWALLOWED, NEVER_SENT, SENT_AND_CUT, SWALLOWED, Proxy

A, B, C = (story(key) for key in "abc")
FAULTS = [NEVER_SENT, ANSWER_LOST, SENT_AND_CUT]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("size", [1, 3])
async def test_invariant_5_a_cut_connection_neither_loses_nor_repeats_an_append(
    opened: OpenLog, proxy: Proxy, fault: str, size: int
):
    """Unknown is not failed: the truth is looked up, and the caller gets the receipt it would have got."""
    log = await opened(target=proxy.connection)
    before = await log.append(saying(A))
    proxy.faults.append(fault)
    receipt = await log.append(Command([said((A, B, C)[n % 3]) for n in range(size)]))
    assert proxy.struck.is_set()
    assert (receipt.first_position, receipt.last_position) == (2, 1 + size)
    assert receipt.versions[A] == before.versions[A] + 1
    assert not receipt.duplicate
    events = await assert_whole(log)
    assert len(events) == 1 + size
    assert receipt.time == events[-1].time


@pytest.mark.parametrize("fault", FAULTS)
async def test_invariant_5_every_command_of_a_cut_batch_gets_its_own_verdict(
    opened: OpenLog, proxy: Proxy, fault: str
):
    """New streams and old, several streams, expected versions, keys and their repeats."""
    log = await opened(target=proxy.connection)
    await log.append(saying(A, "0"))
    proxy.faults.append(fault)
    found = await verdicts(
        log,
        saying(A, "1", expected=1),
        Command([said(A, "2"), said(B, "3")], expected={B: 0}),
        saying(C, "4", idempotency_key="k"),
        saying(C, "repeat", idempotency_key="k"),
        saying(story("d"), "5"),
        saying(A, expected=9),
    )
    assert [type(verdict).__name__ for verdict in found] == ["Receipt"] * 5 + ["Conflict"]
    assert [verdict.duplicate for verdict in found[:5]] == [False, False, False, True, False]
    assert found[3].first_position == found[2].first_position
    events = await assert_whole(log)
    assert sorted(event.value["text"] for event in events) == list("012345")
    for verdict in found[:5]:
        own = [event for event in events if verdict.first_position <= event.position <= verdict.last_position]
        assert {event.stream_id: event.version for event in own} == verdict.versions


async def test_invariant_5_an_answer_lost_again_and_again_is_still_found(opened: OpenLog, proxy: Proxy):
    log = await opened(target=proxy.connection)
    proxy.faults.extend([NEVER_SENT, ANSWER_LOST, ANSWER_LOST])
    assert (await log.append(saying(A))).first_position == 1
    assert len(await assert_whole(log)) == 1


@pytest.mark.parametrize("fault", [SWALLOWED, ANSWER_SWALLOWED])
async def test_invariant_5_a_silent_connection_is_given_up_and_the_truth_looked_up(
    opened: OpenLog, proxy: Proxy, fault: str
):
    """A firewall that forgets a connection answers nothing at all."""
    log = await opened(target=proxy.connection, command_timeout_s=0.3)
    await log.append(saying(A))
    proxy.faults.append(fault)
    receipt = await log.append(saying(A))
    assert (receipt.first_position, receipt.versions) == (2, {A: 2})
    assert len(await assert_whole(log)) == 2


async def away_after(log: Log, proxy: Proxy, fault: str, *commands: Command) -> list[Any]:
    """Append while the connection is struck once, and Postgres is gone afterwards."""
    proxy.faults.append(fault)
    appends = [asyncio.ensure_future(log.append(command)) for command in commands]
    await proxy.struck.wait()
    await proxy.go_away()
    return await asyncio.gather(*appends, return_exceptions=True)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("others", [False, True], ids=["alone", "another log appends meanwhile"])
async def test_invariant_5_while_postgres_is_away_an_outcome_is_unknown_and_a_repeat_never_lands_twice(
    opened: OpenLog, proxy: Proxy, fault: str, others: bool
):
    """The same event ids again, on the same open log."""
    log = await opened(target=proxy.connection)
    await log.append(saying(A, "0"))
    command = saying(A, "1")
    [error] = await away_after(log, proxy, fault, command)
    assert isinstance(error, OutcomeUnknown)
    if others:
        await (await opened("other")).append(saying(A, "theirs"))
    await proxy.come_back()
    await log.append(saying(B, "something else first"))
    await log.reload([A])
    receipt = await log.append(command)
    events = await assert_whole(log)
    assert [event.value["text"] for event in events if event.stream_id == A].count("1") == 1
    assert events[receipt.first_position - 1].id == command.events[0].id
    assert receipt.versions == {A: events[receipt.first_position - 1].version}


@pytest.mark.parametrize("fault", FAULTS)
async def test_invariant_5_a_key_tells_the_outcome_also_after_a_restart(
    opened: OpenLog, proxy: Proxy, fault: str
):
    log = await opened(target=proxy.connection)
    [error] = await away_after(log, proxy, fault, saying(A, "1", expected=0, idempotency_key="k"))
    assert isinstance(error, OutcomeUnknown)
    await log.close()
    again = await opened()
    receipt = await again.append(saying(A, "1", expected=0, idempotency_key="k"))
    assert (receipt.first_position, receipt.versions) == (1, {A: 1})
    assert len(await assert_whole(again)) == 1


@pytest.mark.parametrize("others", [0, 3])
async def test_invariant_5_a_repeat_after_a_cancellation_never_lands_twice(
    opened: OpenLog, proxy: Proxy, others: int
):
    """The caller went away and cannot know; the same event ids again, on the same open log."""
    log = await opened(target=proxy.connection)
    await log.append(saying(A, "0"))
    for number, ticks in enumerate([0, 1, 2, 3, 5, 8, 20, 200], 1):
        command = saying(A, str(number))
        append = asyncio.ensure_future(log.append(command))
        neighbours = [asyncio.ensure_future(log.append(saying(B))) for _ in range(others)]
        if number % 2:
            proxy.faults.append(SENT_AND_CUT)
        for _ in range(ticks):
            await asyncio.sleep(0)
        append.cancel()
        await asyncio.wait([append])
        receipt = await log.append(command)
        await asyncio.gather(*neighbours)
        events = await assert_whole(log)
        assert events[receipt.first_position - 1].id == command.events[0].id
    assert [event.value["text"] for event in events if event.stream_id == A] == list("012345678")


async def test_a_log_closes_though_postgres_does_not_answer_any_more(opened: OpenLog, proxy: Proxy):
    """A firewall that forgot the connections: nobody says goodbye."""
    log = await opened(target=proxy.connection)
    await log.append(saying(A))
    follower = asyncio.ensure_future(anext(log.subscribe(1)))
    await asyncio.wait([follower], timeout=0.1)
    proxy.silent = True
    follower.cancel()
    await asyncio.wait([follower])
    await asyncio.wait_for(log.close(), 30)
    assert log.segments.durable_position == 1


async def test_what_was_never_sent_fails_as_unavailable_not_as_unknown(opened: OpenLog, proxy: Proxy):
    """Nothing was appended, and the message may say so."""
    log = await opened(target=proxy.connection)
    await log.append(saying(A))
    await proxy.go_away()
    found = await verdicts(log, saying(A), saying(B))
    # The first one may have been on its way when the connection was found broken.
    assert all(isinstance(error, LogUnavailable | OutcomeUnknown) for error in found)
    with pytest.raises(LogUnavailable):
        await log.append(saying(C))
    await proxy.come_back()
    assert (await log.append(saying(C))).first_position == 2


async def test_an_append_waits_for_postgres_to_come_back_as_long_as_it_was_told_to(
    opened: OpenLog, proxy: Proxy
):
    log = await opened(target=proxy.connection, unavailable_wait_s=30.0)
    await log.append(saying(A))
    await proxy.go_away()
    waiting = asyncio.ensure_future(log.append(saying(A)))
    done, _ = await asyncio.wait([waiting], timeout=0.2)
    assert not done
    await proxy.come_back()
    assert (await waiting).first_position == 2
    await assert_whole(log)


async def test_what_postgres_committed_is_not_failed_because_a_neighbour_cannot_be_looked_up(
    opened: OpenLog, proxy: Proxy
):
    """One batch: B is accepted, A is stale; then Postgres goes away before A can be refreshed."""
    log, other = await opened(target=proxy.connection), await opened("other")
    await verdicts(log, saying(A), saying(B), saying(C))  # from now on several go together
    await other.append(saying(A, "makes the stamp stale"))
    log.reads.target = {**proxy.connection, "host": "/nowhere"}
    await log.reads.close()
    found = await verdicts(log, saying(A), saying(B), saying(C, durability="postgres"))
    assert isinstance(found[0], LogUnavailable)
    # The other log's event cannot be copied to the segment now; that is all that is wrong with B.
    assert isinstance(found[1], NotMirrored)
    assert found[1].receipt.versions == {B: 2}
    assert found[2].versions == {C: 2}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_key_of_another_command_is_told_as_its_also_after_a_cut(
    opened: OpenLog, proxy: Proxy, fault: str
):
    """`duplicate` says whose events stand there; a lost connection does not make them one's own."""
    log = await opened(target=proxy.connection)
    original = await log.append(saying(A, "first", idempotency_key="k"))
    proxy.faults.append(fault)
    repeat = await log.append(saying(B, "second", idempotency_key="k"))
    assert proxy.struck.is_set()
    assert (repeat.first_position, repeat.duplicate) == (original.first_position, True)
    assert [event.value["text"] for event in await assert_whole(log)] == ["first"]


@pytest.mark.parametrize("key", [None, "k"])
async def test_invariant_5_a_commit_that_was_read_before_it_was_looked_up_is_no_conflict(
    opened: OpenLog, proxy: Proxy, key: str | None
):
    """The connection is lost after a commit, and somebody asks where the stream stands before the
    writer does: the stream is then not where the command expected it, because of itself."""
    log = await opened(target=proxy.connection)
    await log.append(saying(A))
    await log.append(saying(B))
    proxy.faults.extend([ANSWER_LOST, NEVER_SENT])
    append = asyncio.ensure_future(
        log.append(Command([said(C), said(A, "mine")], expected={A: 1}, idempotency_key=key))
    )
    await proxy.struck.wait()
    await log.reload([A])
    receipt = await append
    assert (receipt.first_position, receipt.duplicate) == (3, False)
    assert len(await assert_whole(log)) == 4


async def test_invariant_5_who_waits_behind_another_with_its_key_stays_in_doubt_by_itself(
    opened: OpenLog, proxy: Proxy
):
    """The first was never sent, and is told so; the second was sent once, and may stand in the log."""
    log = await opened(target=proxy.connection)
    command = saying(A, "in doubt", idempotency_key="k")
    proxy.faults.append(NEVER_SENT)
    append = asyncio.ensure_future(log.append(command))
    await asyncio.sleep(0)  # what it reads beforehand has its connection; the writer needs a new one
    await proxy.struck.wait()
    proxy.refuse()
    assert isinstance((await asyncio.gather(append, return_exceptions=True))[0], OutcomeUnknown)
    found = await verdicts(log, saying(A, "first", idempotency_key="k"), command)
    assert [type(verdict) for verdict in found] == [LogUnavailable, OutcomeUnknown]


def test_only_so_many_doubtful_commands_are_remembered():
    """The newest ones: whose callers are the likeliest to come back with them."""
    outcomes = Outcomes(cast(Reads, None))
    commands = [saying(A) for _ in range(DOUBTFUL_MAX + 5)]
    for command in commands:
        outcomes.doubt(command)
    known = [outcomes.is_doubtful(command.events[0].id) for command in commands]
    assert known == [False] * 5 + [True] * DOUBTFUL_MAX
