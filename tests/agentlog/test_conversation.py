"""Conversations: append messages, read the active window, compact it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from agentlog.conversation_changes import decide_compact
from agentlog.errors import BadInput, BadPayload, FormatTooNew, NotFound, Refused
from eventlog.command import Command
from eventlog.envelope import StreamId, new_event
from eventlog.events import ConversationCompacted, Usage
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


async def test_a_key_that_another_session_used_is_refused_by_name(store):
    await store.conversation.append("other", user("hello"), idempotency_key="a")
    for key in ("new", "other than that"):
        with pytest.raises(Refused, match="'a' was used before, at position 1"):
            await store.conversation.append(key, user("hello"), idempotency_key="a")
    assert (await store.log.head()).position == 1


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


async def test_an_append_tells_the_place_of_its_message_in_its_generation(store, open_store):
    """From 0 in each generation, also for a repeat, whose place the log has to tell."""
    append = store.conversation.append
    assert [(await append("main", user(text))).seq for text in "abc"] == [0, 1, 2]
    many = await store.conversation.append_many("main", [user("d"), user("e")], idempotency_key="k")
    assert (many.seq, many.generation) == (4, 0)
    await store.archive.new_generation("main")
    first = await append("main", user("f"))
    assert (first.seq, first.generation) == (0, 1)

    repeat = await store.conversation.append_many("main", [user("d"), user("e")], idempotency_key="k")
    assert (repeat.seq, repeat.generation, repeat.duplicate) == (4, 0, True)
    async with open_store("other host") as other:
        assert (await other.conversation.append("main", user("g"))).seq == 1
    assert (await append("main", user("h"))).seq == 2


async def test_seed_fault_appends_side_by_side_never_get_the_same_place(store, open_store):
    """S2: the sequence number was read outside of the write transaction, so one overwrote the other."""
    async with open_store("other host") as other:
        receipts = await asyncio.gather(
            *(one.conversation.append("main", user(str(n))) for n in range(20) for one in (store, other))
        )
    assert sorted(receipt.seq for receipt in receipts) == list(range(40))
    rows = store.archive.sql("select seq from messages order by seq").rows
    await store.log.catch_up()
    assert len(await said(store)) == 40
    assert [seq for (seq,) in rows] == list(range(len(rows)))


async def test_all_that_belongs_to_a_message_comes_back(store):
    """Every field that S0 had a column for."""
    when = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    await store.conversation.append(
        "main", {"role": "assistant", "content": [{"type": "text", "text": "hi"}]}, message_id="m",
        parent_id="p", model="claude", request_id="req", response_id="res", stop_reason="end_turn",
        sidechain=True, compact_summary=True, cost="0.000001",
        usage={"input_tokens": 1, "cache_read_tokens": 2},
        metadata={"n": 12345678901234567890}, environment={"cwd": "/"}, occurred_at=when,
    )  # fmt: skip
    [found] = await store.conversation.load("main")
    values = found.asdict()

    assert (found.message_id, found.parent_id, found.follows, found.model) == ("m", "p", "p", "claude")
    assert (found.request_id, found.response_id, found.stop_reason) == ("req", "res", "end_turn")
    assert (found.sidechain, found.compact_summary) == (True, True)
    assert (found.usage, found.cost) == (Usage(1, cache_read_tokens=2), Decimal("0.000001"))
    assert (found.metadata, found.environment) == ({"n": 12345678901234567890}, {"cwd": "/"})
    assert (values["occurred_at"], values["version"]) == ("2026-01-02T03:04:05.678901Z", 1)


async def test_compactions_are_remembered_with_all_their_figures(store):
    """What S0 kept of each: trigger, tokens, counts, summary, logical parent."""
    await store.conversation.append_many("main", [user("a"), {**user("b"), "id": "b"}])
    await store.conversation.compact("main", "sum", trigger="auto", tokens_before=2**33, tokens_after=4)
    await store.conversation.append("main", user("c"))
    await store.conversation.compact("main", trigger="manual", message_id="boundary", logical_parent_id="c")
    await store.conversation.add_summary("main", "all of it", "leaf")

    first, second = await store.conversation.compactions("main")
    assert (first.trigger, first.summary, first.logical_parent_id) == ("auto", "sum", "b")
    assert (first.tokens_before, first.tokens_after, first.tokens_saved) == (2**33, 4, 2**33 - 4)
    assert (first.messages_before, first.messages_after) == (2, 1)
    assert (second.number, second.summary, second.message_id) == (2, None, "boundary")
    assert second.messages_before == 2
    assert [(s.summary, s.leaf_id, s.trigger) for s in await store.conversation.summaries("main")] == [
        ("sum", "b", "auto"), ("all of it", "leaf", None)
    ]  # fmt: skip
    assert (await store.sessions.get("main")).summary == "all of it"


async def test_seed_fault_token_counts_do_not_wrap_at_32_bits(store):
    """S0: totals over 2^31 came back negative. Here they add up, and what is too large is refused."""
    await store.conversation.record_usage("main", {"input_tokens": 5_000_000_000}, cost="12.5", model="m")
    await store.conversation.append("main", user("a"), usage={"input_tokens": 2**31 - 1})
    with pytest.raises(BadInput, match="2147483647"):
        await store.conversation.append("main", user("a"), usage={"input_tokens": 2**31})

    session = await store.sessions.get("main")
    assert (session.input_tokens, session.cost) == (5_000_000_000 + 2**31 - 1, Decimal("12.5"))


async def test_seed_fault_every_kind_of_token_is_there_after_a_load(store, open_store):
    """S0: those of the caches were lost."""
    usage = Usage(1, 2, 3, 4, 5)
    await store.conversation.append("main", user("a"), usage=usage)
    async with open_store("other host") as other:
        session = await other.sessions.get("main")
        assert (await other.conversation.load("main"))[0].usage == usage
    assert [getattr(session, name) for name in Usage.__struct_fields__] == [1, 2, 3, 4, 5]


async def test_seed_fault_messages_of_one_moment_keep_the_order_they_were_appended_in(store):
    """S0: ordered by creation time alone, so ties came back in any order."""
    when = datetime(2026, 1, 1, tzinfo=UTC)
    for n in range(20):
        await store.conversation.append("main", user(str(n)), occurred_at=when)

    assert await said(store) == [str(n) for n in range(20)]


async def test_seed_fault_a_message_that_cannot_be_read_is_told_and_not_left_out(store):
    """Both seeds skipped it with a warning, or without one."""
    await store.conversation.append("main", user("a"))
    stream = StreamId("", "session", "main")
    later = new_event(
        stream, "message_appended", {"of": "a later release"}, id=store.log.ids.next(), schema=9
    )
    await store.log.append(Command([later]))

    for _ in range(2):
        with pytest.raises(FormatTooNew, match="position 2"):
            await store.conversation.load("main")


async def test_seed_fault_content_that_cannot_be_encoded_is_refused_and_not_emptied(store):
    """S0: a failed serialization became an empty list."""
    for content in (object(), float("nan"), {"a": object()}):
        with pytest.raises(BadPayload):
            await store.conversation.append("main", {"role": "user", "content": content})
    assert (await store.log.head()).position == 0


async def test_seed_fault_one_load_shows_one_moment(store, open_store):
    """S0: a load read several tables one after the other. Pairs are appended, and never seen by half."""
    async with open_store("other host") as other:

        async def write():
            for n in range(15):
                await store.conversation.append_many("main", [user(f"{n}a"), user(f"{n}b")])
                if n % 5 == 4:
                    await store.conversation.compact("main", "s")

        async def read():
            counts = []
            while not writing.done():
                counts.append(
                    len([m for m in await other.conversation.load("main") if not m.compact_summary])
                )
            return counts

        writing = asyncio.ensure_future(write())
        counts = await read()
        await writing
    assert [count for count in counts if count % 2] == []


async def test_an_id_that_was_used_is_not_looked_for_by_an_append(store):
    """That would be a question for each message: who retries has an idempotency key, or saves."""
    hello = {"role": "user", "content": "hello"}
    for key in (None, "first", "first"):
        await store.conversation.append("a", hello, message_id="m", idempotency_key=key)
    assert [message.message_id for message in await store.conversation.load("a")] == ["m", "m"]

    await store.conversation.edit("a", "m", content="bye")
    assert [message.content for message in await store.conversation.load("a")] == ["bye", "bye"]
    with pytest.raises(BadInput, match="given twice"):
        await store.conversation.save("a", [{**hello, "id": "n"}] * 2)
    await store.conversation.remove("a", ["m"])
    assert await store.conversation.load("a") == []
    assert await store.verify() == []
