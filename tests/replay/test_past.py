"""The past of a log is what its tables held then: for random histories over all nouns, at every cut."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventlog.command import Command
from eventlog.embedded.server import EmbeddedPostgres
from eventlog.envelope import StreamId, parse_time
from eventlog.errors import BadInput
from eventlog.events import AgentEvent, new
from projections.catalog import INLINE
from replay.fold_all import FoldAll
from replay.moment import find_moment
from replay.past import KEPT_EVERY, StreamPasts
from replay.past_log import PastLog, Pasts
from replay.past_tables import READS_MAX
from replay.state import blame, changes, state_of
from tests.replay.support import ITEM, OTHER, SESSION, TABLES, Spoiled, by_table, every_row, message
from tests.replay.test_histories import Shared, histories, made_of

STREAMS = "SELECT s::text AS row FROM {schema}.streams AS s ORDER BY 1"


def test_the_past_at_every_cut_is_the_fold_of_the_prefix_and_what_was_read_live(
    postgres_server: EmbeddedPostgres, tmp_path: Path
):
    """Invariant 6 at every moment: all tables, all states, and each stream by itself."""
    with asyncio.Runner() as runner:
        shared = Shared(postgres_server.connection, tmp_path)

        async def run(history: list[list[tuple[str, AgentEvent]]], data: st.DataObject) -> None:
            async with shared.example() as (spoiled, tenant):
                live, states = await lived(spoiled, tenant, history)
                pasts = Pasts(await spoiled.log())
                try:
                    for position in data.draw(st.permutations(sorted(live))):
                        past = PastLog(pasts, position, None)
                        assert by_table(await past.fetch(every_row(TABLES))) == live[position]
                        await same_by_stream(past, position, states[position])
                finally:
                    await pasts.close()

        @settings(max_examples=8, deadline=None)
        @given(history=histories, data=st.data())
        def holds(history: list[list[tuple[str, AgentEvent]]], data: st.DataObject) -> None:
            runner.run(run(history, data))

        try:
            holds()
        finally:
            runner.run(shared.close())


Live = dict[int, dict[str, list[str]]]
States = dict[int, dict[StreamId, dict[str, Any]]]


async def lived(
    spoiled: Spoiled, tenant: str, history: list[list[tuple[str, AgentEvent]]]
) -> tuple[Live, States]:
    """Append a history; return, by position, the rows of all tables, and its streams' states by table."""
    log = await spoiled.log()
    begin = (await log.head()).position
    live: Live = {begin: await spoiled.tables()}
    states: States = {begin: {}}
    streams: set[StreamId] = set()
    for command in history:
        if made := made_of(spoiled, tenant, command):
            position = (await log.append(Command(made))).last_position
            streams |= {event.stream for event in made}
            live[position] = await spoiled.tables()
            states[position] = {
                stream: {one.name: await log.state(one.name, stream) for one in folds_of(stream)}
                for stream in streams
            }
    return live, states


async def same_by_stream(past: PastLog, position: int, states: dict[StreamId, dict[str, Any]]) -> None:
    """Single streams are what the fold of the prefix says, what the tables hold, and what was read."""
    fold = FoldAll(INLINE)
    async for block in past.read():
        fold.add(block)
    assert fold.position == position
    for stream, known in states.items():
        assert {name: await past.state(name, stream) for name in known} == known
        assert state_of(await past.fold_of(stream), stream) == state_of(fold, stream)
        if known:
            rows = await past.fetch_of(stream, every_row(list(known)))
            by_key = every_row(list(known), "t.tenant = $1 AND t.key = $2")
            assert rows == await past.fetch(by_key, stream.tenant, stream.key)


def folds_of(stream: StreamId) -> list[Any]:
    return [one for one in INLINE if one.kind == stream.kind]


async def test_a_long_stream_is_right_at_any_position_in_any_order(spoiled: Spoiled):
    """Copies of the fold are kept along the way: before, between and behind them nothing differs."""
    log = await spoiled.log()
    for n in range(5):
        events = [message(f"m{n}-{m}") for m in range(60)]
        streams = (SESSION, OTHER)
        made = [new(streams[m % 3 == 0], e, id=spoiled.ids.next()) for m, e in enumerate(events)]
        await log.append(Command(made))
    expected, fold = {}, FoldAll(INLINE)
    async for block in log.read():
        for event in block:
            fold.add([event])
            expected[event.position] = state_of(fold, SESSION)
    pasts = StreamPasts(INLINE, log.read_stream)
    assert KEPT_EVERY < 200
    for position in [150, 300, 1, 299, *range(300, 0, -7), *range(1, 301, 3)]:
        assert state_of(await pasts.at(SESSION, position), SESSION) == expected[position]
    assert (await pasts.at(SESSION, 0)).streams == {}
    assert (await pasts.at(ITEM, 300)).streams == {}


async def test_many_reads_of_single_streams_leave_nothing_behind(spoiled: Spoiled):
    """What is put into the temporary tables is taken back each time; after many the connection is another."""
    await spoiled.fill()
    pasts = Pasts(await spoiled.log())
    try:
        for n in range(READS_MAX + 3):
            past = PastLog(pasts, 1 + n % 13, None)
            rows = await past.fetch_of(SESSION, STREAMS)
            assert len(rows) == 1
        assert await PastLog(pasts, 13, None).fetch_of(StreamId("acme", "session", "none"), STREAMS) == []
        assert len(await PastLog(pasts, 13, None).fetch(STREAMS)) == 3
        seen = await PastLog(pasts, 5, None).fetch("SELECT max(e.position) AS last FROM {schema}.events AS e")
        assert seen[0]["last"] == 5
    finally:
        await pasts.close()


async def test_a_query_of_the_past_that_fails_spoils_nothing(spoiled: Spoiled):
    """The next one gets another connection."""
    await spoiled.fill()
    pasts = Pasts(await spoiled.log())
    try:
        past = PastLog(pasts, 3, None)
        for fetch in (past.fetch, lambda sql: past.fetch_of(SESSION, sql)):
            with pytest.raises(Exception, match="no_such_column"):
                await fetch("SELECT no_such_column FROM {schema}.sessions")
            assert len(await fetch(STREAMS)) == 1
    finally:
        await pasts.close()


# Moments.


async def test_a_time_means_after_the_last_position_accepted_by_then(spoiled: Spoiled):
    """Exactly at an event's time it counts; a microsecond before it does not."""
    await spoiled.fill()
    log = await spoiled.log()
    times = []
    async for block in log.read():
        times += [(event.position, parse_time(event.time)) for event in block]
    for _, time in times:
        last = max(other for other, at in times if at <= time)
        assert (await find_moment(log, time=time)).position == last
        earlier = [other for other, at in times if at <= time - timedelta(microseconds=1)]
        if earlier:
            found = await find_moment(log, time=time - timedelta(microseconds=1))
            assert found.position == max(earlier)
    assert (await find_moment(log, time=datetime.now(UTC))).position == 13
    assert (await find_moment(log)).position == 13
    assert (await find_moment(log, 0)).position == 0
    assert (await find_moment(log, 7)).time == times[6][1].isoformat(timespec="microseconds")[:-6] + "Z"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"position": 14}, "is not in the log"),
        ({"position": -1}, "is not in the log"),
        ({"position": True}, "is not in the log"),
        ({"position": 1.0}, "is not in the log"),
        ({"time": datetime(1999, 1, 1, tzinfo=UTC)}, "before the first event"),
        ({"time": datetime(2999, 1, 1, tzinfo=UTC)}, "has not come yet"),
        ({"time": datetime(2026, 1, 1)}, "no time zone"),
        ({"position": 1, "time": datetime(2026, 1, 1, tzinfo=UTC)}, "give one of them"),
    ],
)
async def test_a_moment_that_is_not_in_the_log_is_refused(spoiled: Spoiled, arguments: Any, told: str):
    """A state of the future, or of before the beginning, would be an invention."""
    await spoiled.fill()
    with pytest.raises(BadInput, match=told):
        await find_moment(await spoiled.log(), **arguments)


async def test_an_empty_log_has_no_time(spoiled: Spoiled):
    """And one position, 0, before all."""
    log = await spoiled.log()
    assert (await find_moment(log)).position == 0
    with pytest.raises(BadInput, match="empty"):
        await find_moment(log, time=datetime.now(UTC))


# What changed, and by what.


async def test_blame_names_the_event_behind_which_a_field_has_its_value(spoiled: Spoiled):
    """For every field: folding up to just before gives another value, from there on it stays."""
    await spoiled.fill()
    log = await spoiled.log()
    events = await log.read_stream(SESSION)
    found = blame(INLINE, SESSION, events)
    assert {(one.table, one.field) for one in found} >= {
        ("sessions", "title"),
        ("conversations", "message_count"),
    }
    by_version = {}
    fold = FoldAll(INLINE)
    names = [one.name for one in INLINE if one.kind == "session"]
    for event in events:
        fold.add([event])
        by_version[event.version] = dict(zip(names, fold.streams[SESSION].states(), strict=True))
    last = events[-1].version
    for one in found:
        final = getattr(by_version[last][one.table], one.field)
        for version in range(one.version, last + 1):
            assert getattr(by_version[version][one.table], one.field) == final
        before = by_version.get(one.version - 1, {}).get(one.table)
        assert before is None or getattr(before, one.field) != final


async def test_changes_of_neighbouring_moments_add_up(spoiled: Spoiled):
    """The last value told for a field is the one it has; what never changed is never told."""
    await spoiled.fill()
    log = await spoiled.log()
    pasts = StreamPasts(INLINE, log.read_stream)
    states = [state_of(await pasts.at(SESSION, position), SESSION) for position in range(14)]
    told: dict[Any, Any] = {}
    for before, after in pairwise(states):
        for change in changes(before, after, INLINE):
            assert told.get((change.table, str(change.row), change.field)) == change.before
            told[change.table, str(change.row), change.field] = change.after
    whole = {(c.table, str(c.row), c.field): c.after for c in changes(states[0], states[-1], INLINE)}
    assert {key: value for key, value in told.items() if value is not None} == whole
    assert changes(states[5], states[5], INLINE) == []
