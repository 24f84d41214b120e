"""A Postgres session store into the log: every column, once; and what is no event is named and kept."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

import agentlog
from agentlog.errors import BadInput, LogUnavailable, Refused
from replay.imports.rejected import Rejected
from tests.agentlog.conftest import Open
from tests.support.session_store import SessionStore

S = "4d3f5c1e-0000-4000-8000-000000000001"
T0 = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
PLAN, TODO, ITEM, COMPACT, SUMMARY = (UUID(int=number) for number in range(1, 6))


def later(minutes: int) -> datetime:
    return T0 + timedelta(minutes=minutes)


@pytest.fixture
async def source(postgres_database: dict[str, Any]) -> AsyncIterator[SessionStore]:
    """An empty session store in a database of its own."""
    connection = await asyncpg.connect(**postgres_database)
    made = SessionStore(connection, "claude_")
    await made.create()
    yield made
    await connection.close()


def copied(row: Rejected) -> Any:
    """The row that was put aside, as JSON."""
    return json.loads(Path(row.copy).read_text())


async def fill(source: SessionStore) -> None:
    """One session with every column filled, and everything that can hang on it."""
    await source.insert("sessions", id="parent", created_at=T0, updated_at=T0)
    await source.insert(
        "sessions", id=S, parent_id="parent", tenant_id="acme", session_type="subagent", state="failed",
        mode="stateless", config={"model": "m", "n": 1.50}, permissions={"allow": ["Bash(ls)"]},
        summary="in the end", total_input_tokens=5_000_000_010, total_output_tokens=25,
        total_cost_usd=Decimal("1.250001"), current_leaf_id="m3", static_context_hash="f" * 64,
        error="it broke", created_at=T0, updated_at=later(9), expires_at=later(10**6),
    )  # fmt: skip
    await source.insert(
        "messages", id="m1", session_id=S, role="user", created_at=later(1),
        content=[{"type": "text", "text": "hello \u2028 there", "n": 12345678901234567890}],
    )  # fmt: skip
    # Of one moment: the order in which they were written counts.
    for id, parent in (("m2", "m1"), ("m3", "m2")):
        await source.insert(
            "messages", id=id, session_id=S, parent_id=parent, role="assistant", content=[{"type": id}],
            is_sidechain=id == "m2", is_compact_summary=id == "m3", model="opus", request_id=f"req-{id}",
            usage={"input_tokens": 5, "output_tokens": 10, "cache_read_input_tokens": 7,
                   "cache_creation_input_tokens": 9},
            metadata={"model": "opus", "tags": ["x"]}, environment={"cwd": "/p"}, created_at=later(2),
        )  # fmt: skip
    await source.insert(
        "compacts", id=COMPACT, session_id=S, trigger="auto", pre_tokens=2**31 - 1, post_tokens=10,
        saved_tokens=2**31 - 11, summary="so far", original_count=40, new_count=2,
        logical_parent_id="m0", created_at=later(3),
    )  # fmt: skip
    await source.insert(
        "summaries", id=SUMMARY, session_id=S, summary="at first", leaf_message_id="m2", created_at=later(4)
    )
    await source.insert(
        "plans", id=PLAN, session_id=S, name="the plan", content="do it", status="failed", error="no",
        created_at=later(5), approved_at=later(6), started_at=later(7), completed_at=later(8),
    )  # fmt: skip
    await source.insert(
        "todos", id=TODO, session_id=S, plan_id=PLAN, content="one", active_form="doing one",
        status="completed", created_at=later(5), started_at=later(6), completed_at=later(7),
    )  # fmt: skip
    await source.insert(
        "queue", id=ITEM, session_id=S, operation="enqueue", content="look at it", priority=-7,
        status="cancelled", created_at=later(8), processed_at=later(9),
    )  # fmt: skip


async def test_every_column_of_every_table_comes_over(
    store: agentlog.Store, source: SessionStore, postgres_database: dict[str, Any]
):
    """Field by field, through the calls that a user of the log makes."""
    await fill(source)
    summary = await store.migrate_from_s0(postgres_database)
    assert summary.rejected == []
    assert summary.rows == {
        "sessions": 2, "messages": 3, "compacts": 1, "summaries": 1, "queue": 1, "todos": 1, "plans": 1
    }  # fmt: skip
    assert await store.sessions.get("parent") is not None

    row = await store.sessions.get(S, tenant="acme")
    assert row is not None
    assert (row.key, row.parent, row.tenant, row.session_type) == (S, "parent", "acme", "subagent")
    assert (row.state, row.mode, row.error) == ("failed", "stateless", "it broke")
    assert (row.config, row.permissions) == ({"model": "m", "n": 1.5}, {"allow": ["Bash(ls)"]})
    assert (row.summary, row.static_context_hash) == ("in the end", "f" * 64)
    assert (row.input_tokens, row.output_tokens) == (5_000_000_010, 25)
    assert (row.cache_read_tokens, row.cache_write_tokens) == (14, 18)
    assert row.cost == Decimal("1.250001")
    assert (row.current_leaf_id, row.created_time, row.expires_at) == ("m3", T0, later(10**6))

    m1, m2, m3 = await store.conversation.load(S, tenant="acme")
    assert (m1.message_id, m1.role, m1.parent_id) == ("m1", "user", None)
    assert m1.content == [{"type": "text", "text": "hello \u2028 there", "n": 12345678901234567890}]
    assert (m1.model, m1.request_id, m1.usage, m1.sidechain, m1.compact_summary) == (
        None, None, None, False, False,
    )  # fmt: skip
    assert (m2.message_id, m2.parent_id, m2.sidechain, m2.compact_summary) == ("m2", "m1", True, False)
    assert (m3.message_id, m3.parent_id, m3.sidechain, m3.compact_summary) == ("m3", "m2", False, True)
    assert (m3.content, m3.model, m3.request_id) == ([{"type": "m3"}], "opus", "req-m3")
    assert m3.usage == agentlog.Usage(5, 10, 7, 9)
    assert (m3.metadata, m3.environment) == ({"model": "opus", "tags": ["x"]}, {"cwd": "/p"})
    assert m3.occurred_at == "2026-01-02T03:06:05.678901Z"

    (compaction,) = await store.conversation.compactions(S, tenant="acme")
    assert (compaction.trigger, compaction.summary, compaction.logical_parent_id) == ("auto", "so far", "m0")
    assert (compaction.tokens_before, compaction.tokens_after) == (2**31 - 1, 10)
    assert (compaction.tokens_saved, compaction.messages_before, compaction.messages_after) == (
        2**31 - 11, 40, 2,
    )  # fmt: skip
    first, last = (await store.conversation.summaries(S, tenant="acme"))[-2:]
    assert (first.summary, first.leaf_id, last.summary) == ("at first", "m2", "in the end")

    plan = await store.plan.get(S, tenant="acme")
    assert plan is not None
    assert (plan.plan_id, plan.name, plan.content) == (str(PLAN), "the plan", "do it")
    assert (plan.status, plan.error) == ("failed", "no")
    assert (plan.created_at, plan.approved_at) == (later(5), later(6))
    assert (plan.started_at, plan.completed_at) == (later(7), later(8))
    (todo,) = await store.plan.todos(S, tenant="acme")
    assert todo == agentlog.Todo(
        "one", "completed", "doing one", str(TODO), str(PLAN), later(5), later(6), later(7)
    )
    item = await store.queue.get(str(ITEM), tenant="acme")
    assert item is not None
    assert (item.session, item.body, item.priority, item.status) == (S, "look at it", -7, "cancelled")
    assert await store.verify() == []


async def test_what_has_no_call_of_its_own_is_in_the_log_verbatim(
    store: agentlog.Store, source: SessionStore, postgres_database: dict[str, Any]
):
    """The session's row as it was, the ids of compactions and summaries, times."""
    await fill(source)
    await store.migrate_from_s0(postgres_database)
    events = [event async for block in store.log.read() for event in block if event.tenant == "acme"]
    said = {event.type: event for event in events}
    record = said["record_kept"].value["record"]
    assert record["updated_at"] == "2026-01-02T03:13:05.678901Z"
    assert (record["current_leaf_id"], record["total_cost_usd"]) == ("m3", "1.250001")
    assert said["conversation_compacted"].value["source"]["id"] == str(COMPACT)
    assert said["conversation_compacted"].occurred_at == "2026-01-02T03:07:05.678901Z"
    enqueued, cancelled = said["item_enqueued"], said["item_cancelled"]
    assert enqueued.occurred_at == "2026-01-02T03:12:05.678901Z"
    assert cancelled.occurred_at == "2026-01-02T03:13:05.678901Z"
    first, last = (event.value["source"] for event in events if event.type == "summary_recorded")
    assert (first, last) == ({"id": str(SUMMARY)}, {"column": "summary"})


async def test_a_second_move_changes_nothing_and_what_changed_is_appended(
    store: agentlog.Store, source: SessionStore, postgres_database: dict[str, Any]
):
    await fill(source)
    first = await store.migrate_from_s0(postgres_database)
    head = await store.log.head()
    again = await store.migrate_from_s0(postgres_database)
    assert (again.events_new, again.events_present) == (0, first.events_new)
    assert await store.log.head() == head
    await source.insert("messages", id="m4", session_id=S, role="user", content=[], created_at=later(20))
    assert (await store.migrate_from_s0(postgres_database)).events_new == 1
    assert [m.message_id for m in await store.conversation.load(S, tenant="acme")] == ["m1", "m2", "m3", "m4"]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("pending", "pending"),
        ("processing", "interrupted"),
        ("completed", "completed"),
        ("cancelled", "cancelled"),
    ],
)
async def test_an_item_stands_where_it_stood(
    store: agentlog.Store, source: SessionStore, postgres_database: dict[str, Any], status: str, expected: str
):
    await source.insert("sessions", id=S)
    await source.insert(
        "queue", id=ITEM, session_id=S, operation="enqueue", content="x", status=status, priority=None
    )
    await store.migrate_from_s0(postgres_database)
    item = await store.queue.get(str(ITEM))
    assert item is not None
    assert (item.status, item.priority, item.operation) == (expected, 0, "enqueue")


async def test_what_was_taken_from_the_queue_keeps_nobody_waiting(
    store: agentlog.Store, source: SessionStore, postgres_database: dict[str, Any]
):
    """Nobody says there how an item ended: here a claim that is never over would stop its session."""
    await source.insert("sessions", id=S)
    other = UUID(int=99)
    for id, status in ((ITEM, "processing"), (other, "pending")):
        await source.insert("queue", id=id, session_id=S, operation="enqueue", content="x", status=status)
    await store.migrate_from_s0(postgres_database)
    (claimed,) = await store.queue.claim("w", session=S)
    assert claimed.id == str(other)
    await store.queue.complete(claimed)
    await store.queue.requeue(str(ITEM))
    assert [item.id for item in await store.queue.claim("w")] == [str(ITEM)]


async def test_odd_values_come_over(
    store: agentlog.Store, source: SessionStore, postgres_database: dict[str, Any]
):
    """Nulls wherever the tables allow them, the longest texts, scalars where objects are usual, a usage of
    another shape, times at the ends of the calendar."""
    await source.insert(
        "sessions", id="é" * 255, total_input_tokens=None, total_output_tokens=None, total_cost_usd=None,
        config="[1, null]", permissions='"all"', created_at=datetime.max.replace(tzinfo=UTC),
    )  # fmt: skip
    await source.insert(
        "messages", id=":", session_id="é" * 255, role="", content="null", is_sidechain=None,
        is_compact_summary=None, usage={"input_tokens": 3, "server_tool_use": {"n": 1}},
    )  # fmt: skip
    summary = await store.migrate_from_s0(postgres_database)
    assert [row.reason for row in summary.rejected] == []
    row = await store.sessions.get("é" * 255)
    assert row is not None
    assert (row.config, row.permissions, row.input_tokens, row.cost) == ([1, None], "all", 0, Decimal(0))
    (message,) = await store.conversation.load("é" * 255)
    assert (message.content, message.role, message.sidechain) == (None, "", False)
    assert message.source["usage"] == {"input_tokens": 3, "server_tool_use": {"n": 1}}


async def test_s0_fault_rows_that_fail_to_parse_are_skipped_with_a_warning(
    store: agentlog.Store, source: SessionStore, postgres_database: dict[str, Any]
):
    """Each is named with its reason, and kept as it is; what is right beside it comes over."""
    await source.insert("sessions", id="", tenant_id="acme")
    await source.insert("sessions", id="s", state="")
    await source.insert("messages", id="right", session_id="s", role="user", content=[])
    await source.insert(
        "messages", id="wrong", session_id="s", role="user", content=[], usage={"input_tokens": 2**40}
    )
    await source.insert("queue", id=ITEM, session_id="s", operation="enqueue", content="x", status="lost")
    summary = await store.migrate_from_s0(postgres_database)
    told = {(row.table, row.key): row for row in summary.rejected}
    assert set(told) == {
        ("s0-sessions", ""), ("s0-sessions", "s"), ("s0-messages", "wrong"), ("s0-queue", str(ITEM))
    }  # fmt: skip
    assert "'lost' is none of pending" in told["s0-queue", str(ITEM)].reason
    kept = copied(told["s0-messages", "wrong"])
    assert (kept["id"], json.loads(kept["usage"])) == ("wrong", {"input_tokens": 2**40})
    assert [message.message_id for message in await store.conversation.load("s")] == ["right"]
    assert await store.queue.get(str(ITEM)) is None


async def test_another_prefix_is_another_store(
    store: agentlog.Store, source: SessionStore, postgres_database: dict[str, Any]
):
    """And a prefix that no store has, or none can have, is refused by name."""
    with pytest.raises(BadInput, match="no session store with table prefix 'other_'"):
        await store.migrate_from_s0(postgres_database, prefix="other_")
    with pytest.raises(BadInput, match="must be of ASCII letters"):
        await store.migrate_from_s0(postgres_database, prefix='x"; DROP TABLE y; --')
    other = SessionStore(source.connection, "mine_")
    await other.create()
    await other.insert("sessions", id="theirs")
    await store.migrate_from_s0(postgres_database, prefix="mine_")
    assert [row.key for row in await store.sessions.list()] == ["theirs"]


async def test_a_store_of_one_tenant_moves_nothing(open_store: Open, postgres_database: dict[str, Any]):
    """Sessions of others would come along."""
    async with open_store(tenant="acme") as store:
        with pytest.raises(Refused):
            await store.migrate_from_s0(postgres_database)


async def test_a_source_that_is_not_there_is_unavailable(store: agentlog.Store, tmp_path: Path):
    with pytest.raises(LogUnavailable):
        await store.migrate_from_s0({"host": str(tmp_path), "user": "me", "database": "db"})
