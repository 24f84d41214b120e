"""Sessions: create, update, end, delete, look up, list."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from agentlog.errors import AlreadyExists, BadIdentifier, BadInput, BadPayload, NotFound
from agentlog.session import decide_create, decide_delete, decide_end, decide_update
from eventlog.events import SessionCreated, SessionDeleted, SessionEnded, SessionUpdated
from projections.session import ACTIVE, DELETED, ENDED, Session

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
    assert decide_delete("k", None, GONE) == []
    assert decide_delete("k", "old", OVER) == [SessionDeleted("old")]


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
    config = {"big": 12345678901234567890, "text": "a\u2028b"}
    await store.sessions.create(
        "main", title="t", agent="a", model="m", mode="plan", parent="p", source="test",
        directory="/d", git_branch="b", tool_version="1", config=config, expires_at=expires,
    )  # fmt: skip

    found = await store.sessions.get("main")

    assert (found.title, found.agent, found.model, found.mode, found.parent) == ("t", "a", "m", "plan", "p")
    assert (found.source, found.directory, found.git_branch, found.tool_version) == ("test", "/d", "b", "1")
    assert (found.config, found.expires_at, found.state) == (config, expires, "active")
    assert (found.generation, found.message_count, found.cost) == (0, 0, 0)


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
        (BadInput, lambda: store.sessions.list(limit=0)),
        (NotFound, lambda: store.sessions.list(after="nobody")),
        (NotFound, lambda: store.sessions.end("nobody")),
    ]:
        with pytest.raises(error):
            await call()
    assert (await store.log.head()).position == 1
