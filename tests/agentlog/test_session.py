"""Sessions: create, update, end, delete, look up, list."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

import agentlog
from agentlog.errors import AlreadyExists, BadIdentifier, BadInput, BadPayload, Conflict, NotFound
from agentlog.session_changes import decide_create, decide_end, decide_save, decide_update, saved
from eventlog.envelope import StreamId, new_event
from eventlog.events import SessionCreated, SessionEnded, SessionUpdated
from projections.session import ACTIVE, DELETED, ENDED, Session


def store_stream(key):
    return StreamId("", "session", key)


LIVING, OVER, GONE = Session(state=ACTIVE), Session(state=ENDED), Session(state=DELETED)


def test_a_session_is_created_where_there_is_none_and_where_it_was_deleted():
    """Deleting is soft, so creating again brings back what was there."""
    created = SessionCreated(title="t")

    assert decide_create("k", created, None) == [created]
    assert decide_create("k", created, GONE) == [created]
    for present in (LIVING, OVER, Session(state="thinking")):
        with pytest.raises(AlreadyExists, match=present.state):
            decide_create("k", created, present)


def test_saying_again_what_is_so_appends_nothing():
    """A retry of a call must not grow the log."""
    assert decide_update("k", SessionUpdated(title="t"), Session(title="t")) == []
    assert decide_update("k", SessionUpdated(title="u"), Session(title="t")) == [SessionUpdated(title="u")]
    assert decide_end("k", None, OVER) == []
    assert decide_end("k", "done", LIVING) == [SessionEnded("done")]
    assert decide_save(saved("k", {"title": "t"}), Session(title="t")) == []


@pytest.mark.parametrize("known", [None, GONE])
def test_what_is_not_there_cannot_be_changed(known):
    """Deleted counts as not there: bringing it back is create's business."""
    for decide in (
        lambda: decide_update("k", SessionUpdated(title="t"), known),
        lambda: decide_end("k", None, known),
    ):
        with pytest.raises(NotFound) as caught:
            decide()
        assert caught.value.key == "k"


async def test_a_session_comes_back_as_it_was_created(store):
    """All of it, and numbers in its config to the digit."""
    expires = datetime(2030, 1, 1, tzinfo=UTC)
    began = datetime(2020, 1, 1, tzinfo=UTC)
    config = {"big": 12345678901234567890, "text": "a\u2028b"}
    await store.sessions.create(
        "main", title="t", agent="a", model="m", mode="plan", parent="p", source="test",
        directory="/d", git_branch="b", tool_version="1", config=config, expires_at=expires,
        session_type="subagent", permissions={"allow": [0.10]}, static_context_hash="9f86", created_at=began,
    )  # fmt: skip

    found = await store.sessions.get("main")

    assert (found.title, found.agent, found.model, found.mode, found.parent) == ("t", "a", "m", "plan", "p")
    assert (found.source, found.directory, found.git_branch, found.tool_version) == ("test", "/d", "b", "1")
    assert (found.config, found.expires_at, found.state) == (config, expires, "active")
    assert (found.generation, found.message_count, found.cost) == (0, 0, 0)
    assert (found.session_type, found.permissions, found.static_context_hash) == (
        "subagent", {"allow": [0.10]}, "9f86"
    )  # fmt: skip
    assert (found.created_time, found.version) == (began, 1)


async def test_a_deleted_session_is_out_of_sight_and_keeps_its_messages(store):
    """Nothing but an erasure of its own removes what was said."""
    await store.conversation.append("main", {"role": "user", "content": "hello"})
    await store.sessions.delete("main", "tidying")

    assert await store.sessions.get("main") is None
    assert not await store.sessions.exists("main")
    assert await store.sessions.list() == []
    assert [session.key for session in await store.sessions.list(state="deleted")] == ["main"]
    assert (await store.sessions.get("main", deleted=True)).message_count == 1
    assert store.archive.stat("main").dicts()[0]["messages"] == 1

    await store.sessions.create("main")
    assert (await store.sessions.get("main")).message_count == 1


async def test_pages_of_sessions_show_each_once_newest_first(store):
    """Also while sessions are added between two pages."""
    for n in range(7):
        await store.sessions.create(f"s{n}", parent="p" if n % 2 else None)

    first = await store.sessions.list(limit=3)
    await store.sessions.create("later")
    second = await store.sessions.list(limit=3, after=first[-1].key)
    third = await store.sessions.list(limit=3, after=second[-1].key)

    assert [session.key for session in first + second + third] == [f"s{n}" for n in range(6, -1, -1)]
    assert [session.key for session in await store.sessions.list(parent="p")] == ["s5", "s3", "s1"]


async def test_lists_can_be_of_one_state(store):
    """An agent's own word is a state like the others."""
    for key in ("a", "b", "c"):
        await store.sessions.create(key)
    await store.sessions.end("a")
    await store.sessions.update("b", state="thinking")

    assert [session.key for session in await store.sessions.list(state="ended")] == ["a"]
    assert [session.key for session in await store.sessions.list(state="thinking")] == ["b"]
    assert len(await store.sessions.list(state="*")) == 3


async def test_values_that_cannot_be_are_refused_before_anything_is_written(store):
    """Each with its own words."""
    await store.sessions.create("main")
    for error, call in [
        (BadIdentifier, lambda: store.sessions.create("")),
        (BadIdentifier, lambda: store.sessions.create("a\x00b")),
        (BadInput, lambda: store.sessions.create("x", parent="x")),
        (BadPayload, lambda: store.sessions.create("x", config={"a": float("nan")})),
        (BadInput, lambda: store.sessions.update("main")),
        (BadInput, lambda: store.sessions.update("main", state="deleted")),
        (BadInput, lambda: store.sessions.update("main", clear=["state"])),
        (BadInput, lambda: store.sessions.update("main", title="t", clear=["title"])),
        (BadInput, lambda: store.sessions.update("main", ttl_s=-1)),
        (
            BadInput,
            lambda: store.sessions.update("main", ttl_s=1, expires_at=datetime(2030, 1, 1, tzinfo=UTC)),
        ),
        (BadPayload, lambda: store.sessions.update("main", expires_at=datetime(2030, 1, 1))),
        (BadPayload, lambda: store.sessions.update("main", title=5)),
        (BadPayload, lambda: store.sessions.save("main", session_type="x" * 64)),
        (BadPayload, lambda: store.sessions.create("x", expires_at="tomorrow")),
        (BadInput, lambda: store.sessions.save("main", state="deleted")),
        (Conflict, lambda: store.sessions.update("main", title="t", expected_version=7)),
        (Conflict, lambda: store.sessions.save("main", expected_version=0)),
        (Conflict, lambda: store.sessions.delete("main", expected_version=2)),
        (NotFound, lambda: store.sessions.delete("nobody")),
        (BadInput, lambda: store.sessions.cleanup(retention_days=-1)),
        (BadInput, lambda: store.sessions.list(created_from=datetime(2030, 1, 1))),
        (BadIdentifier, lambda: store.sessions.children("")),
        (BadInput, lambda: store.sessions.list(limit=0)),
        (NotFound, lambda: store.sessions.list(after="nobody")),
        (NotFound, lambda: store.sessions.end("nobody")),
    ]:
        with pytest.raises(error):
            await call()
    assert (await store.log.head()).position == 1


async def test_saving_makes_a_session_exactly_what_is_given(store):
    """What is not given has no value afterwards; the state stays."""
    await store.sessions.save("main", title="t", config={"a": 1}, expires_at=datetime(2030, 1, 1, tzinfo=UTC))
    await store.sessions.update("main", state="thinking", error="rate limited")

    saved = await store.sessions.save("main", agent="a")
    again = await store.sessions.save("main", agent="a")

    found = await store.sessions.get("main")
    assert (found.title, found.config, found.expires_at, found.error) == (None, None, None, None)
    assert (found.agent, found.state) == ("a", "thinking")
    assert (saved.versions[store_stream("main")], again) == (found.version, None)
    assert await store.verify() == []


async def test_an_attribute_can_be_cleared_by_name(store):
    """An expiry that was set by mistake must not stay for ever."""
    await store.sessions.create("main", title="t", ttl_s=60)
    assert (await store.sessions.get("main")).expires_at > datetime.now(UTC)

    await store.sessions.update("main", clear=["expires_at"], title="u")

    found = await store.sessions.get("main")
    assert (found.expires_at, found.title) == (None, "u")


async def test_a_change_at_the_version_that_was_read_is_refused_when_somebody_was_faster(store):
    """Optimistic concurrency: whoever read before the other wrote decides again."""
    await store.sessions.create("main")
    seen = (await store.sessions.get("main")).version
    await store.sessions.update("main", title="first", expected_version=seen)

    with pytest.raises(Conflict) as caught:
        await store.sessions.update("main", title="second", expected_version=seen)

    assert (caught.value.expected_version, caught.value.actual_version) == (1, 2)
    assert (await store.sessions.get("main")).title == "first"
    await store.sessions.end("main", expected_version=2)
    await store.sessions.delete("main", expected_version=3)


async def test_lists_are_filtered_by_type_parent_and_time_and_page_through_all(store):
    """Each filter alone, and over all tenants when nobody is named."""
    old, now = datetime(2020, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC)
    await store.sessions.create("old", created_at=old, tenant="acme")
    await store.sessions.create("root", session_type="main")
    for n in range(3):
        await store.sessions.create(f"sub{n}", session_type="subagent", parent="root")

    assert [s.key for s in await store.sessions.list(session_type="subagent", limit=2)] == ["sub2", "sub1"]
    assert [s.key for s in await store.sessions.children("root", after="sub1")] == ["sub0"]
    assert [s.key for s in await store.sessions.list(created_before=now, tenant="acme")] == ["old"]
    assert await store.sessions.list(created_from=now, tenant="acme") == []
    assert [s.key for s in await store.sessions.list(active_from=now, tenant="acme")] == ["old"]
    everybody = await store.sessions.list(all_tenants=True)
    assert [s.key for s in everybody] == ["sub2", "sub1", "sub0", "root", "old"]
    rest = await store.sessions.list(all_tenants=True, after=everybody[3])
    assert [(s.key, s.tenant) for s in rest] == [("old", "acme")]


@pytest.mark.parametrize("odd", [[1, None], "all", 7, False, {"model": None, "of": "another release"}])
async def test_s0_fault_an_unreadable_config_becomes_the_default(store: agentlog.Store, odd):
    """Any JSON comes back as it was; what is none is refused; an event nobody can read changes nothing."""
    await store.sessions.create("k", config=odd, permissions=odd)
    for name in ("config", "permissions"):
        with pytest.raises(BadPayload):
            await store.sessions.update("k", **{name: {"model": object()}})
    stream = StreamId("", "session", "k")
    for type in ("session_updated", "session_created"):
        later = new_event(stream, type, {"config": "unknown"}, id=store.log.ids.next(), schema=9)
        await store.log.append(agentlog.Command([later]))
    session = await store.sessions.get("k")
    assert session is not None
    assert (session.config, session.permissions) == (odd, odd)
