"""A store as of a moment gives the same answers as the store gave then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import agentlog
from agentlog.errors import AlreadyExists, NotFound
from agentlog.nouns import Nouns
from eventlog.errors import BadInput


async def answers(store: Any) -> dict[str, Any]:
    """What every reading method of every noun says."""
    found: dict[str, Any] = {}
    for key in ("a", "b"):
        found[f"session {key}"] = await store.sessions.get(key)
        found[f"deleted {key}"] = await store.sessions.get(key, deleted=True)
        found[f"window {key}"] = await store.conversation.load(key)
        found[f"last {key}"] = await store.conversation.load(key, 1)
        found[f"todos {key}"] = await store.plan.todos(key)
        found[f"item {key}"] = await store.queue.get(key)
        try:
            found[f"status {key}"] = await store.conversation.status(key)
        except NotFound:
            found[f"status {key}"] = None
    found["sessions"] = await store.sessions.list(state="*")
    found["queue"] = await store.queue.list()
    found["counts"] = await store.queue.status()
    found["task"] = await store.tasks.get("t")
    found["tasks"] = [await store.tasks.list(), await store.tasks.status()]
    found["value"] = await store.keyvalue.get("k")
    found["keys"] = await store.keyvalue.list()
    found["job"] = await store.external.get("v")
    found["schedules"] = await store.schedule.list()
    found["jobs"] = await store.external.list()
    return found


async def complete(store: agentlog.Store) -> None:
    held = await store.queue.get("a")
    assert held is not None
    await store.queue.complete(held)


async def live(store: agentlog.Store) -> list[tuple[int, dict[str, Any]]]:
    """Do a bit with every noun; return (position, answers) after each act."""
    acts = [
        lambda: store.sessions.create("a", title="first", config={"x": 1.50}),
        lambda: store.conversation.append("a", {"role": "user", "content": "one"}),
        lambda: store.queue.enqueue("a", {"do": "it"}, id="a"),
        lambda: store.conversation.append("b", {"role": "user", "content": "two"}),
        lambda: store.plan.replace_todos("a", [{"content": "x", "status": "pending"}]),
        lambda: store.keyvalue.set("k", {"deep": [1]}),
        lambda: store.queue.claim("w"),
        lambda: store.external.enqueue("videos", {"prompt": "a"}, id="v"),
        lambda: store.external.claim_polls("w"),
        lambda: store.schedule.set("s", "@daily", {"x": 1}),
        lambda: store.conversation.compact("a", "so far"),
        lambda: store.sessions.update("a", title="second"),
        lambda: store.keyvalue.set("k", 2),
        lambda: store.tasks.enqueue(["do it"], id="t"),
        lambda: store.tasks.claim("w"),
        lambda: complete(store),
        lambda: store.archive.new_generation("a"),
        lambda: store.sessions.delete("b"),
    ]
    seen = [(0, await answers(store))]
    for act in acts:
        await act()
        seen.append(((await store.log.head()).position, await answers(store)))
    return seen


async def test_the_past_answers_as_the_store_did(store: agentlog.Store):
    """Every noun, at every position, by position and by time, in any order."""
    seen = await live(store)
    for position, then in [*seen[::-2], *seen[::2]]:
        assert await answers(store.at(position=position)) == then
    position, then = seen[7]
    time = (await store.at(position=position).moment()).time
    past = store.at(time=datetime.fromisoformat(time))
    assert await answers(past) == then
    assert (await past.log.head()).position == position


async def test_the_past_has_every_noun_of_the_store(store: agentlog.Store):
    """A new noun comes along, or this fails."""
    now, then = (
        {name for name, handle in vars(one).items() if hasattr(handle, "_scope")}
        for one in (store, store.at(position=0))
    )
    assert then >= set(vars(Nouns(store._scope)))
    # What was delivered, the log's keys tell: they are forgotten in time, and no event says so.
    assert now - then == {"replay", "delivery"}
    assert then <= now


async def test_the_archive_of_the_past_answers_as_it_did(store: agentlog.Store):
    """From files that end before the moment, at it and behind it, and from the tail; also loaded exactly."""
    seen = []
    for n in range(6):
        await store.conversation.append("a", {"role": "user", "content": f"m{n}"})
        if n == 3:
            await store.archive.new_generation("a", "new")
        if n in (1, 4):
            await store.archive.build()
        position = (await store.log.head()).position
        rows = (await store.archive.sql("select position, generation, text from messages order by 1")).rows
        seen.append((position, rows, await store.archive.load("a"), (await store.archive.stat("a")).rows))
    for position, rows, loaded, counts in seen:
        past = store.at(position=position).archive
        assert (await past.sql("select position, generation, text from messages order by 1")).rows == rows
        assert await past.load("a") == loaded
        assert (await past.stat("a")).rows == counts
    assert (await store.archive.sql("select count(*) from messages")).rows == [(6,)]
    with pytest.raises(BadInput, match="yet to be looked up"):
        store.at(position=1).archive.sql("select 1").rows  # noqa: B018
    with pytest.raises(BadInput, match="is not in the log"):
        await store.at(position=99).archive.sql("select 1")


async def test_the_past_cannot_be_changed(store: agentlog.Store):
    """By no handle: nothing is appended anywhere."""
    await live(store)
    head = await store.log.head()
    past = store.at(position=3)
    for act in (
        lambda: past.sessions.update("a", title="x"),
        lambda: past.sessions.create("new"),
        lambda: past.conversation.append("a", {"role": "user", "content": "x"}),
        lambda: past.queue.enqueue(None, 1),
        lambda: past.tasks.enqueue([1]),
        lambda: past.keyvalue.set("k", 1),
    ):
        with pytest.raises(BadInput, match="takes no event"):
            await act()
    assert await store.log.head() == head


async def test_a_line_of_the_past_can_be_looked_at_and_nothing_is_claimed_there(store: agentlog.Store):
    """As it stood: what came later is not in it, and what was claimed by then does not wait."""
    for id in ("first", "second"):
        await store.queue.enqueue("a", {}, id=id)
    await store.queue.claim("w")
    past = store.at(position=(await store.log.head()).position)
    await store.queue.enqueue("a", {}, id="third")
    assert [item.id for item in await past.queue.pending("a")] == ["second"]
    for claim in (past.queue.claim("w"), past.queue.claim("w", session="b"), past.tasks.claim("w")):
        with pytest.raises(BadInput, match="takes no event"):
            await claim


async def test_the_past_of_a_tenant_is_its_own(open_store):
    """As in the present: another tenant's data cannot be named."""
    async with open_store() as store:
        await store.sessions.create("a", tenant="acme")
        await store.sessions.create("a", tenant="other")
    async with open_store(tenant="acme") as store:
        past = store.at(position=2)
        assert [one.tenant for one in await past.sessions.list()] == ["acme"]
        with pytest.raises(agentlog.errors.WrongTenant):
            await past.sessions.get("a", tenant="other")
        with pytest.raises(agentlog.errors.WrongTenant):
            await store.replay.state("session", "a", tenant="other")
        assert {c.stream.tenant async for c in store.replay.diff(0)} == {"acme"}


async def test_a_moment_that_is_not_in_the_log_is_refused_at_the_first_read(store: agentlog.Store):
    """With what there is."""
    await store.sessions.create("a")
    for past in (store.at(position=9), store.at(time=datetime(1999, 1, 1, tzinfo=UTC))):
        with pytest.raises(BadInput):
            await past.sessions.get("a")
    with pytest.raises(BadInput, match="must be a datetime, not str"):
        store.at(time="2026-11-22T07:44:36Z")  # type: ignore[arg-type]


# What stood there, what changed, and forks.


async def test_a_state_its_changes_and_their_causes_are_told(store: agentlog.Store):
    """Blame gives the meta that the maker noted."""
    await store.sessions.create("a", title="first", meta={"why": "begun"})
    await store.sessions.update("a", title="second", meta={"why": "a better name"})
    state = await store.replay.state("session", "a", position=1)
    assert state.tables["sessions"][0]["title"] == "first"
    (title,) = [one for one in await store.replay.blame("session", "a") if one.field == "title"]
    assert (title.value, title.position, title.meta) == ("second", 2, {"why": "a better name"})
    told = [(c.field, c.before, c.after) async for c in store.replay.diff(1, kind="session", key="a")]
    assert told == [("title", "first", "second")]
    steps = [step async for step in store.replay.step("session", "a", after=1)]
    assert [(one.event.version, str(one.changes[0])) for one in steps] == [
        (2, 'session \'a\': sessions, title: "first" → "second"')
    ]


async def test_what_cannot_be_told_is_refused(store: agentlog.Store):
    """Nothing is appended by asking."""
    await store.sessions.create("a")
    await store.sessions.create("b")
    with pytest.raises(NotFound, match="at position 1"):
        await store.replay.state("session", "b", position=1)
    with pytest.raises(NotFound):
        await store.replay.blame("session", "nobody")
    with pytest.raises(NotFound):
        [one async for one in store.replay.step("session", "nobody")]
    with pytest.raises(BadInput, match="nothing folds"):
        await store.replay.state("spoon", "a")
    with pytest.raises(BadInput, match="comes after"):
        [one async for one in store.replay.diff(2, 1)]
    with pytest.raises(BadInput, match="name no stream"):
        [one async for one in store.replay.diff(0, kind="session")]
    assert (await store.log.head()).position == 2


async def test_a_fork_has_the_history_of_its_origin_up_to_there_and_goes_its_own_way(store: agentlog.Store):
    """Provenance on each event; the states are those of the cut but for the parent."""
    seen = await live(store)
    cut = seen[8][0]
    await store.replay.fork("a", "fork", position=cut)
    then = store.at(position=cut)
    assert [m.content for m in await store.conversation.load("fork")] == [
        m.content for m in await then.conversation.load("a")
    ]
    old = await store.replay.state("session", "a", position=cut)
    new = await store.replay.state("session", "fork")
    assert [(c.field, c.after) for c in store.replay.compare(old, new)] == [("parent", "a")]
    events = await store.log.read_stream(agentlog.StreamId("", "session", "fork"))
    assert [event.metadata["forked_from"]["key"] for event in events] == ["a"] * len(events)
    await store.conversation.append("fork", {"role": "user", "content": "elsewhere"})
    assert len(await store.conversation.load("a")) == len(seen[-1][1]["window a"])
    assert await store.verify() == []
    with pytest.raises(AlreadyExists):
        await store.replay.fork("a", "fork", position=cut)


async def test_a_fork_that_was_made_is_not_made_twice(store: agentlog.Store):
    """Asked for again, it is there; of another moment, the key is taken."""
    await live(store)
    receipt = await store.replay.fork("a", "fork", position=2)
    head = await store.log.head()
    with pytest.raises(AlreadyExists):
        await store.replay.fork("a", "fork", position=3)
    with pytest.raises(AlreadyExists):
        await store.replay.fork("a", "fork", position=2)
    assert (await store.log.head(), receipt.last_position) == (head, head.position)


@pytest.mark.parametrize(
    ("session", "when"),
    [("nobody", {}), ("a", {"position": 0}), ("b", {"position": 2}), ("b", {})],
)
async def test_a_session_that_was_not_there_is_not_forked(store: agentlog.Store, session: str, when: Any):
    """Unknown, not yet begun, or deleted by then."""
    await live(store)
    head = await store.log.head()
    with pytest.raises(NotFound):
        await store.replay.fork(session, "fork", **when)
    assert await store.log.head() == head
    with pytest.raises(BadInput):
        await store.replay.fork("a", "fork", time=datetime.now(UTC) + timedelta(days=1))
