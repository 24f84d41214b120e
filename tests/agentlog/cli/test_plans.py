"""`agentlog plan`, as somebody types it."""

from __future__ import annotations

import asyncio

import agentlog


def test_plans_and_todos_are_shown_as_they_stand_and_as_they_changed(cli):
    """Agents write them; people look."""

    async def write():
        async with agentlog.open() as store:
            await store.plan.replace_todos("main", [{"content": "a", "status": "pending"}])
            await store.plan.replace_todos("main", [{"content": "a", "status": "completed"}])
            await store.plan.save("main", "read, then write", plan_id="p1", name="Fix it")
            await store.plan.approve("main")
            await store.plan.save("main", "another", plan_id="p2")

    asyncio.run(write())
    [todo] = cli("plan", "todos", "main", "--json").rows
    assert (todo["content"], todo["status"]) == ("a", "completed")
    assert todo["completed_at"] is not None
    rows = cli("plan", "todos", "main", "--history", "a", "--json").rows
    assert [(row["position"], row["status"]) for row in rows] == [(1, "pending"), (2, "completed")]
    assert [row["plan_id"] for row in cli("plan", "ls", "main", "--json").rows] == ["p2", "p1"]
    assert cli("plan", "ls", "main", "-n", "1", "--after", "p2").lines[0].startswith("p1\tapproved\t")
    assert cli("plan", "show", "main", "--json").document["content"] == "another"
    assert cli("plan", "show", "main", "--plan", "p1", "--json").document["status"] == "approved"
    rows = cli("plan", "show", "main", "--plan", "p1", "--history", "--json").rows
    assert [row["type"] for row in rows] == ["plan_saved", "plan_approved"]
    for nothing in (["nobody"], ["main", "--plan", "p3"], ["nobody", "--history"]):
        answer = cli("plan", "show", *nothing)
        assert (answer.status, answer.out) == (1, "")
