"""Deleting sessions with their children, and those whose time is over."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from agentlog import session_removal
from agentlog.errors import WrongTenant
from eventlog.envelope import StreamId
from eventlog.events import SESSION

PAST, FUTURE = datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


async def family(store, *, tenant=None):
    """A root, two children, a grandchild, and somebody else."""
    for key, parent in [("root", None), ("a", "root"), ("b", "root"), ("aa", "a"), ("other", None)]:
        await store.sessions.create(key, parent=parent, tenant=tenant)


async def living(store):
    return sorted(session.key for session in await store.sessions.list())


async def test_deleting_a_parent_takes_all_its_descendants_in_one_append(store):
    """All or none: nobody sees half a family. Their archive stays."""
    await family(store)
    await store.conversation.append("aa", {"role": "user", "content": "deep"})
    before = (await store.log.head()).position

    receipt = await store.sessions.delete("root", "tidying")

    assert await living(store) == ["other"]
    assert (receipt.first_position, receipt.last_position) == (before + 1, before + 4)
    assert await store.sessions.delete("root") is None
    assert store.archive.stat("aa").dicts()[0]["messages"] == 1


async def test_sessions_that_are_each_others_parents_can_be_deleted(store):
    """A circle is nonsense, and must none the less end."""
    await store.sessions.create("a", parent="b")
    await store.sessions.create("b", parent="a")

    await store.sessions.delete("a")

    assert await living(store) == []


async def test_a_family_of_more_than_one_append_goes_with_its_root_last(store, monkeypatch):
    """So that whoever finds the root still there knows that there is more to do."""
    await family(store)
    monkeypatch.setattr(session_removal, "EVENTS_MAX", 2)

    await store.sessions.delete("root")

    deleted = [
        event.stream.key
        async for block in store.log.read()
        for event in block
        if event.type == "session_deleted"
    ]
    assert (len(deleted), deleted[-1]) == (4, "root")
    assert await living(store) == ["other"]


async def test_a_child_that_came_back_is_found_below_its_deleted_parent(store):
    """Deleting the parent again takes what was begun since."""
    await family(store)
    await store.sessions.delete("root")
    await store.sessions.create("aa")

    await store.sessions.delete("root")

    assert await living(store) == ["other"]


async def test_seed_fault_a_key_that_begins_with_another_is_not_touched_by_its_deletion(store):
    """S2: `a` and `a:b` shared a key prefix, and a session called `archive:a` collided with the archive."""
    for key in ("a", "a:b", "archive:a", "archive:a:gen1"):
        await store.conversation.append(key, {"role": "user", "content": key})

    await store.archive.new_generation("a")
    await store.sessions.delete("a")

    assert await living(store) == ["a:b", "archive:a", "archive:a:gen1"]
    for key in ("a:b", "archive:a", "archive:a:gen1"):
        assert [message.content for message in await store.conversation.load(key)] == [key]
    assert store.archive.stat("a").dicts()[0]["messages"] == 1


async def test_cleanup_deletes_what_is_past_its_expiry_with_its_children(store):
    """And nothing else; the second time there is nothing to do."""
    await store.sessions.create("over", expires_at=PAST)
    await store.sessions.create("child", parent="over")
    await store.sessions.create("later", expires_at=FUTURE)
    await store.sessions.create("plain")

    assert await store.sessions.cleanup() == 2
    assert await living(store) == ["later", "plain"]
    assert await store.sessions.cleanup() == 0


async def test_seed_fault_cleanup_never_takes_a_session_with_an_explicit_future_expiry(store):
    """S0: whatever was not updated within the retention went, also what was to live for a year."""
    await store.sessions.create("keep", expires_at=FUTURE)
    await store.sessions.create("forgotten")
    await store.sessions.create("kept child", parent="forgotten", expires_at=FUTURE)
    await store.sessions.create("grandchild", parent="kept child")

    assert await store.sessions.cleanup(retention_days=None) == 0
    assert await store.sessions.cleanup(retention_days=0) == 2

    assert await living(store) == ["keep", "kept child"]


async def test_retention_counts_from_the_last_event_of_any_kind(store):
    """A session in which somebody works is not forgotten."""
    await store.sessions.create("main")

    assert await store.sessions.cleanup(retention_days=30) == 0
    assert await store.sessions.cleanup(retention_days=0.0) == 1
    assert (await store.log.read_stream(StreamId("", SESSION, "main")))[-1].type == "session_deleted"


async def test_cleanup_goes_through_every_page_and_every_tenant(store, open_store, monkeypatch):
    """In pages; a store that was opened for one tenant cannot name another's."""
    monkeypatch.setattr(session_removal, "PAGE_SESSIONS", 2)
    for n in range(5):
        await store.sessions.create(f"s{n}", expires_at=PAST, tenant=f"t{n % 2}")

    async with open_store("other", tenant="t1") as one:
        with pytest.raises(WrongTenant):
            await one.sessions.cleanup(all_tenants=True)
        assert await one.sessions.cleanup() == 2
    assert await store.sessions.cleanup() == 0
    assert await store.sessions.cleanup(all_tenants=True, reason="old") == 3
