"""Conversations: append messages, read the active window, compact it."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from agentlog.conversation import decide_compact
from agentlog.errors import BadInput, NotFound, Refused
from eventlog.events import ConversationCompacted
from projections.conversation import Conversation
from projections.session import DELETED, Session


def user(text):
    return {"role": "user", "content": text}


async def said(store, key="main", last=None):
    return [message.content for message in await store.conversation.load(key, last)]


def test_a_window_that_holds_messages_can_be_compacted():
    """Otherwise a retry of compact would hide the summary that the first one left."""
    events = [ConversationCompacted()]

    assert decide_compact("k", events, Session(), Conversation(1, window_message_count=1)) == events
    for conversation in (None, Conversation(5, window_message_count=0)):
        with pytest.raises(Refused, match="no message"):
            decide_compact("k", events, Session(), conversation)
    for session in (None, Session(state=DELETED)):
        with pytest.raises(NotFound):
            decide_compact("k", events, session, Conversation(1, window_message_count=1))


async def test_an_unknown_session_is_made_by_its_first_message(store):
    """An agent that is told to remember must not first be told to register."""
    receipt = await store.conversation.append("main", user("hello"))

    assert (receipt.first_position, receipt.duplicate) == (1, False)
    assert (await store.sessions.get("main")).state == "active"
    assert await said(store) == ["hello"]


async def test_an_unknown_session_has_an_empty_window_and_no_status(store):
    """Reading makes nothing."""
    assert await store.conversation.load("main") == []
    with pytest.raises(NotFound):
        await store.conversation.status("main")
    assert (await store.log.head()).position == 0


async def test_a_repeat_with_the_same_idempotency_key_appends_nothing(store):
    """The first answer comes back, marked."""
    first = await store.conversation.append("main", user("hello"), idempotency_key="a")
    again = await store.conversation.append("main", user("hello"), idempotency_key="a")

    assert (again.first_position, again.duplicate) == (first.first_position, True)
    assert await said(store) == ["hello"]


async def test_several_messages_stand_next_to_each_other_or_not_at_all(store):
    """A tool call without its result would poison the conversation."""
    many = [[user(f"{n}-{i}") for i in range(5)] for n in range(10)]
    await asyncio.gather(*(store.conversation.append_many("main", messages) for messages in many))
    with pytest.raises(BadInput):
        await store.conversation.append_many("main", [user("x"), {"content": "no role"}])

    found = await said(store)
    groups = [found[start : start + 5] for start in range(0, 50, 5)]
    assert sorted(groups) == [[f"{n}-{i}" for i in range(5)] for n in range(10)]


async def test_the_window_begins_with_the_latest_compaction_or_generation(store):
    """What came before left it; the archive keeps it."""
    await store.conversation.append_many("main", [user("a"), user("b")])
    await store.conversation.compact("main", "they said a and b")
    await store.conversation.append("main", user("c"))
    after_compaction = await store.conversation.load("main")
    await store.archive.new_generation("main")
    after_generation = await said(store)
    await store.conversation.append("main", user("d"))

    assert [message.content for message in after_compaction] == ["they said a and b", "c"]
    assert [message.compact_summary for message in after_compaction] == [True, False]
    assert after_generation == []
    assert await said(store) == ["d"]
    assert store.archive.sql("select text from messages order by position").rows == [
        ("a",), ("b",), ("they said a and b",), ("c",), ("d",)
    ]  # fmt: skip


@pytest.mark.parametrize("last", [1, 2, 5, 9, 200])
async def test_the_last_messages_are_the_end_of_the_window(store, last):
    """However many other events stand between them."""
    for n in range(9):
        await store.conversation.append("main", user(str(n)))
        for step in range(4):
            await store.plan.replace_todos("main", [{"content": f"{n} {step}", "status": "pending"}])

    whole = await said(store)
    assert whole == [str(n) for n in range(9)]
    assert await said(store, last=last) == whole[-last:]


async def test_a_long_window_is_read_whole(store):
    """Longer than one page of events."""
    for start in range(0, 2_500, 500):
        await store.conversation.append_many("main", [user(str(n)) for n in range(start, start + 500)])

    assert await said(store) == [str(n) for n in range(2_500)]
    assert await said(store, last=1_200) == [str(n) for n in range(1_300, 2_500)]


async def test_status_sums_up_tokens_and_cost(store):
    """Over all generations; the window for itself."""
    for _ in range(3):
        await store.conversation.append(
            "main", {"role": "assistant", "content": "x"}, model="m", cost="0.1", message_id="last",
            usage={"input_tokens": 10, "output_tokens": 5, "cache_read_tokens": 2},
        )  # fmt: skip
    await store.conversation.compact("main", "summary")

    status = await store.conversation.status("main")

    assert (status.message_count, status.window_message_count, status.compaction_count) == (4, 1, 1)
    assert (status.input_tokens, status.output_tokens, status.cache_read_tokens) == (30, 15, 6)
    assert (status.cost, status.last_model, status.summary) == (Decimal("0.3"), "m", "summary")


async def test_an_agent_reads_its_own_writes(store):
    """The row is written in the transaction that appends the message."""
    for n in range(20):
        await store.conversation.append("main", user(str(n)))
        assert len(await store.conversation.load("main")) == n + 1
