"""The tables: what a fold says is what Postgres keeps and gives back."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventlog.embedded.server import EmbeddedPostgres
from eventlog.events import (
    ConversationCompacted,
    GenerationStarted,
    ItemClaimed,
    ItemEnqueued,
    MessageAppended,
    SessionCreated,
    SessionDeleted,
    SummaryRecorded,
    Todo,
    TodosReplaced,
    Usage,
    raw,
)
from eventlog.projection import STANDARD_COLUMNS, InlineProjection
from projections.catalog import INLINE
from projections.row_statements import columns_of
from projections.tables import table_text
from tests.projections.tables import Tables
from tests.support.histories import encoded, other_histories, session_histories

T0 = datetime(2026, 11, 22, 7, 44, 36, 123456, tzinfo=UTC)
each_projection = pytest.mark.parametrize("projection", INLINE, ids=lambda projection: projection.name)


@pytest.fixture
async def tables(postgres_server: EmbeddedPostgres, schema_name: str) -> AsyncIterator[Tables]:
    connection = await asyncpg.connect(**postgres_server.connection)
    try:
        # A zone with an odd past: nothing of it may show in a state.
        await connection.execute("SET timezone = 'Europe/Amsterdam'")
        tables = Tables(connection, schema_name)
        await tables.create()
        yield tables
    finally:
        await connection.close()


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    sessions=st.lists(session_histories, min_size=2, max_size=2),
    others=st.lists(other_histories, min_size=2, max_size=2),
    batch_length=st.integers(1, 9),
    forget=st.booleans(),
)
async def test_any_history_is_stored_and_loaded_as_it_was_folded(
    tables: Tables, sessions: list[list[Any]], others: list[list[Any]], batch_length: int, forget: bool
) -> None:
    """Rows are states: in batches of any size, also when states are loaded before each batch."""
    histories = [(tables.new_stream(), history) for history in (*sessions, *others)]
    longest = max(len(history) for _, history in histories)
    events = [
        (stream, history[n]) for n in range(longest) for stream, history in histories if n < len(history)
    ]
    streams = [stream for stream, _ in histories]
    for n in range(0, len(events), batch_length):
        if forget:
            stored = await tables.load(streams)
            for stream in streams:
                stream.states = stored[stream.id]
        await tables.write(events[n : n + batch_length], T0)
    assert await tables.load(streams) == {stream.id: stream.states for stream in streams}


@each_projection
async def test_columns_are_the_standard_ones_then_the_fields_of_the_state(
    tables: Tables, projection: InlineProjection
) -> None:
    """Same names, same order; and the primary key is the stream with the row key."""
    rows = await tables.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 ORDER BY attnum",
        f"{tables.schema}.{projection.name}",
    )
    assert tuple(row["attname"] for row in rows) == STANDARD_COLUMNS + projection.state.__struct_fields__
    keys = await tables.fetch(
        "SELECT a.attname FROM pg_index i, unnest(i.indkey) WITH ORDINALITY k(n, place), pg_attribute a"
        " WHERE i.indrelid = $1::regclass AND i.indisprimary AND a.attrelid = i.indrelid AND a.attnum = k.n"
        " ORDER BY k.place",
        f"{tables.schema}.{projection.name}",
    )
    assert tuple(row["attname"] for row in keys) == ("stream_id", *projection.row_key)


@each_projection
async def test_states_are_loaded_by_the_primary_key(tables: Tables, projection: InlineProjection) -> None:
    """A cached plan made on an empty table must not become a scan of 200,000 rows."""
    await tables.connection.execute("SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off")
    await tables.connection.execute(f"PREPARE load AS {tables.sql(projection.load_sql).rstrip().rstrip(';')}")
    plan = "\n".join(row[0] for row in await tables.fetch("EXPLAIN EXECUTE load('{1,2,3}')"))
    assert re.search(rf"Index Scan (Backward )?using {projection.name}_pkey", plan), plan
    assert "Sort" not in plan


async def test_the_log_fills_the_standard_columns(tables: Tables) -> None:
    """A row remembers the event that made it and the one that changed it last."""
    one, two = tables.new_stream("a:b"), tables.new_stream("c")
    message = encoded(MessageAppended("1", "user", raw("hi")))
    await tables.write([(one, message), (two, message), (one, message)], T0)
    await tables.write([(one, message), (two, encoded(SessionDeleted()))], T0 + timedelta(seconds=1))
    rows = await tables.fetch("SELECT * FROM {schema}.conversations ORDER BY stream_id")
    first = dict(rows[0].items())
    assert {name: first[name] for name in STANDARD_COLUMNS} == {
        "stream_id": one.id, "version": 3, "first_position": 1, "first_time": T0,
        "last_position": 4, "last_time": T0 + timedelta(seconds=1), "tenant": "acme", "key": "a:b",
    }  # fmt: skip
    assert [row["last_position"] for row in rows] == [4, 2]
    session = (await tables.fetch("SELECT * FROM {schema}.sessions WHERE key = 'c'"))[0]
    assert (session["version"], session["first_position"], session["last_position"]) == (2, 2, 5)


async def test_each_generation_and_each_summary_keeps_its_row(tables: Tables) -> None:
    """Also when several begin in one batch; the newest one is loaded."""
    stream = tables.new_stream()
    events = [
        MessageAppended("1", "user", raw("hi")),
        SummaryRecorded("first"),
        GenerationStarted(1, 1, "/new"),
        ConversationCompacted(summary="second"),
        GenerationStarted(2, 1),
    ]
    await tables.write([(stream, encoded(event)) for event in events], T0)
    await tables.write([(stream, encoded(GenerationStarted(3, 1)))], T0)
    rows = await tables.fetch(
        "SELECT generation, version, first_position, reason FROM {schema}.generations ORDER BY 1"
    )
    assert [tuple(row) for row in rows] == [
        (0, 1, 1, None),
        (1, 3, 3, "/new"),
        (2, 5, 5, None),
        (3, 6, 6, None),
    ]
    rows = await tables.fetch("SELECT number, summary, last_position FROM {schema}.summaries ORDER BY 1")
    assert [tuple(row) for row in rows] == [(1, "first", 2), (2, "second", 4)]
    states = (await tables.load([stream]))[stream.id]
    assert (states["generations"].generation, states["summaries"].summary) == (3, "second")


async def test_rows_of_a_refused_group_are_not_written(tables: Tables) -> None:
    """Their events were not appended."""
    kept, refused = tables.new_stream(), tables.new_stream()
    await tables.write([(refused, encoded(SessionCreated("no")))], T0, refused=True)
    await tables.write([(kept, encoded(SessionCreated("yes")))], T0)
    assert [row["title"] for row in await tables.fetch("SELECT title FROM {schema}.sessions")] == ["yes"]


async def test_a_message_updates_its_row_in_place(tables: Tables) -> None:
    """No index holds what a message changes, so Postgres writes no index entry (HOT)."""
    stream = tables.new_stream()
    message = encoded(MessageAppended("1", "user", raw("hi"), usage=Usage(1)))
    async with tables.connection.transaction():  # its statistics are exact inside of it
        for second in range(20):
            await tables.write([(stream, message)], T0 + timedelta(seconds=second))
        updated = await tables.fetch(
            "SELECT pg_stat_get_xact_tuples_updated(t), pg_stat_get_xact_tuples_hot_updated(t)"
            " FROM (SELECT '{schema}.conversations'::regclass AS t) AS r"
        )
    assert tuple(updated[0]) == (19, 19)


async def test_the_overview_shows_a_session_on_one_line(tables: Tables) -> None:
    """Attributes, sums, the current generation and the latest summary, also where a table has no row."""
    full, bare = tables.new_stream("full"), tables.new_stream("bare")
    events = [
        SessionCreated("Fix the test", "main"),
        MessageAppended("1", "assistant", raw("hi"), model="m", usage=Usage(10, 20), cost=Decimal("0.01")),
        ConversationCompacted(summary="We fixed it."),
        GenerationStarted(1, 1),
        TodosReplaced((Todo("a", "completed"), Todo("b", "pending"))),
    ]
    await tables.write([(full, encoded(event)) for event in events], T0)
    await tables.write([(bare, encoded(SessionDeleted()))], T0)
    rows = await tables.fetch("SELECT * FROM {schema}.session_overview ORDER BY stream_id")
    expected = {
        "tenant": "acme", "session": "full", "state": "active", "title": "Fix the test", "agent": "main",
        "model": "m", "generation": 1, "message_count": 1, "window_message_count": 0, "compaction_count": 1,
        "input_tokens": 10, "output_tokens": 20, "cost": Decimal("0.01"), "summary": "We fixed it.",
        "todos_total": 2, "todos_completed": 1, "created_time": T0, "last_position": 5,
    }  # fmt: skip
    assert {name: rows[0][name] for name in expected} == expected
    assert (rows[1]["session"], rows[1]["state"], rows[1]["generation"], rows[1]["message_count"]) == (
        "bare", "deleted", 0, 0,
    )  # fmt: skip


async def test_the_queue_status_counts_items_by_session_and_status(tables: Tables) -> None:
    """Items for any session are counted under NULL."""
    for session, claimed in (("a", False), ("a", False), ("a", True), (None, False)):
        stream = tables.new_stream()
        await tables.write([(stream, encoded(ItemEnqueued(raw(1), session)))], T0)
        if claimed:
            await tables.write([(stream, encoded(ItemClaimed("w")))], T0)
    rows = await tables.fetch(
        "SELECT session, status, count FROM {schema}.queue_status ORDER BY session, status"
    )
    assert [tuple(row) for row in rows] == [("a", "claimed", 1), ("a", "pending", 2), (None, "pending", 1)]


async def test_the_longest_keys_fit_the_indexes(tables: Tables) -> None:
    """An index row has 2,704 bytes at most: a longer one would refuse the append."""
    key = "é" * 512
    session, item = tables.new_stream(key), tables.new_stream(key)
    await tables.write([(session, encoded(SessionCreated(parent=key)))], T0)
    await tables.write([(item, encoded(ItemEnqueued(raw(1), key)))], T0)
    states = await tables.load([session, item])
    assert (states[session.id]["sessions"].parent, states[item.id]["queue_items"].session) == (key, key)


@each_projection
def test_each_statement_is_one_statement_with_its_own_parameters_and_every_column(
    projection: InlineProjection,
) -> None:
    """The upsert becomes part of a function body; the load takes stream ids alone."""
    for statement, parameters in ((projection.upsert_sql, set()), (projection.load_sql, {"$1"})):
        assert statement.count(";") == 1
        assert statement.rstrip().endswith(";")
        assert set(re.findall(r"\$\d", statement)) == parameters
    assert tuple(columns_of(projection.table_sql)) == projection.state.__struct_fields__


def test_views_can_be_made_again() -> None:
    """They are run whenever a table was made anew."""
    text = table_text("views")
    for view in re.findall(r"CREATE VIEW (\S+)", text):
        assert f"DROP VIEW IF EXISTS {view};" in text
