"""Reading: short pages, states of one moment, the chain anywhere, and a pool that outlives connections."""

from __future__ import annotations

import asyncio
import threading

import asyncpg
import pytest

from eventlog.command import Command
from eventlog.embedded.server import EmbeddedPostgres
from eventlog.envelope import CHAIN_START
from eventlog.errors import LogUnavailable
from eventlog.log import Log
from tests.eventlog.conftest import OpenLog
from tests.support.builders import Chapter, Tally, noted, said, saying, story, turned
from tests.support.proxy import Proxy

A, B, C = story("a"), story("b"), story("c")


async def test_pages_follow_each_other_without_a_gap(log: Log):
    await asyncio.gather(*[log.append(saying(story(str(n % 3)))) for n in range(25)])
    seen: list[int] = []
    while page := await log.reads.page(seen[-1] if seen else 0, 25, 4):
        assert len(page) <= 4
        seen += [stored.position for stored in page]
    assert seen == list(range(1, 26))
    assert [stored.position for stored in await log.reads.page(5, 8)] == [6, 7, 8]


async def test_the_chain_is_known_at_every_position(log: Log):
    """Also inside of a batch, where no row keeps it."""
    for size in (1, 4, 1, 3):
        await log.append(Command([said((A, B)[n % 2]) for n in range(size)]))
    chain = CHAIN_START
    assert await log.reads.chain_at(0) == chain
    for stored in await log.reads.page(0, 100):
        chain = stored.chain_from(chain)
        assert await log.reads.chain_at(stored.position) == chain


async def test_states_are_the_newest_of_each_projection(log: Log):
    await log.append(Command([said(A, "1"), turned(A), said(A, "2"), said(B, "3"), noted(C)]))
    states = await log.reads.states([A, B, C, story("nobody")], tick=7)
    assert set(states) == {A, B, C}
    assert {stream: (state.version, list(state.states)) for stream, state in states.items()} == {
        A: (3, [Tally(2, "2"), Chapter(1, 1)]),
        B: (1, [Tally(1, "3"), Chapter(0, 1)]),
        C: (1, [None, None]),
    }
    assert {state.confirmed for state in states.values()} == {7}
    assert len({state.id for state in states.values()}) == 3
    assert await log.reads.states([], tick=8) == {}


async def test_states_are_of_one_moment_while_others_append(opened: OpenLog):
    """Version and rows together, or a fold would go on from the wrong state."""
    log, writer = await opened("reader"), await opened("writer")

    async def write() -> None:
        for number in range(60):
            await writer.append(saying(A, str(number)))

    writing = asyncio.create_task(write())
    while not writing.done():
        for state in (await log.reads.states([A], tick=1)).values():
            tally, chapter = state.states
            assert (tally.count, chapter.lines) == (state.version, state.version)
    await writing


async def test_original_is_what_a_key_stands_for(log: Log):
    assert await log.reads.original("acme", "k") is None
    first = await log.append(Command([said(A), said(B)], idempotency_key="k"))
    found = await log.reads.original("acme", "k")
    assert found is not None
    assert (found.first_position, found.last_position, found.versions) == (1, 2, first.versions)
    assert found.duplicate
    assert await log.reads.original("other", "k") is None


async def test_events_are_found_by_id_on_their_own_stream(log: Log):
    event, other = said(A), said(B)
    await log.append(Command([event, other]))
    states = await log.reads.states([A, B], tick=1)
    a, b = states[A].id, states[B].id
    assert a is not None
    assert b is not None
    assert await log.reads.find([a, b, a], [event.id, other.id, other.id]) == {event.id: 1, other.id: 2}
    assert await log.reads.find([a], ["0190d5a0-0000-7000-8000-000000000001"]) == {}


async def test_there_are_never_more_connections_than_allowed(opened: OpenLog, admin: asyncpg.Connection):
    log = await opened(read_connections_max=2)
    query = "SELECT pg_backend_pid(), pg_sleep(0.01)"
    rows = await asyncio.gather(*[log.reads.fetch(query) for _ in range(12)])
    assert len({row[0][0] for row in rows}) <= 2


async def test_a_failing_query_raises_what_postgres_says_and_the_next_one_works(log: Log):
    with pytest.raises(asyncpg.UndefinedTableError):
        await log.reads.fetch("SELECT * FROM {schema}.no_such_table")
    assert (await log.reads.fetch("SELECT 1 AS one"))[0]["one"] == 1


async def test_a_cancelled_query_gives_its_place_back(opened: OpenLog):
    log = await opened(read_connections_max=1)
    sleeping = asyncio.create_task(log.reads.fetch("SELECT pg_sleep(60)"))
    await asyncio.wait([sleeping], timeout=0.1)
    sleeping.cancel()
    assert (await asyncio.wait_for(log.reads.head(), 20))["position"] == 0


async def test_connections_that_broke_are_replaced(opened: OpenLog, admin: asyncpg.Connection):
    """A restarted server costs at most the queries that were under way, and those are asked once more."""
    query = "SELECT pg_sleep(60) AS to_be_broken"  # no other test's, whose session may still be there

    async def break_it() -> int:
        """Wait until a session runs the query, and end that session."""
        pid = None
        while pid is None:
            pid = await admin.fetchval(
                "SELECT pid FROM pg_stat_activity WHERE query = $1 AND state = 'active'", query
            )
        assert await admin.fetchval("SELECT pg_terminate_backend($1, 60000)", pid)
        return int(pid)

    log = await opened(command_timeout_s=600.0)  # it ends by what is done to it, however slow the machine
    await log.reads.head()  # a connection from before lies idle
    sleeping = asyncio.create_task(log.reads.fetch(query))
    first, second = await break_it(), await break_it()
    assert first != second
    with pytest.raises(LogUnavailable, match="terminating connection due to administrator command"):
        await sleeping
    assert (await log.reads.head())["position"] == 0


async def test_a_connection_that_broke_while_it_lay_idle_costs_no_read(
    log: Log, postgres_server: EmbeddedPostgres
):
    """Neither a query nor the state of streams, which takes several: who asks does not hear of it."""

    async def cut() -> None:
        admin = await asyncpg.connect(**postgres_server.connection)
        await admin.fetch(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE application_name = $1",
            "agentlog",
        )
        await admin.close()

    await log.append(saying(A, "one"))
    for read in (lambda: log.reads.states([A], tick=1), log.reads.head):
        await read()
        # In another loop, while this one stands still: it has not heard of it when it asks.
        cutting = threading.Thread(target=lambda: asyncio.run(cut()))
        cutting.start()
        cutting.join()
        assert await read()


async def test_while_postgres_is_away_reads_say_so(opened: OpenLog, proxy: Proxy):
    log = await opened(target=proxy.connection)
    await proxy.go_away()
    with pytest.raises(LogUnavailable):
        await log.head()
    await proxy.come_back()
    assert (await log.head()).position == 0


async def test_a_log_without_its_head_row_is_named(log: Log, admin: asyncpg.Connection, schema_name: str):
    """Somebody deleted it: nothing can be appended, and nobody is told that the log is empty."""
    await admin.execute(f"ALTER TABLE {schema_name}.head DISABLE TRIGGER USER")
    await admin.execute(f"DELETE FROM {schema_name}.head")
    with pytest.raises(LogUnavailable, match="head row is missing"):
        await log.head()
