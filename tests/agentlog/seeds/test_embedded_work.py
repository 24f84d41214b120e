"""A program written for the embedded store's task queue and cron table runs here, and hears the same."""

from __future__ import annotations

import agentlog
from tests.agentlog.seeds.embedded_work import EmbeddedWork, Meant, OnAgentlog

SESSIONS = ("a", "a:b")


async def test_a_program_of_the_task_queue_runs_as_its_user_wrote_it(store: agentlog.Store):
    """Priorities, duplicates, merges, turns and replies, failures until a task is dead, notifications."""
    heard = {name: await a_day(kind) for name, kind in (("meant", Meant()), ("here", OnAgentlog(store)))}
    assert heard["here"] == heard["meant"]
    assert await store.verify() == []


async def a_day(work: EmbeddedWork) -> list[object]:
    """The program: everything it is answered, in order."""
    heard: list[object] = [await work.dequeue_task(), await work.get_task("nobody")]
    for number, priority in enumerate((2, 1, 0, 2)):
        await work.enqueue_task(f"t{number}", SESSIONS[number % 2], f"text {number}", priority)
    heard += [await work.enqueue_unless_duplicate(f"u{n}", "c", "again") for n in range(3)]
    heard += [await work.merge_or_enqueue(f"m{n}", "d", f"part {n}") for n in range(3)]
    heard += [await work.get_task(id) for id in ("t0", "u0", "u1", "m0", "m1")]
    first = await work.dequeue_task()
    assert first is not None
    await work.update_task_turn(first, 1)
    await work.update_task_last_reply(first, "half way")
    heard += [first, await work.get_task(first), await work.list_tasks("running")]
    await work.done(first)
    await work.mark_task_notified(first)
    heard += [await work.get_task(first), await work.list_tasks("completed")]
    # Which of two that are as urgent comes first is another there: a retry keeps its place, here it waits
    # behind what waits already.
    failed: dict[str, list[object]] = {}
    while (failing := await work.dequeue_task()) is not None:
        failed.setdefault(failing, []).extend([await work.fail_task(failing), await work.get_task(failing)])
    heard.append(sorted(failed.items()))
    heard += [await work.list_tasks(status) for status in ("pending", "dead", None)]
    # A dead one is no duplicate: only what waits is.
    heard += [await work.enqueue_unless_duplicate("u9", "c", "again"), await work.dequeue_task()]
    return heard


async def test_what_a_restart_and_time_do_needs_no_call(store: agentlog.Store):
    """A task of a process that died, and one that waited too long: whoever claims next finds them so."""
    await store.tasks.enqueue(["held"], id="held")
    await store.tasks.enqueue(["late"], id="late", ttl_s=0.0)
    (task,) = await store.tasks.claim("died", lease_s=0.0)
    assert task.id == "held"
    assert [task.id for task in await store.tasks.claim("next")] == ["held"]
    held, late = await store.tasks.get("held"), await store.tasks.get("late")
    assert held is not None
    assert late is not None
    assert (held.releases, held.retries, held.worker) == (1, 0, "next")
    assert late.status == "expired"


async def test_a_program_of_the_cron_table_runs_as_its_user_wrote_it(store: agentlog.Store):
    heard = {name: await a_table(kind) for name, kind in (("meant", Meant()), ("here", OnAgentlog(store)))}
    assert heard["here"] == heard["meant"]


async def a_table(work: EmbeddedWork) -> list[object]:
    """Rows put, changed, disabled, deleted, and all of them replaced."""
    heard: list[object] = [await work.cron_get("none"), await work.cron_list()]
    await work.cron_delete("none")
    for id in ("a", "a:b", "c"):
        await work.cron_put(id, ("0 9 * * *", f"do {id}", True))
    await work.cron_put("a", ("30 9 * * 1-5", "do it", False))
    await work.cron_delete("c")
    heard += [await work.cron_get(id) for id in ("a", "a:b", "c")]
    heard.append(await work.cron_list())
    await work.cron_bulk_replace({"c": ("@daily", "again", True), "a": ("0 0 1 * *", "monthly", True)})
    heard += [await work.cron_list(), await work.cron_get("a:b")]
    await work.cron_bulk_replace({})
    heard.append(await work.cron_list())
    return heard
