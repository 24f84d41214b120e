"""The writer on a real Postgres: order, verdicts, lost connections, limits, closing."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import msgspec
import pytest

from eventlog.batch import FoldFailed
from eventlog.command import Command
from eventlog.envelope import StreamId
from eventlog.errors import BadInput, Closed, Conflict, LogUnavailable
from eventlog.log import Log
from eventlog.writer import HALVED_FROM, STORED_AT_ONCE_BYTES
from tests.eventlog.conftest import OpenLog
from tests.support.builders import (
    TALLIES,
    Tally,
    assert_whole,
    noted,
    said,
    saying,
    spoiled,
    story,
    table,
    turned,
    verdicts,
    whole,
)
from tests.support.proxy import (
    ANSWER_LOST,
    NEVER_SENT,
    Proxy,
)

A, B, C = (story(key) for key in "abc")


async def test_a_receipt_says_where_the_events_stand(log: Log):
    first = await log.append(Command([said(A), said(B), said(A)]))
    assert (first.first_position, first.last_position, first.versions) == (1, 3, {A: 2, B: 1})
    second = await log.append(saying(B))
    assert (second.first_position, second.versions, second.duplicate) == (4, {B: 2}, False)
    assert [event.time for event in await whole(log)] == [first.time] * 3 + [second.time]
    await assert_whole(log)


async def test_a_conflict_fails_only_its_own_command(log: Log):
    await log.append(saying(A, "one", "two"))
    found = await verdicts(
        log, saying(B), saying(A, expected=1), saying(A, expected=2), saying(C, expected=0)
    )
    assert [type(verdict).__name__ for verdict in found] == ["Receipt", "Conflict", "Receipt", "Receipt"]
    assert isinstance(found[1], Conflict)
    assert (found[1].stream, found[1].expected_version, found[1].actual_version) == (A, 1, 2)
    assert "is at version 2, expected version 1" in str(found[1])
    await assert_whole(log)


async def test_expecting_no_stream_lets_one_of_many_create_it(log: Log):
    found = await verdicts(log, *[saying(A, str(n), expected=0) for n in range(20)])
    assert [isinstance(verdict, Conflict) for verdict in found] == [False] + [True] * 19
    assert len(await assert_whole(log)) == 1


async def test_commands_that_expect_each_others_outcome_all_pass(log: Log):
    """Decided in order, each on the state the one before it leaves."""
    found = await verdicts(log, *[saying(A, str(n), expected=n) for n in range(20)])
    assert [verdict.versions[A] for verdict in found] == list(range(1, 21))


async def test_when_one_is_refused_those_that_built_on_it_are_too(log: Log):
    await log.append(saying(A))
    found = await verdicts(log, saying(A, expected=7), saying(A, expected=8), saying(A, expected=1))
    assert [isinstance(verdict, Conflict) for verdict in found] == [True, True, False]


async def test_a_command_on_several_streams_is_all_or_nothing(log: Log):
    await log.append(saying(A))
    with pytest.raises(Conflict):
        await log.append(Command([said(B), said(A), said(C)], expected={A: 0}))
    assert len(await whole(log)) == 1
    assert await log.state("tallies", B) == (None, 0)
    receipt = await log.append(Command([said(B), said(A), said(C)], expected={A: 1, B: 0}))
    assert receipt.versions == {B: 1, A: 2, C: 1}
    await assert_whole(log)


async def test_a_stream_can_be_expected_without_being_written_to(log: Log):
    """Also one that does not exist: naming it does not make it."""
    await log.append(Command([said(A)], expected={B: 0}))
    await log.append(Command([said(A)], expected={A: 1, B: 0}))
    with pytest.raises(Conflict, match="does not exist, expected version 3"):
        await log.append(Command([said(A)], expected={B: 3}))
    await log.append(saying(B))
    with pytest.raises(Conflict, match="is at version 1, expected no stream"):
        await log.append(Command([said(A)], expected={B: 0}))
    await assert_whole(log)


async def test_two_logs_on_one_stream_lose_nothing_and_blind_appends_never_conflict(opened: OpenLog):
    """Each believes the stream where it left it; the stale stamp is refolded, invisibly."""
    one, other = await opened("one"), await opened("other")
    for number in range(6):
        await (one, other)[number % 2].append(Command([said(A, str(number)), turned(A)]))
    found = await asyncio.gather(*[(one, other)[n % 2].append(saying(A, f"at once {n}")) for n in range(40)])
    assert sorted(receipt.first_position for receipt in found) == list(range(13, 53))
    await assert_whole(one)
    await assert_whole(other)


async def test_a_state_that_another_process_moved_is_a_conflict_for_who_decided_on_it(opened: OpenLog):
    one, other = await opened("one"), await opened("other")
    await one.append(saying(A, "mine"))
    await other.append(saying(A, "theirs"))
    state, version = await one.state("tallies", A)
    assert (state, version) == (Tally(1, "mine"), 1)
    with pytest.raises(Conflict):
        await one.append(saying(A, expected=version))
    assert await one.state("tallies", A) == (Tally(2, "theirs"), 2)


async def test_a_read_of_state_sees_this_process_s_own_writes(log: Log):
    """Whatever was being reloaded meanwhile."""
    for number in range(1, 15):
        reload = asyncio.create_task(log.reload([A]))
        receipt = await log.append(saying(A, str(number)))
        assert await log.state("tallies", A) == (Tally(number, str(number)), receipt.versions[A])
        await reload
        assert await log.state("tallies", A) == (Tally(number, str(number)), receipt.versions[A])


async def test_a_fold_that_raises_fails_its_command_and_nothing_else(log: Log):
    found = await verdicts(log, saying(A), Command([said(B), spoiled(B)]), saying(C), saying(B, "later"))
    assert isinstance(found[1], RuntimeError)
    assert not isinstance(found[1], FoldFailed)
    assert [receipt.versions for receipt in (found[0], found[2], found[3])] == [{A: 1}, {C: 1}, {B: 1}]
    await assert_whole(log)


async def test_a_command_postgres_refuses_fails_alone_and_order_is_kept(log: Log):
    """A row Postgres cannot take fails the whole statement; the others go one by one, in order."""
    wrong = msgspec.structs.replace(noted(B), id="no uuid")
    found = await verdicts(
        log, saying(A, "1"), saying(B, "2"), Command([wrong]), saying(B, "3"), saying(A, "4")
    )
    assert isinstance(found[2], Exception)
    assert [type(verdict).__name__ for verdict in found].count("Receipt") == 4
    events = await assert_whole(log)
    assert [event.value["text"] for event in events if event.stream_id == B] == ["2", "3"]
    assert [event.value["text"] for event in events if event.stream_id == A] == ["1", "4"]


async def test_a_full_disk_of_postgres_is_log_unavailable_until_there_is_space(
    log: Log, admin: asyncpg.Connection
):
    """Not the driver's own error, which no caller knows."""
    await log.append(saying(A, "before"))
    schema = log.settings.schema
    await admin.execute(
        f"""CREATE FUNCTION {schema}.full_disk() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device'
               USING ERRCODE = 'disk_full'; END $$;
            CREATE TRIGGER full_disk BEFORE INSERT ON {schema}.events
            FOR EACH ROW EXECUTE FUNCTION {schema}.full_disk()"""
    )
    for found in await verdicts(log, saying(A, "lost"), saying(B), saying(C)):
        assert isinstance(found, LogUnavailable)
        assert "No space left on device; nothing was appended; free disk space" in str(found)
    await admin.execute(f"DROP TRIGGER full_disk ON {schema}.events")
    await log.append(saying(A, "after"))
    assert [event.value["text"] for event in await assert_whole(log)] == ["before", "after"]


async def test_a_full_queue_pushes_back_and_everything_gets_through(opened: OpenLog):
    log = await opened(queue_commands_max=2, batch_events_max=3)
    found = await verdicts(log, *[saying(story(str(n % 4)), str(n)) for n in range(60)])
    assert sorted(receipt.first_position for receipt in found) == list(range(1, 61))
    await assert_whole(log)


async def test_the_queue_never_holds_more_than_it_was_told_to(opened: OpenLog):
    log = await opened(queue_commands_max=3)
    appends = [asyncio.ensure_future(log.append(saying(A))) for _ in range(20)]
    seen = []
    while not all(append.done() for append in appends):
        seen.append(len(log._parts.writer._waiting))
        await asyncio.sleep(0)
    assert 0 < max(seen) <= 3


async def test_batches_keep_to_their_limits(opened: OpenLog):
    """In events and in bytes; a single larger command goes alone."""
    log = await opened(batch_events_max=4, batch_bytes_max=40_000)
    big, small = "x" * 15_000, ""
    await verdicts(log, *[saying(A, text) for text in (big, big, big, small, small, small, small, small)])
    await verdicts(log, Command([said(A) for _ in range(9)]), saying(B))
    events = await assert_whole(log)
    batches: dict[str, list[Any]] = {}
    for event in events:
        batches.setdefault(event.time, []).append(event)
    for batch in batches.values():
        assert len(batch) <= 4 or len(batch) == 9
        assert sum(len(bytes(event.data)) for event in batch) <= 40_000


@pytest.mark.parametrize(
    ("commands", "batches"), [(HALVED_FROM, [HALVED_FROM]), (4 * HALVED_FROM, [2 * HALVED_FROM] * 2)]
)
async def test_a_batch_takes_half_of_many_commands_so_that_both_sides_have_work(
    log: Log, commands: int, batches: list[int]
):
    await asyncio.gather(*[log.append(saying(story(str(n)))) for n in range(commands)])
    assert [len(block) for block in log.segments.read()] == batches


async def test_a_caller_who_went_away_before_it_was_sent_leaves_nothing(opened: OpenLog):
    log = await opened(batch_events_max=1)
    appends = [asyncio.ensure_future(log.append(saying(A, str(n)))) for n in range(5)]
    await asyncio.sleep(0)
    appends[3].cancel()
    found = await asyncio.gather(*appends, return_exceptions=True)
    assert isinstance(found[3], asyncio.CancelledError)
    assert [event.value["text"] for event in await assert_whole(log)] == ["0", "1", "2", "4"]


async def test_a_caller_who_went_away_after_it_was_sent_changes_nothing_for_the_others(
    opened: OpenLog, proxy: Proxy
):
    """Its events are in the log or not; the stream goes on either way."""
    log = await opened(target=proxy.connection)
    proxy.faults.append(ANSWER_LOST)
    lost, other = (asyncio.ensure_future(log.append(saying(A, text))) for text in ("lost", "other"))
    await proxy.struck.wait()
    lost.cancel()
    await other
    await log.append(saying(A, "after"))
    texts = [event.value["text"] for event in await assert_whole(log)]
    assert texts == ["lost", "other", "after"]


async def test_who_sent_the_same_key_is_answered_though_the_first_caller_went_away(
    opened: OpenLog, proxy: Proxy
):
    log = await opened(target=proxy.connection)
    proxy.faults.append(NEVER_SENT)
    first, repeat = (asyncio.ensure_future(log.append(saying(A, idempotency_key="k"))) for _ in range(2))
    await proxy.struck.wait()
    first.cancel()
    assert (await asyncio.wait_for(repeat, 20)).first_position == 1
    assert len(await assert_whole(log)) == 1


async def test_streams_beyond_the_cache_still_fold_right(opened: OpenLog):
    """A small cache costs round trips, never a wrong row and never a standstill."""
    log = await opened(cached_streams_max=5)
    streams = [story(str(number)) for number in range(2_000)]
    for round in range(2):
        found = await verdicts(
            log, *[Command([said(stream, str(round)), noted(stream)]) for stream in streams]
        )
        assert all(
            receipt.versions[stream] == 2 * round + 2 for receipt, stream in zip(found, streams, strict=True)
        )
    await assert_whole(log)
    assert len(log._parts.writer._known) <= 5 + 64


async def test_a_command_on_more_streams_than_the_cache_holds_is_appended(opened: OpenLog):
    log = await opened(cached_streams_max=1)
    streams = [story(str(number)) for number in range(20)]
    async with asyncio.timeout(60):
        for round in range(3):
            expected = dict.fromkeys(streams, round)
            await log.append(Command([said(stream) for stream in streams], expected=expected))
    await assert_whole(log)


async def test_a_large_command_is_compressed_with_its_batch_and_others_before(opened: OpenLog):
    """A queue of large ones would be held twice, and a burst of them stop the event loop."""
    log = await opened(compress_min_bytes=0)
    texts = ["small", "x" * STORED_AT_ONCE_BYTES]
    appends = [asyncio.ensure_future(log.append(saying(A, text))) for text in texts]
    await asyncio.sleep(0)
    assert [bool(pending.stored) for pending in log._parts.writer._waiting] == [True, False]
    await asyncio.gather(*appends)
    assert [event.value["text"] for event in await assert_whole(log)] == texts


async def test_closing_appends_what_was_submitted(opened: OpenLog):
    log = await opened(batch_events_max=2)
    appends = [asyncio.ensure_future(log.append(saying(A, str(n)))) for n in range(20)]
    await asyncio.sleep(0)
    await log.close()
    assert [receipt.first_position for receipt in await asyncio.gather(*appends)] == list(range(1, 21))
    assert len(await assert_whole(await opened())) == 20


async def test_closing_waits_for_a_lone_append_that_is_under_way(opened: OpenLog, proxy: Proxy):
    """Also for one whose answer is lost meanwhile."""
    log = await opened(target=proxy.connection)
    await log.append(saying(A))
    proxy.faults.append(ANSWER_LOST)
    append = asyncio.ensure_future(log.append(saying(A)))
    await asyncio.sleep(0)
    await asyncio.wait_for(log.close(), 20)
    assert (await append).first_position == 2
    assert len(await assert_whole(await opened())) == 2


async def test_after_closing_an_append_is_refused(opened: OpenLog):
    log = await opened()
    await log.close()
    await log.close()
    with pytest.raises(Closed, match="closed; open it again"):
        await log.append(saying(A))


async def test_closing_while_the_queue_is_full_answers_everyone(opened: OpenLog):
    """Nobody is left waiting for a writer that has stopped."""
    log = await opened(queue_commands_max=1, batch_events_max=1)
    appends = [asyncio.ensure_future(log.append(saying(A, expected=n % 2))) for n in range(10)]
    await asyncio.sleep(0)
    await log.close()
    found = await asyncio.wait_for(asyncio.gather(*appends, return_exceptions=True), 20)
    assert all(isinstance(f, Closed | Conflict) or f.first_position for f in found)


async def test_bad_commands_are_refused_before_anything_is_sent(log: Log):
    with pytest.raises(BadInput):
        await log.append(Command([]))
    assert (await log.head()).position == 0


async def test_rows_show_nul_as_the_replacement_character_and_the_log_keeps_it(log: Log):
    """Invariant 9: text columns cannot hold NUL; six characters that look like its escape they can."""
    texts = {"nul": "a\x00b", "literal": "a\\u0000b", "both": "\\\x00\\\\u0000\x00", "surrogate": "\ud800"}
    await verdicts(log, *[saying(story(key), text) for key, text in texts.items()])
    shown = {key: row["last"] for (_, key), row in (await table(log, TALLIES)).items()}
    assert shown == {
        "nul": "a\ufffdb",
        "literal": "a\\u0000b",
        "both": "\\\ufffd\\\\u0000\ufffd",
        "surrogate": "?",
    }
    assert {event.stream.key: event.value["text"] for event in await whole(log)} == texts


async def test_tenants_and_keys_never_touch_each_other(log: Log):
    """Invariant 10: no joining of tenant, kind and key can mix streams up."""
    streams = [StreamId("a", "story", "b:c"), StreamId("a:b", "story", "c"), StreamId("", "story", "a:b:c")]
    streams += [StreamId("a", "story", "b"), StreamId("a", "story", "B"), StreamId("a", "story", "b ")]
    await verdicts(log, *[saying(stream, str(n)) for n, stream in enumerate(streams)])
    for number, stream in enumerate(streams):
        assert [event.value["text"] for event in await log.read_stream(stream)] == [str(number)]
        await log.reload([stream])
        assert await log.state("tallies", stream) == (Tally(1, str(number)), 1)
