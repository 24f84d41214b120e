"""Plans: the list as it was last written, the plan that was saved last, and how both changed."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from agentlog.errors import BadIdentifier, BadInput, BadPayload, NotFound
from eventlog.events import Todo
from tests.support.queries import plan_of

TODOS = (Todo("write it", "in_progress", "Writing it"), Todo("test it", "pending"))
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def bare(todos):
    """The todos without their times."""
    return tuple(
        msgspec.structs.replace(todo, created_at=None, started_at=None, completed_at=None) for todo in todos
    )


async def test_a_list_is_what_it_was_replaced_with(store):
    """As Todo or as the dict an agent's tool call holds."""
    await store.plan.replace_todos("main", TODOS)
    assert bare(await store.plan.todos("main")) == TODOS

    await store.plan.replace_todos("main", [{"content": "rest", "status": "completed"}])
    assert bare(await store.plan.todos("main")) == (Todo("rest", "completed"),)
    session = await store.sessions.get("main")
    assert (session.todos_total, session.todos_completed) == (1, 1)


async def test_a_todo_has_its_plan_and_its_three_times(store):
    """Given ones stand; others are filled in, and survive the next list."""
    given = {"content": "a", "status": "pending", "id": "1", "plan_id": "p", "created_at": NOON.isoformat()}
    await store.plan.replace_todos("main", [given])
    before = datetime.now(UTC)
    await store.plan.replace_todos("main", [{"content": "b", "status": "in_progress", "id": "1"}])
    await store.plan.replace_todos("main", [{"content": "b", "status": "completed", "id": "1"}])

    [todo] = await store.plan.todos("main")
    assert todo.created_at == NOON
    assert before <= todo.started_at <= todo.completed_at <= datetime.now(UTC)


async def test_the_same_list_again_is_not_written(store):
    """Agents send their list with every step; that time has passed is no change."""
    await store.plan.replace_todos("main", TODOS)

    assert await store.plan.replace_todos("main", TODOS) is None
    assert (await store.log.head()).position == 1


async def test_a_list_can_be_emptied_and_keeps_its_order_s0_could_not(store):
    """S0 ordered todos by the time they were made: those of one instant came back in any order."""
    many = [{"content": str(n), "status": "pending", "created_at": NOON.isoformat()} for n in range(50)]
    await store.plan.replace_todos("main", many)
    assert [todo.content for todo in await store.plan.todos("main")] == [str(n) for n in range(50)]
    await store.plan.replace_todos("main", [])
    assert await store.plan.todos("main") == ()


async def test_a_status_nobody_knows_comes_back_s0_skipped_the_row(store):
    """S0 left a todo out of the list, with a warning, when it could not read it."""
    await store.plan.replace_todos("main", [{"content": "a", "status": "on ice \x00"}])
    assert (await store.plan.todos("main"))[0].status.startswith("on ice")
    await store.plan.save("main", "x", status="on ice")
    assert (await store.plan.get("main")).status == "on ice"


async def test_a_session_without_a_plan_has_an_empty_list(store):
    """Asking makes nothing."""
    assert await store.plan.todos("nobody") == ()
    assert await store.plan.get("nobody") is None
    assert await store.plan.list("nobody") == []
    assert await store.plan.todo_history("nobody", "x") == []
    assert await store.plan.history("nobody", "x") == []


@pytest.mark.parametrize(
    "todo",
    [
        {"content": "x"}, {"status": "pending"}, {"content": 1, "status": "x"}, "x",
        {"content": "x", "status": "x", "created_at": "2026-01-01T00:00:00"},
    ],
)  # fmt: skip
async def test_what_is_no_todo_is_refused(store, todo):
    """It would be a hole in the list."""
    with pytest.raises(BadInput):
        await store.plan.replace_todos("main", [todo])


async def test_the_history_of_a_todo_is_read_from_the_log(store):
    """By id or by content; also that it was taken off the list and came back."""
    a, b = {"content": "a", "status": "pending"}, {"content": "b", "status": "pending", "id": "1"}
    for todos in ([a], [a, b], [b], [{**b, "content": "c"}], [a, {**b, "status": "completed"}]):
        await store.plan.replace_todos("main", todos, meta={"actor": "main"})
        await store.conversation.append("main", {"role": "user", "content": "noise"})

    def told(history):
        return [(change.position, change.todo and change.todo.status) for change in history]

    assert told(await store.plan.todo_history("main", "a")) == [(1, "pending"), (5, None), (9, "pending")]
    history = await store.plan.todo_history("main", "1")
    assert told(history) == [(3, "pending"), (7, "pending"), (9, "completed")]
    assert [change.todo.content for change in history] == ["b", "c", "b"]
    assert history[0].meta == {"actor": "main"}


async def test_a_plan_goes_through_its_steps(store):
    """Each with its time; a step to where it stands is not written."""
    plan_id = await store.plan.save("main", "read, then write", name="Fix it")
    plan = await store.plan.get("main")
    assert (plan.plan_id, plan.content, plan.name, plan.status) == (
        plan_id,
        "read, then write",
        "Fix it",
        "draft",
    )
    assert plan.created_at is not None
    for step, status in (("approve", "approved"), ("start", "executing"), ("complete", "completed")):
        assert await getattr(store.plan, step)("main") is not None
        assert await getattr(store.plan, step)("main") is None
        assert (await store.plan.get("main")).status == status
    done = await store.plan.get("main", plan_id)
    assert done.created_at == plan.created_at <= done.approved_at <= done.started_at <= done.completed_at
    await store.plan.fail("main", error="no disk")
    assert ((await store.plan.get("main")).status, (await store.plan.get("main")).error) == (
        "failed",
        "no disk",
    )
    assert [change.type for change in await store.plan.history("main", plan_id)] == [
        "plan_saved", "plan_approved", "plan_started", "plan_completed", "plan_failed",
    ]  # fmt: skip


async def test_a_saved_plan_can_be_cleared_s0_brought_it_back(store):
    """S0 wrote a plan when there was one, and forgot to take it away when there was none."""
    await store.plan.save("main", "old", plan_id="p1")
    await store.plan.save("main", "new", plan_id="p2")
    assert await store.plan.clear("main", reason="superseded") is not None

    assert await store.plan.get("main") is None  # nor the older one
    assert await store.plan.get("main", "p2") is None
    assert (await store.plan.get("main", "p1")).content == "old"
    assert [(plan.plan_id, plan.status) for plan in await store.plan.list("main")] == [
        ("p2", "cleared"), ("p1", "draft"),
    ]  # fmt: skip
    with pytest.raises(NotFound, match="was cleared"):
        await store.plan.clear("main")
    assert await store.plan.clear("main", "p2") is None
    with pytest.raises(NotFound, match="'p2'"):
        await store.plan.approve("main", "p2")
    await store.plan.save("main", "again", plan_id="p2")
    assert (await store.plan.get("main")).content == "again"


async def test_a_reused_id_reaches_no_other_session_s0_overwrote_it(store):
    """S0 took any row of that id for its own; and `a` with `b:c` is not `a:b` with `c`."""
    places = [("a", "b:c"), ("a:b", "c"), ("a", "p"), ("b", "p")]
    for session, plan_id in places:
        await store.plan.save(session, f"{session}|{plan_id}", plan_id=plan_id)
    await store.plan.save("a", "of a tenant", plan_id="p", tenant="t")
    for session, plan_id in places:
        assert (await store.plan.get(session, plan_id)).content == f"{session}|{plan_id}"
    assert [plan.plan_id for plan in await store.plan.list("a")] == ["p", "b:c"]
    assert [plan.plan_id for plan in await store.plan.list("a:b")] == ["c"]


async def test_saving_a_plan_again_keeps_when_it_was_made_and_nothing_else(store):
    """The same once more is not written."""
    await store.plan.save("main", "one", plan_id="p", status="approved", approved_at=NOON, created_at=NOON)
    await store.plan.save("main", "one", plan_id="p", status="approved", approved_at=NOON)
    assert (await store.log.head()).position == 1
    await store.plan.save("main", "two", plan_id="p")
    plan = await store.plan.get("main")
    assert (plan.content, plan.status, plan.created_at, plan.approved_at) == ("two", "draft", NOON, None)


async def test_plans_are_listed_newest_first_page_by_page(store):
    """In order of the log, by its own index: two of one instant have an order as well."""
    ids = [await store.plan.save("main", str(n), created_at=NOON) for n in range(5)]
    first = await store.plan.list("main", limit=2)
    rest = await store.plan.list("main", after=first[-1].plan_id)
    assert [plan.plan_id for plan in first + rest] == ids[::-1]
    with pytest.raises(NotFound, match="'p9'"):
        await store.plan.list("main", after="p9")
    plan = await plan_of(store.log, "plans", "", "main", 100, 1)
    assert "using plans_by_session" in plan
    assert "Sort" not in plan


async def test_invalid_input_is_refused_by_its_name_and_changes_nothing(store):
    """At each entry point."""
    plan = store.plan
    calls = [
        (lambda: plan.save("", "x"), BadIdentifier, "session key is empty"),
        (lambda: plan.save("main", "x", plan_id=""), BadIdentifier, "plan_id is empty"),
        (lambda: plan.save("main", 7), BadPayload, "content"),
        (lambda: plan.save("main", "x", status=""), BadPayload, "status"),
        (lambda: plan.save("main", "x", status="cleared"), BadInput, "'cleared'"),
        (lambda: plan.save("main", "x", created_at=datetime(2026, 1, 1)), BadInput, "2026-01-01"),
        (lambda: plan.save("main", "x", completed_at="now"), BadInput, "completed_at 'now'"),
        (lambda: plan.approve("main"), NotFound, "'main' has no plan"),
        (lambda: plan.start("main", "p"), NotFound, "'p'"),
        (lambda: plan.complete("main", "p\x00"), BadIdentifier, "NUL"),
        (lambda: plan.fail("main", "p", "x"), NotFound, "'p'"),
        (lambda: plan.clear("main"), NotFound, "'main' has no plan"),
        (lambda: plan.get("main", ""), BadIdentifier, "plan_id is empty"),
        (lambda: plan.list("main", limit=0), BadInput, "limit 0"),
        (lambda: plan.history("main", ""), BadIdentifier, "plan_id is empty"),
        (lambda: plan.todo_history("", "x"), BadIdentifier, "session key is empty"),
        (lambda: plan.replace_todos("main", [Todo("x", 7)]), BadPayload, "status"),
    ]
    for call, error, named in calls:
        with pytest.raises(error, match=named):
            await call()
    assert (await store.log.head()).position == 0
