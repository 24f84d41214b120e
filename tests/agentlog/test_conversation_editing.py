"""Editing, removing, popping, clearing, rewinding and saving conversations."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from agentlog import Draft
from agentlog.errors import BadInput, BadPayload, Conflict, NotFound
from eventlog.events import Usage


def user(text, id=None):
    return {"role": "user", "content": text, "id": id or text}


async def told(store, *texts, key="main"):
    await store.conversation.append_many(key, [user(text) for text in texts])


async def shown(store, key="main", **options):
    return [message.content for message in await store.conversation.load(key, **options)]


async def leaf(store):
    return (await store.sessions.get("main")).current_leaf_id


async def whole(store):
    """Live tables equal a rebuild, and the window is the same when it is read anew, by whatever way."""
    assert await store.verify() == []
    kept = await store.conversation.load("main")
    store.conversation._windows._kept.clear()
    assert await store.conversation.load("main") == kept
    await store.log.catch_up()
    assert await store.local.load("main") == kept
    assert (await store.conversation.status("main")).window_message_count == len(kept)
    for last in (1, 2, 3):
        store.conversation._windows._kept.clear()
        assert await store.conversation.load("main", last) == kept[-last:]


async def test_an_edited_message_reads_as_it_was_edited(store):
    """In its place; tokens and cost of the session change by the difference, exactly."""
    await told(store, "a")
    await store.conversation.append(
        "main", {"role": "assistant", "content": "b", "id": "b"}, usage=Usage(10, 20), cost="0.3", model="m"
    )
    await told(store, "c")

    await store.conversation.edit(
        "main", "b", content=["x", 0.10], usage=Usage(7, 25), cost="0.1", metadata={"by": 1}, clear=["model"]
    )
    assert await store.conversation.edit("main", "b", content=["x", 0.10]) is None

    message = (await store.conversation.load("main"))[1]
    assert (message.content, message.model, message.metadata) == (["x", 0.10], None, {"by": 1})
    assert (message.usage, message.cost, message.edited_version) == (Usage(7, 25), Decimal("0.1"), 4)
    session = await store.sessions.get("main")
    assert (session.input_tokens, session.output_tokens, session.cost) == (7, 25, Decimal("0.1"))
    await whole(store)


async def test_content_that_strict_json_cannot_say_survives_edits_around_it(store):
    """Lone surrogates travel encoded; an edit of something else must not repair them."""
    odd = {"role": "user", "content": "a\ud800\x00", "id": "odd"}
    await store.conversation.append("main", odd, metadata={"n": 10**400})
    await store.conversation.edit("main", "odd", environment={"cwd": "\udfff"})

    message = (await store.conversation.load("main"))[0]
    assert (message.content, message.metadata) == ("a\ud800\x00", {"n": 10**400})
    assert message.environment == {"cwd": "\udfff"}
    assert await store.conversation.save("main", [message], known_version=9) is None
    changed = message.changed(content="\udc00", model="m")
    assert (changed.content, changed.environment) == ("\udc00", {"cwd": "\udfff"})
    await store.conversation.save("main", [changed])
    assert await shown(store) == ["\udc00"]
    await whole(store)


async def test_what_a_message_holds_cannot_be_changed_by_changing_what_came_back(store):
    """The window is kept in memory and given to everybody."""
    await store.conversation.append("main", {"role": "user", "content": [{"text": "a"}]})
    first = await store.conversation.load("main")
    first[0].content[0]["text"] = "spoilt"
    first.clear()

    assert await shown(store) == [[{"text": "a"}]]


async def test_popped_messages_leave_the_window_and_come_back_to_the_caller(store):
    """The next message follows the one that is last now."""
    await told(store, "a", "b", "c", "d")

    assert [m.content for m in await store.conversation.pop("main")] == ["d"]
    assert [m.content for m in await store.conversation.pop("main", 2)] == ["b", "c"]
    assert (await shown(store), await leaf(store)) == (["a"], "a")
    assert [m.content for m in await store.conversation.pop("main", 5)] == ["a"]
    assert await store.conversation.pop("main") == []
    assert (await shown(store), await leaf(store)) == ([], None)
    await told(store, "e")
    assert (await store.conversation.load("main"))[0].follows is None
    assert store.archive.stat("main").dicts()[0]["messages"] == 5
    await whole(store)


async def test_messages_are_removed_by_id_all_or_none(store):
    """And what followed a removed one follows what that one followed."""
    await told(store, "a", "b", "c", "d")
    with pytest.raises(NotFound, match="'x'"):
        await store.conversation.remove("main", ["b", "x"])

    await store.conversation.remove("main", ["b", "c"])

    assert await shown(store) == ["a", "d"]
    assert (await store.conversation.load("main"))[1].follows == "a"
    await whole(store)


async def test_a_cleared_conversation_is_empty_in_the_same_generation(store):
    """Unlike /new; clearing twice is clearing once."""
    await told(store, "a", "b")
    await store.conversation.clear("main", "/clear")
    assert await store.conversation.clear("main") is None

    session = await store.sessions.get("main")
    assert (session.generation, session.message_count, session.window_message_count) == (0, 2, 0)
    await told(store, "c")
    assert await shown(store) == ["c"]
    await whole(store)


async def test_a_rewound_conversation_goes_on_on_a_branch_and_both_can_be_come_back_to(store):
    """Messages are a graph: nothing that was said is lost by going back."""
    await told(store, "a", "b", "c")
    await store.conversation.rewind("main", "a", "try again")
    assert (await shown(store), await leaf(store)) == (["a"], "a")
    await told(store, "d", "e")
    assert await shown(store) == ["a", "d", "e"]

    assert [m.message_id for m in await store.conversation.heads("main")] == ["c", "e"]
    assert await shown(store, leaf="c") == ["a", "b", "c"]
    assert await shown(store, leaf="c", last=2) == ["b", "c"]
    await store.conversation.rewind("main", "c")
    assert await store.conversation.rewind("main", "c") is None
    await told(store, "f")

    assert await shown(store) == ["a", "b", "c", "f"]
    assert [m.message_id for m in await store.conversation.heads("main")] == ["e", "f"]
    await store.conversation.rewind("main", None)
    assert await shown(store) == []
    await whole(store)


async def test_a_conversation_can_be_rewound_to_before_a_compaction(store):
    """Within its generation; the window is then what it was, and compacting it again works."""
    await told(store, "a", "b", "c")
    await store.conversation.compact("main", "summary")
    await told(store, "d")

    await store.conversation.rewind("main", "b")
    assert await shown(store) == ["a", "b"]
    await whole(store)
    await told(store, "e")
    await store.conversation.rewind("main", "d")
    assert await shown(store) == ["summary", "d"]
    await store.archive.new_generation("main")
    with pytest.raises(NotFound, match="generation"):
        await store.conversation.rewind("main", "b")
    await whole(store)


async def test_saving_appends_changes_and_removes_in_one_append_at_the_cost_of_what_changed(store):
    """S0: whoever saves a session hands in all of it."""
    await told(store, *[str(n) for n in range(50)])
    loaded = await store.conversation.load("main")
    wanted = [message for message in loaded if message.message_id not in ("3", "4")]
    wanted[10] = wanted[10].changed(content="changed")
    new = Draft(user("new"), usage={"output_tokens": 5}, occurred_at=datetime(2026, 1, 1, tzinfo=UTC))

    receipt = await store.conversation.save("main", [*wanted, new, user("newer")], known_version=50)

    assert receipt.last_position - receipt.first_position == 3  # two left, one changed, two are new
    contents = [message.content for message in wanted] + ["new", "newer"]
    assert await shown(store) == contents
    again = await store.conversation.load("main")
    assert (again[-2].usage, again[-2].occurred_at) == (Usage(output_tokens=5), "2026-01-01T00:00:00.000000Z")
    assert await store.conversation.save("main", again, known_version=receipt.last_position) is None
    await whole(store)


async def test_seed_fault_save_removes_no_message_that_its_caller_does_not_know_of(store):
    """S0: a save deleted whatever another process had appended since the load."""
    await told(store, "a", "b")
    mine = await store.conversation.load("main")
    await told(store, "theirs")

    await store.conversation.save("main", mine[:1], known_version=2)
    assert await shown(store) == ["a", "theirs"]
    await store.conversation.save("main", [user("mine")])
    assert await shown(store) == ["a", "theirs", "mine"]
    with pytest.raises(Conflict):
        await store.conversation.save("main", [], known_version=9, expected_version=2)


async def test_seed_fault_save_can_empty_a_session_when_asked_to(store):
    """S0: a save of no messages was taken for a mistake, and kept them all."""
    await told(store, "a", "b")

    await store.conversation.save("main", [], known_version=2)

    assert (await shown(store), await leaf(store)) == ([], None)
    assert await store.conversation.save("new", []) is None
    assert not await store.sessions.exists("new")
    await store.conversation.save("new", [user("x")])
    assert await shown(store, "new") == ["x"]


async def test_seed_fault_save_costs_what_changed_and_not_what_there_is(store):
    """S0: each save wrote every message anew."""
    await told(store, *[str(n) for n in range(300)])
    before = (await store.log.head()).position

    await store.conversation.save("main", [*await store.conversation.load("main"), user("one more")])

    assert (await store.log.head()).position == before + 1


async def test_seed_fault_a_reused_message_id_never_touches_another_sessions_message(store):
    """S0: ids were unique over all sessions, and an upsert overwrote."""
    for key in ("one", "two"):
        await store.conversation.append(key, {"role": "user", "content": key, "id": "same"})

    await store.conversation.edit("one", "same", content="edited")
    await store.conversation.save("two", [{"role": "user", "content": "saved", "id": "same"}])
    await store.conversation.append("one", {"role": "user", "content": "mine", "id": "same"}, tenant="acme")

    assert (await shown(store, "one"), await shown(store, "two")) == (["edited"], ["saved"])
    assert await shown(store, "one", tenant="acme") == ["mine"]


async def test_changes_of_many_at_once_are_decided_one_after_the_other(store, open_store):
    """In one process by turns, across processes by versions: no pop returns what another one did."""
    await told(store, *[str(n) for n in range(12)])
    async with open_store("other host") as other:
        popped = await asyncio.gather(
            *(opened.conversation.pop("main") for opened in (store, other) for _ in range(4))
        )
    assert sorted(message.content for [message] in popped) == sorted(str(n) for n in range(4, 12))
    await whole(store)


async def test_changes_that_cannot_be_are_refused_and_change_nothing(store):
    """Each with the documented error, and the value in its words."""
    await told(store, "a", "b")
    conversation = store.conversation
    version = (await store.log.head()).position
    for error, said, call in [
        (NotFound, "'x'", lambda: conversation.edit("main", "x", content="y")),
        (NotFound, "'nobody'", lambda: conversation.edit("nobody", "x", content="y")),
        (BadInput, "nothing", lambda: conversation.edit("main", "a")),
        (BadInput, "'role'", lambda: conversation.edit("main", "a", clear=["role"])),
        (BadInput, "'model'", lambda: conversation.edit("main", "a", model="m", clear=["model"])),
        (BadInput, "'tokens'", lambda: conversation.edit("main", "a", usage={"tokens": 1})),
        (BadInput, "'much'", lambda: conversation.edit("main", "a", cost="much")),
        (BadPayload, "role", lambda: conversation.edit("main", "a", role=5)),
        (BadPayload, "content|JSON", lambda: conversation.edit("main", "a", content=float("nan"))),
        (Conflict, "version 2", lambda: conversation.edit("main", "a", content="y", expected_version=7)),
        (BadInput, "'a'", lambda: conversation.remove("main", "a")),
        (BadInput, r"\[\]", lambda: conversation.remove("main", [])),
        (BadInput, "0", lambda: conversation.pop("main", 0)),
        (NotFound, "'nobody'", lambda: conversation.pop("nobody")),
        (NotFound, "'nobody'", lambda: conversation.clear("nobody")),
        (NotFound, "'x'", lambda: conversation.rewind("main", "x")),
        (NotFound, "'x'", lambda: conversation.load("main", leaf="x")),
        (BadInput, "twice", lambda: conversation.save("main", [user("a"), user("a")])),
        (BadInput, "'a'", lambda: conversation.save("main", [user("b"), user("a")])),
        (BadInput, "'a'", lambda: conversation.save("main", [user("new"), user("a")])),
        (BadInput, "dict", lambda: conversation.save("main", ["hello"])),
        (BadPayload, "text|surrog|str", lambda: conversation.save("main", [Draft(user("n"), model=5)])),
        (Conflict, "version", lambda: conversation.append("main", user("c"), expected_version=1)),
        (BadInput, "nothing", lambda: conversation.record_usage("main")),
        (BadInput, "'tokens'", lambda: conversation.record_usage("main", {"tokens": 5})),
        (BadInput, "usage", lambda: conversation.record_usage("main", {"input_tokens": "many"})),
        (BadInput, "whole number", lambda: conversation.record_usage("main", {"input_tokens": "5"})),
        (BadInput, "usage", lambda: conversation.record_usage("main", {"input_tokens": float("inf")})),
        (BadInput, "more than", lambda: conversation.record_usage("main", {"input_tokens": 2**63 - 1})),
        (BadPayload, "str", lambda: conversation.add_summary("main", 5)),
        (BadPayload, ">= 0", lambda: conversation.compact("main", "s", tokens_before=-1)),
        (BadInput, "last", lambda: conversation.load("main", last=-1)),
    ]:
        with pytest.raises(error, match=said):
            await call()
    assert (await store.log.head()).position == version
    assert await shown(store) == ["a", "b"]
