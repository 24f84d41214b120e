"""Loading a session's archive: every message as it was appended, generation by generation."""

from __future__ import annotations

import pytest

from agentlog.errors import FormatTooNew, NotFound
from eventlog.command import Command
from eventlog.envelope import StreamId, new_event


def user(text):
    return {"role": "user", "content": text, "id": text}


async def loaded(store, key="main", generation=None):
    rows = await store.archive.load(key, generation)
    return [(row.generation, row.seq, row.message.content) for row in rows]


async def test_the_archive_has_what_left_the_view(store, monkeypatch):
    """Popped, edited, cleared, compacted, rewound: as it was appended. Over several pages of events."""
    monkeypatch.setattr("agentlog.archive.PAGE_EVENTS", 2)
    await store.conversation.append_many("main", [user(text) for text in "abcd"])
    await store.conversation.pop("main")
    await store.conversation.edit("main", "b", content="edited")
    await store.conversation.rewind("main", "a")
    await store.archive.new_generation("main")
    await store.conversation.append("main", user("e"))
    await store.conversation.clear("main")

    assert await loaded(store) == [(0, 0, "a"), (0, 1, "b"), (0, 2, "c"), (0, 3, "d"), (1, 0, "e")]
    assert await loaded(store, generation=1) == [(1, 0, "e")]
    assert store.archive.seq("main", 2).dicts()[0]["text"] == "c"


async def test_seed_fault_generation_ten_comes_after_generation_two(store):
    """S2: keys sorted as text, so `gen10` stood before `gen2`."""
    for n in range(12):
        assert (await store.conversation.append("main", user(str(n)))).seq == 0
        assert await store.archive.new_generation("main") == n + 1

    assert await loaded(store) == [(n, 0, str(n)) for n in range(12)]
    assert [row["generation"] for row in store.archive.stat("main").dicts()] == list(range(12))


async def test_seed_fault_a_session_that_was_deleted_and_created_again_keeps_its_archive(store):
    """S2: it restarted at generation 1, and overwrote what it had archived before."""
    await store.conversation.append("main", user("before"))
    await store.archive.new_generation("main")
    await store.sessions.delete("main")
    await store.sessions.create("main")
    assert await store.archive.new_generation("main") == 2
    assert (await store.conversation.append("main", user("after"))).seq == 0

    assert await loaded(store) == [(0, 0, "before"), (2, 0, "after")]


async def test_messages_of_before_the_archive_was_ever_built_are_in_it(store):
    """S2 copied old sessions into its archive when they were loaded; here building does it for all."""
    await store.conversation.append_many("main", [user("a"), user("b")])
    await store.sessions.delete("main")

    assert await store.archive.build() == 3
    assert store.archive.stat("main").dicts()[0]["messages"] == 2


async def test_seed_fault_a_corrupt_entry_of_the_archive_is_told_and_not_left_out(store):
    """S2 filtered it out silently."""
    await store.conversation.append("main", user("a"))
    stream, id = StreamId("", "session", "main"), store.log.ids.next()
    await store.log.append(Command([new_event(stream, "message_appended", {"role": 5}, id=id)]))

    with pytest.raises(FormatTooNew, match="position 2"):
        await store.archive.load("main")
    with pytest.raises(NotFound, match="'nobody'"):
        await store.archive.load("nobody")
    with pytest.raises(NotFound, match="generation 7"):
        await store.archive.load("main", 7)
