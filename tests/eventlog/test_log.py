"""The whole log on a real Postgres: the invariants, opening, reading, following."""

from __future__ import annotations

import asyncio
import random
import signal
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from eventlog.command import Command
from eventlog.embedded.server import EmbeddedPostgres
from eventlog.envelope import StreamId, new_event, us_to_time
from eventlog.errors import (
    BadInput,
    CopiesDisagree,
    FormatTooNew,
    LogUnavailable,
    ProjectionMismatch,
    SchemaMismatch,
)
from eventlog.log import Log
from tests.eventlog.conftest import OpenLog
from tests.support.builders import (
    CHAPTERS,
    TALLIES,
    Tally,
    assert_whole,
    noted,
    open_log,
    said,
    saying,
    story,
    whole,
)
from tests.support.host import STREAMS, append_at_random, host
from tests.support.postgres import fresh_schema

A, B = story("a"), story("b")


async def take(log: Log, after: int, count: int) -> list[int]:
    async with aclosing(log.subscribe(after)) as events:  # type: ignore[type-var]
        return [(await anext(events)).position for _ in range(count)]


async def test_invariant_1_positions_and_versions_have_no_gaps_over_logs_and_processes(
    opened: OpenLog, postgres_server: EmbeddedPostgres, schema_name: str, tmp_path: Path
):
    """Several logs here, two more processes, one of them on a shared data directory: with conflicts and
    repeated keys mixed in, a subscriber sees every position once and in order, and nobody loses anything."""
    one, other = await opened("one"), await opened("other")
    async with AsyncExitStack() as stack:
        hosts = [
            await stack.enter_async_context(
                host(postgres_server.connection, schema_name, tmp_path / data, seed=seed, rounds=12)
            )
            for seed, data in ((1, "third"), (2, "one"))
        ]
        seen: list[int] = []

        async def follow() -> None:
            async with aclosing(other.subscribe()) as events:  # type: ignore[type-var]
                async for event in events:
                    seen.append(event.position)

        follower = asyncio.create_task(follow())
        for process in hosts:
            await process.begin()
        found: list[dict[str, Any]] = await asyncio.gather(
            append_at_random(one, "one", 3, 12),
            append_at_random(other, "other", 4, 12),
            *[process.result() for process in hosts],
        )
    head = (await one.head()).position
    while len(seen) < head:
        await asyncio.wait([follower], timeout=0.02)
    follower.cancel()
    await asyncio.wait([follower])
    assert seen == list(range(1, head + 1))
    await one.append(saying(A))
    events = await assert_whole(one)
    said_at = {event.value["text"]: event.position for event in reversed(events) if event.type == "said"}
    for result in found:
        for text, (first, _) in result["receipts"].items():
            assert said_at[text] == first, "a receipt names the place of its events"
    told = sum(last - first + 1 for result in found for first, last in result["receipts"].values())
    assert told == head, "every event belongs to a receipt that somebody got"


async def test_invariant_2_acknowledged_means_durable_twice(log: Log):
    """Whether a command came alone or in a batch."""
    for size in (1, 5):
        appends = [asyncio.ensure_future(log.append(saying(story(str(n))))) for n in range(size)]
        for append in asyncio.as_completed(appends):
            receipt = await append
            assert log.segments.durable_position >= receipt.last_position
            assert (await log.head()).position >= receipt.last_position


async def test_invariant_4_both_copies_hold_the_same_bytes_and_one_chain(log: Log):
    """Content that is hard to keep, small and large, alone and in batches, with all optional fields."""
    contents: list[Any] = [
        "",
        "\x00",
        "\ud800",
        "\u2028",
        10**30,
        "é" * 700,
        "x" * 100_000,
        {"a": [1.5, None]},
    ]
    times = ["0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z", None, us_to_time(1)]
    for number, content in enumerate(contents):
        await log.append(Command([said(A, content, occurred_at=times[number % 4])]))
    await log.append(
        Command([said(story(f"käy \t{n}"), c, occurred_at=times[n % 4]) for n, c in enumerate(contents)])
    )
    await assert_whole(log)
    segment = b"".join(lines for _, lines in log.segments.read_raw())
    stored = b"".join(row.line for row in await log.reads.page(0, 100))
    assert segment == stored
    assert [event.value["text"] for event in await whole(log)] == contents * 2


async def test_a_kind_and_a_type_may_have_any_name_sql_knows(log: Log):
    """`null` in an array literal is no text unless it is quoted."""
    streams = [StreamId("null", kind, "null") for kind in ("null", "true", "t", "select", "default")]
    events = [new_event(stream, stream.kind, None, id=log.ids.next()) for stream in streams]
    await log.append(Command(events))
    await log.append(Command(events[:1]))
    assert [event.stream_id for event in await whole(log)] == [*streams, streams[0]]
    assert [event.type for event in await whole(log)][:5] == [stream.kind for stream in streams]


async def test_invariant_10_streams_of_other_tenants_do_not_show(log: Log):
    mine, theirs = story("same", "mine"), story("same", "theirs")
    await log.append(saying(mine, "mine"))
    await log.append(saying(theirs, "theirs"))
    assert [event.value["text"] for event in await log.read_stream(mine)] == ["mine"]
    assert await log.state("tallies", theirs) == (Tally(1, "theirs"), 1)


async def test_after_kill_9_everything_acknowledged_is_there_in_both_copies(
    opened: OpenLog, postgres_server: EmbeddedPostgres, schema_name: str, tmp_path: Path
):
    """The process dies in the middle of appending; its directory is opened again."""
    witness = await opened("witness")
    async with host(
        postgres_server.connection, schema_name, tmp_path / "dead", seed=7, rounds=10_000
    ) as process:
        await process.begin()
        await take(witness, 0, 30)
        process.process.send_signal(signal.SIGKILL)
        await process.process.wait()
    again = await opened("dead")
    await again.append(saying(A, "after"))
    events = await assert_whole(again)
    assert len(events) >= 31
    segment = b"".join(lines for _, lines in again.segments.read_raw())
    assert segment.count(b"\n") == len(events)


async def test_a_repeat_with_its_key_returns_the_first_receipt(log: Log):
    """Whatever its events and expectations are now."""
    first = await log.append(Command([said(A, "1"), said(B, "2")], idempotency_key="k", expected={A: 0}))
    await log.append(saying(A))
    for repeat in (
        Command([said(A, "1"), said(B, "2")], idempotency_key="k", expected={A: 0}),
        Command([noted(story("c"))], idempotency_key="k"),
    ):
        receipt = await log.append(repeat)
        assert receipt.duplicate
        assert (receipt.first_position, receipt.last_position) == (1, 2)
        assert (receipt.versions, receipt.time) == (first.versions, first.time)
    assert len(await assert_whole(log)) == 3


async def test_a_repeat_with_its_key_is_known_after_a_restart_and_elsewhere(opened: OpenLog):
    first = await opened()
    await first.append(saying(A, idempotency_key="k"))
    await first.close()
    for log in (await opened(), await opened("elsewhere")):
        receipt = await log.append(saying(A, idempotency_key="k"))
        assert (receipt.first_position, receipt.duplicate) == (1, True)
    other_tenant = await log.append(saying(story("a", "other"), idempotency_key="k"))
    assert (other_tenant.first_position, other_tenant.duplicate) == (2, False)


async def test_repeats_among_other_commands_of_a_batch_hold_nobody_up(log: Log):
    await log.append(saying(A, idempotency_key="k"))
    receipts = await asyncio.gather(
        log.append(saying(A, "before")),
        log.append(saying(A, "repeat", idempotency_key="k")),
        log.append(saying(A, "repeat", idempotency_key="k")),
        log.append(saying(A, "after", idempotency_key="l")),
        log.append(saying(A, "last")),
    )
    assert [receipt.duplicate for receipt in receipts] == [False, True, True, False, False]
    assert {receipt.first_position for receipt in receipts[1:3]} == {1}
    assert [event.value["text"] for event in await assert_whole(log)] == ["", "before", "after", "last"]


async def test_a_key_is_forgotten_only_when_its_time_is_over(opened: OpenLog):
    """By the server's clock; nothing else ends it."""
    log = await opened(idempotency_ttl_s=3600.0)
    await log.append(saying(A, idempotency_key="k"))
    assert (await log.append(saying(A, idempotency_key="k"))).duplicate
    brief = await opened("brief", idempotency_ttl_s=0.001)
    await brief.append(saying(A, idempotency_key="short"))
    await brief.reads.fetch("SELECT pg_sleep(0.002)")
    again = await brief.append(saying(A, idempotency_key="short"))
    assert (again.first_position, again.duplicate) == (3, False)
    assert (await brief.append(saying(A, idempotency_key="k"))).duplicate


async def test_keys_whose_time_is_over_do_not_pile_up(opened: OpenLog):
    log = await opened(idempotency_ttl_s=0.001)
    for number in range(30):
        await log.append(saying(A, idempotency_key=str(number)))
    await asyncio.gather(*[log.append(saying(A, idempotency_key=f"k{number}")) for number in range(20)])
    await log.reads.fetch("SELECT pg_sleep(0.002)")
    await log.append(saying(A, idempotency_key="last"))
    [row] = await log.reads.fetch("SELECT count(*) AS count FROM {schema}.idempotency_keys")
    assert row["count"] < 25


async def test_what_was_read_is_what_was_asked_for(log: Log):
    for number in range(7):
        await log.append(saying((A, B)[number % 2], str(number)))
    for after in range(9):
        for until in (None, *range(8)):
            got = [event.position async for block in log.read(after, until) for event in block]
            assert got == list(range(after + 1, (7 if until is None else until) + 1))
    assert [event.version for event in await log.read_stream(A)] == [1, 2, 3, 4]
    assert [event.version for event in await log.read_stream(A, after=1, limit=2)] == [2, 3]
    assert await log.read_stream(story("nobody")) == []


async def test_the_head_is_where_all_hosts_are(opened: OpenLog):
    one, other = await opened("one"), await opened("other")
    empty = await one.head()
    assert (empty.position, empty.chain) == (0, bytes(32))
    receipt = await other.append(saying(A, "1", "2"))
    head = await one.head()
    assert (head.position, head.time) == (2, receipt.time)


async def test_a_reader_sees_what_others_appended_before_it_is_in_the_local_segments(opened: OpenLog):
    one, other = await opened("one"), await opened("other")
    await one.append(saying(A, "1"))
    await other.append(saying(A, "2"))
    await other.append(saying(A, "3"))
    assert one.segments.head_position == 1
    assert [event.value["text"] for event in await whole(one)] == ["1", "2", "3"]


async def test_state_is_asked_of_a_projection_by_the_streams_it_folds(log: Log):
    assert await log.state("tallies", A) == (None, 0)
    await log.append(saying(A, "x"))
    assert await log.state("tallies", A) == (Tally(1, "x"), 1)
    with pytest.raises(BadInput, match="folds streams of kind 'story', not 'session'"):
        await log.state("tallies", A._replace(kind="session"))
    await log.reload([])


async def test_a_subscriber_hears_of_another_process_s_events_by_notification(opened: OpenLog):
    """Long before the poll interval is over."""
    reader, writer = await opened("reader", poll_interval_s=600.0), await opened("writer")
    waiting = asyncio.create_task(take(reader, 0, 3))
    for number in range(3):
        await writer.append(saying(A, str(number)))
    assert await asyncio.wait_for(waiting, 30) == [1, 2, 3]


async def test_a_subscriber_needs_no_notification(opened: OpenLog):
    """A hint that is lost costs time and never an event."""
    reader, writer = await opened("reader", poll_interval_s=0.02), await opened("writer")
    await writer._parts.notifier.close()
    waiting = asyncio.create_task(take(reader, 0, 3))
    for number in range(3):
        await writer.append(saying(A, str(number)))
    assert await asyncio.wait_for(waiting, 30) == [1, 2, 3]


async def test_a_subscriber_hears_of_this_process_s_events_without_asking_postgres_again(opened: OpenLog):
    log = await opened(poll_interval_s=600.0)
    waiting = asyncio.create_task(take(log, 0, 2))
    await asyncio.sleep(0)
    await log.append(saying(A))
    await log.append(saying(A))
    assert await asyncio.wait_for(waiting, 30) == [1, 2]


@pytest.mark.parametrize("after", [0, 1, 5, 9, 10])
async def test_a_subscriber_starts_anywhere_and_goes_on_with_what_comes(log: Log, after: int):
    for number in range(10):
        await log.append(saying(A, str(number)))
    waiting = asyncio.create_task(take(log, after, 12 - after))
    await log.append(saying(A, "10", "11"))
    assert await asyncio.wait_for(waiting, 30) == list(range(after + 1, 13))


async def test_a_schema_that_is_not_there_is_refused_unless_migration_was_asked_for(
    postgres_server: EmbeddedPostgres, schema_name: str, tmp_path: Path
):
    """Connecting never changes a schema."""
    with pytest.raises(SchemaMismatch, match="does not exist in this database"):
        await open_log(postgres_server, schema_name, tmp_path, migrate=False)
    connection = await asyncpg.connect(**postgres_server.connection)
    assert await connection.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname = $1", schema_name) == 0
    await connection.close()


async def test_another_set_of_projections_is_refused(opened: OpenLog):
    """Its rows would be wrong, or missing."""
    await (await opened()).close()
    with pytest.raises(ProjectionMismatch, match="folds chapters:1,tallies:1, this process tallies:1"):
        await opened(projections=(TALLIES,), migrate=False)


async def test_an_open_log_is_refused_once_the_projections_were_changed_under_it(opened: OpenLog):
    old = await opened("old")
    await old.append(saying(A))
    await opened("new", projections=(CHAPTERS,))
    for _ in range(2):
        with pytest.raises(ProjectionMismatch, match="open it again with the same release"):
            await old.append(saying(A))
    assert (await old.head()).position == 1


async def test_an_open_log_goes_on_after_a_repair_began_a_new_epoch(
    opened: OpenLog, admin: asyncpg.Connection
):
    log = await opened()
    await log.append(saying(A))
    await admin.execute(f"UPDATE {log.settings.schema}.head SET epoch = epoch + 1")
    found = await asyncio.gather(log.append(saying(A)), log.append(saying(B)))
    assert sorted(receipt.first_position for receipt in found) == [2, 3]
    await assert_whole(log)


async def test_a_directory_of_another_log_is_refused_and_nothing_changes(
    opened: OpenLog, postgres_server: EmbeddedPostgres, tmp_path: Path
):
    mine = await opened("mine")
    await mine.append(saying(A))
    await mine.close()
    before = snapshot(tmp_path / "mine")
    theirs = fresh_schema()
    other = await opened("theirs", schema=theirs)
    with pytest.raises(CopiesDisagree, match="holds log"):
        await open_log(postgres_server, theirs, tmp_path / "mine")
    assert snapshot(tmp_path / "mine") == before
    mirrors = await other.reads.fetch("SELECT directory FROM {schema}.mirrors")
    assert [row["directory"] for row in mirrors] == [str(tmp_path / "theirs" / "segments")]


def snapshot(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


async def test_a_directory_of_a_newer_format_is_refused_and_nothing_changes(opened: OpenLog, tmp_path: Path):
    log = await opened()
    await log.append(saying(A))
    await log.close()
    file = tmp_path / "data" / "agentlog.json"
    file.write_bytes(file.read_bytes().replace(b'"format":1', b'"format":2'))
    before = snapshot(tmp_path / "data")
    with pytest.raises(FormatTooNew):
        await opened()
    assert snapshot(tmp_path / "data") == before


async def test_an_unreachable_postgres_is_refused_and_the_directory_stays_unbound(
    postgres_server: EmbeddedPostgres, schema_name: str, tmp_path: Path
):
    """The next attempt may name the right one."""
    with pytest.raises(LogUnavailable):
        await open_log({"host": str(tmp_path)}, schema_name, tmp_path / "data")
    async with await open_log(postgres_server, schema_name, tmp_path / "data") as log:
        await log.append(saying(A))


async def test_a_log_reads_on_where_another_process_made_segments(opened: OpenLog):
    """Two logs on one directory take turns; small segments, so that both roll over."""
    one, other = [await opened("shared", segment_bytes_max=4096) for _ in range(2)]
    chance = random.Random(5)
    for number in range(40):
        log = chance.choice([one, other])
        await log.append(saying(chance.choice(STREAMS), "x" * chance.randrange(600) + str(number)))
    assert len(one.segments.segments()) > 1
    await assert_whole(one)
    await assert_whole(other)
