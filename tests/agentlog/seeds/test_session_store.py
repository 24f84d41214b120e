"""A program written for the Postgres session store runs here, and hears what the store would have said."""

from __future__ import annotations

from random import Random

import msgspec
import pytest

import agentlog
from tests.agentlog.seeds.session_store import FUTURE, PAST, Meant, OnAgentlog, Saved, SessionStore

CALLS = ("save", "save", "save", "load", "list", "delete", "summary", "enqueue", "cancel")
IDS = ("a", "a:b", "archive:a", "b")


async def test_a_program_of_the_session_store_runs_as_its_user_wrote_it(store: agentlog.Store):
    """A day of an agent: save, work, save again with less, summarise, queue, plan, children, clean up."""
    said = {name: await a_day(kind) for name, kind in (("meant", Meant()), ("here", OnAgentlog(store)))}
    assert said["here"] == said["meant"]
    assert await store.verify() == []


async def a_day(store: SessionStore) -> list[object]:
    """The program: everything it is answered, in order."""
    first = Saved(
        id="main", tenant="acme", state="active", config={"model": "opus"},
        messages=(("m1", None, "user", "hello"), ("m2", "m1", "assistant", "hi")),
        todos=(("look", "pending"), ("fix", "pending")), plan="look, then fix",
    )  # fmt: skip
    heard: list[object] = [await store.load("main"), await store.delete("main")]
    await store.save(first)
    heard.append(await store.load("main"))
    edited = msgspec.structs.replace(
        first, messages=(("m1", None, "user", "hello there"), ("m3", "m1", "assistant", "welcome")),
        todos=(("look", "completed"),), plan=None, error="none", config=None,
    )  # fmt: skip
    await store.save(edited)
    heard.append(await store.load("main"))
    await store.save(msgspec.structs.replace(edited, messages=(), todos=(), error=None))
    heard.append(await store.load("main"))
    for text in ("so far", "in the end"):
        await store.add_summary("main", text)
    heard.append(await store.get_summaries("main"))
    for content, priority in (("low", 0), ("high", 9), ("high too", 9), ("never", 5)):
        await store.enqueue("main", content, priority)
    heard += [await store.pending_queue("main"), await store.cancel_queued("main", "never")]
    heard += [await store.cancel_queued("main", "never"), await store.dequeue("main")]
    heard.append(await store.pending_queue("main"))
    await store.save(Saved(id="child", tenant="acme", parent="main"))
    await store.save(Saved(id="grandchild", tenant="acme", parent="child"))
    await store.save(Saved(id="main:2", tenant="other", expires_at=FUTURE))
    await store.save(Saved(id="old", tenant="acme", expires_at=PAST))
    heard += [await store.list("acme"), await store.list("other"), await store.list(None)]
    heard += [await store.cleanup_expired(), await store.cleanup_expired(), await store.list(None)]
    heard += [await store.delete("main"), await store.list(None), await store.load("grandchild")]
    return heard


@pytest.mark.parametrize("seed", range(2))
async def test_random_programs_of_the_session_store_hear_the_same(store: agentlog.Store, seed: int):
    """Saves of any whole after any other, and everything else in between."""
    meant, here = Meant(), OnAgentlog(store)
    random = Random(seed)
    for number in range(25):
        id = random.choice(IDS)
        match random.choice(
            ("save", "save", "save", "load", "list", "delete", "summary", "enqueue", "cancel")
        ):
            case "save":
                session = a_session(random, id, meant.sessions.get(id), number)
                for each in (meant, here):
                    await each.save(session)
            case "list":
                assert await here.list("t") == await meant.list("t")
            case "delete":
                assert await here.delete(id) == await meant.delete(id)
            case "summary" if id in meant.sessions:
                for each in (meant, here):
                    await each.add_summary(id, f"summary {number}")
            case "enqueue" if id in meant.sessions:
                for each in (meant, here):
                    await each.enqueue(id, f"item {number}", number % 3)
            case "cancel":
                content = f"item {random.randrange(number + 1)}"
                if any(content == item for _, item in meant.queue.get(id, [])):
                    assert await here.cancel_queued(id, content) == await meant.cancel_queued(id, content)
        assert await here.load(id) == await meant.load(id)
        if id in meant.sessions:
            assert await here.pending_queue(id) == await meant.pending_queue(id)
    assert await store.verify() == []


def a_session(random: Random, id: str, before: Saved | None, number: int) -> Saved:
    """A whole session, some of whose messages are those of before, some changed; new ones come last."""
    messages = [
        (message, parent, role, random.choice((text, "changed")))
        for message, parent, role, text in (before.messages if before else ())
        if random.random() < 0.7
    ]
    messages += [(f"m{number}.{n}", None, "user", "new") for n in range(random.randrange(3))]
    todos = tuple((f"t{n}", random.choice(("pending", "completed"))) for n in range(random.randrange(3)))
    return Saved(
        id=id, tenant="t", state=random.choice(("created", "active", "failed")),
        config=random.choice((None, {"n": 1})), error=random.choice((None, "e")),
        messages=tuple(messages), todos=todos, plan=random.choice((None, "p", "q")),
    )  # fmt: skip
