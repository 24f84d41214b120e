"""Whose data a store may name, and deciding again after somebody else was faster."""

from __future__ import annotations

import asyncio
import inspect
from functools import partial
from importlib.resources import files

import pytest

from agentlog.errors import AlreadyExists, Conflict, NotFound, WrongTenant
from agentlog.scope import query_text
from eventlog.command import Command
from eventlog.envelope import StreamId
from eventlog.events import SESSION, SessionUpdated
from tests.support.queries import assert_prepares


async def fill(store):
    """Two tenants, the same keys, other content."""
    for tenant in ("acme", "umbrella"):
        await store.sessions.create("main", title=f"of {tenant}", tenant=tenant)
        await store.conversation.append(
            "main", {"role": "user", "content": f"secret of {tenant}"}, tenant=tenant
        )
        await store.queue.enqueue("main", f"item of {tenant}", id="1", tenant=tenant)
        await store.access.approve_pairing("c", f"peer of {tenant}", tenant=tenant)
        await store.access.grant("agent", f"app of {tenant}", "allow", tenant=tenant)
        await store.plan.save("main", f"plan of {tenant}", plan_id="p", tenant=tenant)
        await store.keyvalue.set("k", f"value of {tenant}", tenant=tenant)
        await store.schedule.set("s", "@daily", f"body of {tenant}", tenant=tenant)
        await store.external.enqueue("videos", f"request of {tenant}", id="1", tenant=tenant)
        await store.plan.replace_todos("main", [{"content": tenant, "status": "pending"}], tenant=tenant)


# What a call needs; a text where it is not named here.
GIVEN = {
    "message": {"role": "user", "content": ""}, "messages": [{"role": "user", "content": ""}],
    "body": 1, "token": 1, "first": 0, "before": 0, "retention_s": 0, "message_ids": ["1"],
    "todos": [], "paths": [], "aliases": {"a": "s"}, "definitions": {}, "effect": None, "name": "totals",
    "status": "dead",
}  # fmt: skip


def calls(store, tenant):
    """Every method of every handle that takes a tenant, by name, called with all that it needs."""
    handles = [
        store,
        store.sessions.aliases,
        *(value for name, value in vars(store).items() if name[0] != "_"),
    ]
    for handle in handles:
        for name, method in inspect.getmembers(handle, inspect.ismethod):
            parameters = inspect.signature(method).parameters
            if name.startswith("_") or "tenant" not in parameters:
                continue
            needed = [
                GIVEN.get(parameter.name, "x")
                for parameter in parameters.values()
                if parameter.default is parameter.empty and parameter.kind < parameter.VAR_POSITIONAL
            ]
            yield f"{type(handle).__name__}.{name}", partial(method, *needed, tenant=tenant)


async def finished(call):
    """Call, and await what has to be."""
    answer = call()
    if inspect.isasyncgen(answer):
        return await anext(answer)
    return await answer if inspect.iscoroutine(answer) else answer


async def test_a_store_of_one_tenant_cannot_name_anothers_data_in_any_call(open_store):
    """Invariant 10: tenants are columns, and the face checks them. Nothing is written either."""
    async with open_store() as everyone:
        await fill(everyone)
        before = await everyone.log.head()
        async with open_store("other", tenant="acme") as store:
            named = dict(calls(store, "umbrella"))
            for name, call in named.items():
                with pytest.raises(WrongTenant):
                    pytest.fail(f"{name} returned {await finished(call)!r}")
        assert await everyone.log.head() == before
    assert len(named) > 120


async def test_what_a_store_of_one_tenant_shows_is_that_tenants_alone(open_store):
    """Also where no tenant is named: lists, questions, the log itself."""
    async with open_store() as everyone:
        await fill(everyone)
        async with open_store("other", tenant="acme") as store:
            shown = [
                await store.sessions.list(),
                [message.content for message in await store.conversation.load("main")],
                store.archive.sql("from events").rows,
                store.archive.sql("from messages").rows,
                store.archive.grep("secret").rows,
                await store.plan.todos("main"),
                await store.plan.list("main"),
                await store.queue.claim("worker", limit=10),
                await store.keyvalue.list(),
                await store.external.claim_polls("worker", limit=10),
                await store.external.list(),
                await store.schedule.list(),
                await store.access.pairings("c"),
                await store.access.permissions(),
                [event async for block in store.log.read() for event in block],
                await store.log.read_stream(StreamId("acme", SESSION, "main")),
            ]
            status = await store.status()

    for part in shown:
        assert part
        assert "umbrella" not in repr(part)
    assert (status.sessions, status.messages) == (1, 1)


async def test_the_log_of_one_tenant_takes_no_event_of_another(open_store, store):
    """The raw log is a way in as well."""
    theirs = StreamId("umbrella", SESSION, "main")
    async with open_store("other", tenant="acme") as mine:
        event = store.conversation._scope.new(theirs, SessionUpdated(title="x"))
        with pytest.raises(WrongTenant):
            await mine.log.append(Command([event]))
        with pytest.raises(WrongTenant):
            await mine.log.state("sessions", theirs)
        with pytest.raises(WrongTenant):
            await mine.log.read_stream(theirs)
        with pytest.raises(WrongTenant):
            await mine.log.reload([theirs])
    assert (await store.log.head()).position == 0


async def test_keys_that_look_like_prefixes_of_each_other_never_touch(store):
    """Invariant 10: keys are columns, never string prefixes."""
    for tenant, key in [("a", "b:c"), ("a:b", "c"), ("", "a:b:c"), ("a", "b"), ("", "%"), ("", "_")]:
        await store.conversation.append(key, {"role": "user", "content": f"{tenant}|{key}"}, tenant=tenant)

    for tenant, key in [("a", "b:c"), ("a:b", "c"), ("", "a:b:c"), ("a", "b"), ("", "%"), ("", "_")]:
        found = await store.conversation.load(key, tenant=tenant)
        assert [message.content for message in found] == [f"{tenant}|{key}"]


async def test_a_refusal_never_rests_on_memory_alone(open_store, store):
    """Another process created and deleted what this one remembers otherwise."""
    async with open_store("other") as other:
        with pytest.raises(NotFound):
            await store.sessions.update("main", title="one")  # from here on remembered as absent
        await other.sessions.create("main")
        await store.sessions.update("main", title="two")
        await other.sessions.delete("main")
        with pytest.raises(NotFound):
            await store.sessions.end("main")
        await store.sessions.create("main")
        with pytest.raises(AlreadyExists):
            await other.sessions.create("main")


async def test_fifty_commands_at_once_on_one_stream_all_come_through(store):
    """They take turns instead of failing on each other."""
    await store.sessions.create("main")
    titles = [f"title {n}" for n in range(50)]

    await asyncio.gather(*(store.sessions.update("main", title=title) for title in titles))

    events = await store.log.read_stream(StreamId("", SESSION, "main"))
    assert sorted(event.value["title"] for event in events[1:]) == sorted(titles)


async def test_two_processes_that_decide_on_one_stream_both_come_through(open_store, store):
    """A conflict is decided again on what the other one left."""
    await store.sessions.create("main")
    async with open_store("other") as other:
        await asyncio.gather(*(s.archive.new_generation("main") for s in [store, other] * 3))

    assert (await store.sessions.get("main")).generation == 6


async def test_a_command_that_must_be_at_a_version_is_decided_once(store):
    """The caller knows what it summed up; deciding again would hide what it has not seen."""
    await store.conversation.append_many("main", [{"role": "user", "content": str(n)} for n in range(3)])
    seen = (await store.conversation.load("main"))[-1].version
    await store.conversation.append("main", {"role": "user", "content": "later"})

    with pytest.raises(Conflict):
        await store.conversation.compact("main", "so far", expected_version=seen)

    assert len(await store.conversation.load("main")) == 4


async def test_every_query_of_the_face_is_one_documented_statement_that_postgres_prepares(store):
    """Whoever reads the call sees only a name and values."""
    names = sorted(file.name.removesuffix(".sql") for file in (files("agentlog") / "queries").iterdir())
    async with store.log.reads.connection() as connection:
        for name in names:
            await assert_prepares(connection, query_text(name), store.log.settings.schema)
