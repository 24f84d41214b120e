"""Whatever an argument is: a method of a handle does it, or raises an error of ours and changes nothing.

Every public method of every handle is called validly, and then again with one argument at a time replaced
by each of HOSTILE. What is valid is said once, in VALID by the argument's name and in OWN by the method's;
STAGES make what must be there before. A method that is in none of them fails the test.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import operator
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import agentlog
from agentlog.archive_answer import Answer
from agentlog.conversation_changes import Edits
from agentlog.errors import AgentlogError
from agentlog.past import PastStore
from agentlog.schedule_definition import Definition
from agentlog.session_changes import Attributes, Changes
from agentlog.worker import Loop
from eventlog.envelope import StreamId
from eventlog.errors import shown
from tests.docs.test_handles import HANDLES, methods

HOSTILE: list[Any] = [
    None, True, 0, -1, 2**70, 1.5, float("nan"), float("inf"), float("-inf"), 1e18,
    "", "x" * 300, "a\0b", "\ud800", b"x", [], {}, [None], object(),
    10**5000, datetime(2026, 1, 1), datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC),
    Decimal("NaN"), Decimal("1e999999"),
]  # fmt: skip
# Of all these, for what is looked at in one place, whichever method is called; and for a past.
FEW: list[Any] = [None, 10**5000, "a\0b", b"x", [None], object()]
# How long a call may take, on a busy machine.
PATIENCE_S = 60.0
# What waits for work has been judged once it waits.
WAITING_S = 0.2
# It draws a page each time.
SLOW = ("report",)
# One ends the store, one starts a server for each call.
LEFT_OUT = {"store.close", "store.replay.export_store"}
# Whose valid call is refused as well, because what it asks for is not there.
REFUSED = {"store.migrate_from_s0"}
# The log itself is no handle: what it is given was made and checked by one, or by who knows the log.
PLACES = [place for place in HANDLES if place != "store.log"]
# Handles that a store as of a moment has not.
NOW_ONLY = ("store", "store.delivery", "store.replay", "store.local")
ENDLESS = ("run", "work")
# What is made anew for each call, because a call uses it up.
USED_UP = {"meta", "new_key", "directory", "data", "path", "concurrency"}
# What says whose data, or which thing, is meant: replaced, a call does not touch what is there.
NAMING = {"held", "id", "tenant"}
# What names a file may also raise what the file system says of it.
PATHS = {"directory", "data", "path", "paths", "svg"}

MESSAGE = {"role": "user", "content": "hello"}
LINE = {
    "type": "user", "uuid": "9c1a0f3e-0000-4000-8000-000000000001", "sessionId": "s", "parentUuid": None,
    "timestamp": "2026-01-01T00:00:00Z", "message": MESSAGE,
}  # fmt: skip
VALID: dict[str, Any] = {
    "agent": "a", "alias": "other", "aliases": {"other": "s"}, "app": "mail", "before": 0, "body": {"n": 1},
    "callback_token": "t", "channel": "c", "code": "1234", "content": "do it", "cron": "@daily",
    "decision": "allow", "definitions": {"n": Definition(cron="@daily")}, "effect": lambda: asyncio.sleep(0),
    "events_per_s": 1000.0, "expected": None, "first": 0, "id": "i", "key": "s", "kind": "session",
    "message": MESSAGE, "message_id": "m1", "message_ids": ["m1"], "messages": [MESSAGE], "name": "totals",
    "new_key": "fork", "pattern": "h", "peer": "p", "plan_id": "p", "provider": "video", "query": "SELECT 1",
    "request": {"n": 1}, "retention_s": 0.0, "session": "s", "status": "completed",
    "stream": StreamId("", "session", "s"), "summary": "so far", "todo": "t",
    "todos": [{"content": "t", "status": "pending"}], "value": 1, "words": "hello", "worker": "w",
}  # fmt: skip
SPREAD = {"attributes": Attributes, "changes": Changes, "edits": Edits}
OWN: dict[str, dict[str, Any]] = {
    "store.sessions.update": {"title": "new"},
    "store.conversation.edit": {"content": "hello"},
    "store.conversation.record_usage": {"usage": {"input_tokens": 1}},
    "store.external.update": {"timeout_s": 5.0},
}


class Case(NamedTuple):
    """A call: valid but for one argument, which is `value`. `tenant`: whose data is there for it."""

    tenant: str
    parameter: str
    value: Any
    arguments: dict[str, Any]


async def a_session(store: agentlog.Store, tenant: str) -> dict[str, Any]:
    drafts = [agentlog.Draft(MESSAGE, message_id=id) for id in ("m1", "m2")]
    await store.conversation.append_many("s", drafts, tenant=tenant)
    return {}


async def an_item(store: agentlog.Store, tenant: str) -> dict[str, Any]:
    await store.queue.enqueue("s", {"n": 1}, id="i", tenant=tenant)
    return {}


async def a_held_item(store: agentlog.Store, tenant: str) -> dict[str, Any]:
    await an_item(store, tenant)
    [held] = await store.queue.claim("w", tenant=tenant)
    return {"held": held, "token": held.token}


async def a_failed_item(store: agentlog.Store, tenant: str) -> dict[str, Any]:
    held = (await a_held_item(store, tenant))["held"]
    await store.queue.fail(held)
    return {}


async def a_task(store: agentlog.Store, tenant: str) -> dict[str, Any]:
    await store.tasks.enqueue(["do"], id="i", tenant=tenant)
    return {}


async def a_held_task(store: agentlog.Store, tenant: str) -> dict[str, Any]:
    await a_task(store, tenant)
    [held] = await store.tasks.claim("w", tenant=tenant)
    return {"held": held, "token": held.token}


async def held_tasks(store: agentlog.Store, tenant: str) -> dict[str, Any]:
    return {"held": [(await a_held_task(store, tenant))["held"]]}


async def a_cancelled_task(store: agentlog.Store, tenant: str) -> dict[str, Any]:
    await a_task(store, tenant)
    await store.tasks.cancel("i", tenant=tenant)
    return {}


async def a_job(store: agentlog.Store, tenant: str) -> dict[str, Any]:
    made = await store.external.enqueue("video", {}, id="i", callback=True, tenant=tenant)
    return {"callback_token": made.callback_token}


async def a_held_job(store: agentlog.Store, tenant: str) -> dict[str, Any]:
    await a_job(store, tenant)
    [held] = await store.external.claim_polls("w", tenant=tenant)
    return {"held": held, "token": held.token}


async def an_ended_job(store: agentlog.Store, tenant: str) -> dict[str, Any]:
    await store.external.complete((await a_held_job(store, tenant))["held"])
    return {}


async def a_held_delivery(store: agentlog.Store, tenant: str) -> dict[str, Any]:
    await an_ended_job(store, tenant)
    [held] = await store.external.claim_deliveries("w", tenant=tenant)
    return {"held": held}


async def a_schedule(store: agentlog.Store, tenant: str) -> dict[str, Any]:
    await store.schedule.set("i", "@daily", {}, now=datetime(2026, 1, 1, tzinfo=UTC), tenant=tenant)
    return {}


async def a_plan(store: agentlog.Store, tenant: str) -> dict[str, Any]:
    await store.plan.save("s", "do it", plan_id="p", tenant=tenant)
    return {}


async def a_key(store: agentlog.Store, tenant: str) -> dict[str, Any]:
    await store.keyvalue.set("s", None, tenant=tenant)
    return {}


async def a_pairing(store: agentlog.Store, tenant: str) -> dict[str, Any]:
    await store.access.request_pairing("c", "p", "1234", tenant=tenant)
    return {}


async def states(store: agentlog.Store, tenant: str) -> dict[str, Any]:
    await a_session(store, tenant)
    state = await store.replay.state("session", "s", tenant=tenant)
    return {"before": state, "after": state}


async def nothing(store: agentlog.Store, tenant: str) -> dict[str, Any]:
    return {}


async def a_place(store: agentlog.Store, tenant: str) -> dict[str, Any]:
    place = store.configuration.data.parent / f"of-{tenant}"
    return {"path": place, "directory": place, "data": place}


async def an_export(store: agentlog.Store, tenant: str) -> dict[str, Any]:
    place = (await a_place(store, tenant))["directory"]
    await store.replay.export(place)
    return {"directory": place}


async def transcripts(store: agentlog.Store, tenant: str) -> dict[str, Any]:
    place = store.configuration.data.parent / f"{tenant}.jsonl"
    place.write_text(json.dumps(LINE) + "\n")
    return {"paths": [place], "path": place, "source": store.configuration.postgres}


Stage = Callable[[agentlog.Store, str], Awaitable[dict[str, Any]]]
STAGES: dict[str, Stage] = {
    "store.sessions": a_session, "store.conversation": a_session, "store.archive": a_session,
    "store.queue": an_item, "store.tasks": a_task, "store.external": a_job, "store.schedule": a_schedule,
    "store.plan": a_plan, "store.keyvalue": a_key, "store.access": a_pairing, "store.replay": a_session,
    "store.local": a_session,
    "store.queue.held": a_held_item, "store.queue.complete": a_held_item, "store.queue.fail": a_held_item,
    "store.queue.release": a_held_item, "store.queue.requeue": a_failed_item,
    "store.tasks.held": a_held_task, "store.tasks.complete": a_held_task,
    "store.tasks.complete_many": held_tasks, "store.tasks.fail": a_held_task,
    "store.tasks.release": a_held_task, "store.tasks.progress": a_held_task,
    "store.tasks.revive": a_cancelled_task,
    "store.external.held": a_held_job, "store.external.polled": a_held_job,
    "store.external.poll_failed": a_held_job, "store.external.complete": a_held_job,
    "store.external.fail": a_held_job, "store.external.claim_deliveries": an_ended_job,
    "store.external.delivered": a_held_delivery, "store.external.delivery_failed": a_held_delivery,
    "store.replay.compare": states, "store.replay.export": a_place, "store.replay.export_store": a_place,
    "store.replay.merge": an_export, "store.archive.report": a_place, "store.schedule.keep_file": a_place,
    "store.schedule.sync_file": a_place, "store.sessions.create": nothing, "store": transcripts,
}  # fmt: skip


def arguments_of(method: Any) -> Iterator[tuple[str, inspect.Parameter]]:
    """Each argument a method takes, by name, also those that are said by a TypedDict."""
    for parameter in list(inspect.signature(method).parameters.values())[1:]:
        if parameter.kind is not parameter.VAR_KEYWORD:
            yield parameter.name, parameter
            continue
        for name in SPREAD[parameter.name].__annotations__ if parameter.name in SPREAD else ("since",):
            yield name, parameter


def call(method: Any, arguments: dict[str, Any]) -> Any:
    """Call a bound method with arguments by name, each in the way it takes it."""
    positional: list[Any] = []
    left = dict(arguments)
    for parameter in inspect.signature(method).parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            positional += left.pop(parameter.name, ())
        elif parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            given = left.pop(parameter.name, parameter.default)
            positional.append(given)
    return method(*positional, **left)


async def finished(answer: Any, name: str) -> None:
    """Wait for whatever a method gives, or for the first of many things."""
    if inspect.isawaitable(answer):
        answer = await answer
    if isinstance(answer, PastStore):
        await answer.moment()
    elif isinstance(answer, Answer):
        await asyncio.to_thread(lambda: answer.rows)
    elif isinstance(answer, Loop | AsyncIterator):
        things: Any = aiter(answer)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(WAITING_S if name in ENDLESS else None):
                    await anext(things, None)
        finally:
            await things.aclose()


async def raised(store: Any, place: str, name: str, case: Case) -> Exception | None:
    """What a call raises; None when it does not."""
    arguments = dict(case.arguments)
    if case.parameter:
        arguments[case.parameter] = [case.value] if case.parameter == "keys" else case.value
    try:
        async with asyncio.timeout(PATIENCE_S):
            method = operator.attrgetter(".".join([*place.split(".")[1:], name]))(store)
            await finished(call(method, arguments), name)
    except Exception as error:
        return error
    return None


async def cases(store: agentlog.Store, place: str, name: str, method: Any, few: bool) -> list[Case]:
    """A valid call, and all that are not in one argument, each with what it needs to be there."""
    stage = STAGES.get(f"{place}.{name}", STAGES.get(place, nothing))
    own = OWN.get(f"{place}.{name}", {})
    wanted: list[tuple[str, Any]] = [("", None)]
    for parameter, _ in arguments_of(method):
        values = FEW if few or name in SLOW or parameter in ("meta", "tenant") else HOSTILE
        wanted += [(parameter, value) for value in values]
    taken = inspect.signature(method).parameters
    used_up = not (PATHS if few else USED_UP).isdisjoint(taken)
    shared = NAMING if PATHS.isdisjoint(taken) else ()
    tenants = [
        f"{name}-{number if used_up and parameter not in shared else parameter in shared}"
        for number, (parameter, _) in enumerate(wanted)
    ]
    gate = asyncio.Semaphore(64)

    async def staged(tenant: str) -> dict[str, Any]:
        async with gate:
            return VALID | {"tenant": tenant} | await stage(store, tenant) | own

    found = dict(zip(set(tenants), await asyncio.gather(*map(staged, set(tenants))), strict=True))
    needed = {
        argument
        for argument, parameter in arguments_of(method)
        if parameter.default is parameter.empty and not parameter.kind.name.startswith("VAR")
    } | ({"tenant"} & taken.keys())
    return [
        Case(tenant, parameter, value, own | {argument: found[tenant][argument] for argument in needed})
        for tenant, (parameter, value) in zip(tenants, wanted, strict=True)
    ]


async def called(store: agentlog.Store, target: Any, place: str) -> list[str]:
    """Call all methods of a handle of `target`, a store or what it was; return what is wrong."""
    there = operator.attrgetter(".".join([*place.split(".")[1:], "__class__"]))(target)
    calls: list[tuple[str, Case]] = []
    for name, method in methods(HANDLES[place]):
        if f"{place}.{name}" not in LEFT_OUT and hasattr(there, name):
            calls += [(name, case) for case in await cases(store, place, name, method, target is not store)]
    before = (await store.log.head()).position
    gate = asyncio.Semaphore(64)
    wrong: list[str] = []
    done: set[str] = set()

    async def judge(name: str, case: Case) -> None:
        async with gate:
            error = await raised(target, place, name, case)
        if error is None:
            done.add(case.tenant if case.parameter != "tenant" else case.value or "")
        allowed = (AgentlogError, OSError) if case.parameter in PATHS else AgentlogError
        valid = not case.parameter and target is store and f"{place}.{name}" not in REFUSED
        if error is not None and (valid or not isinstance(error, allowed)):
            said = f"{case.parameter}={shown(case.value)}" if case.parameter else "valid"
            wrong.append(f"{place}.{name}({said}): {type(error).__name__}: {shown(str(error))}")

    await asyncio.gather(*(judge(*one) for one in calls))
    async for block in store.log.read(before):
        for event in block:
            if event.tenant not in done:
                wrong.append(f"{event.type} was appended for {event.tenant}, though its call raised")
    return wrong


@pytest.mark.parametrize("place", PLACES)
async def test_whatever_stands_in_an_argument_is_done_or_refused_and_then_changes_nothing(
    store: agentlog.Store, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what was done with it can be read and folded like anything else."""
    monkeypatch.chdir(tmp_path)
    wrong = await called(store, store, place)
    assert not wrong, "\n".join(wrong)
    assert await store.verify() == []


@pytest.mark.parametrize("place", [place for place in PLACES if place not in NOW_ONLY])
async def test_a_store_as_of_a_moment_refuses_what_appends_in_errors_of_ours(
    store: agentlog.Store, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What appends is refused there, whatever it is given."""
    monkeypatch.chdir(tmp_path)
    await a_session(store, "")
    wrong = await called(store, store.at(position=1), place)
    assert not wrong, "\n".join(wrong)
