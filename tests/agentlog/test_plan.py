"""Plans: the list as it was last written."""

from __future__ import annotations

import pytest

from agentlog.errors import BadInput
from eventlog.events import Todo

TODOS = (Todo("write it", "in_progress", "Writing it"), Todo("test it", "pending"))


async def test_a_list_is_what_it_was_replaced_with(store):
    """As Todo or as the dict an agent's tool call holds."""
    await store.plan.replace_todos("main", TODOS)
    assert await store.plan.todos("main") == TODOS

    await store.plan.replace_todos("main", [{"content": "rest", "status": "completed"}])
    assert await store.plan.todos("main") == (Todo("rest", "completed"),)
    session = await store.sessions.get("main")
    assert (session.todos_total, session.todos_completed) == (1, 1)


async def test_the_same_list_again_is_not_written(store):
    """Agents send their list with every step."""
    await store.plan.replace_todos("main", TODOS)

    assert await store.plan.replace_todos("main", TODOS) is None
    assert (await store.log.head()).position == 1


async def test_a_session_without_a_plan_has_an_empty_list(store):
    """Asking makes nothing."""
    assert await store.plan.todos("nobody") == ()


@pytest.mark.parametrize(
    "todo", [{"content": "x"}, {"status": "pending"}, {"content": 1, "status": "x"}, "x"]
)
async def test_what_is_no_todo_is_refused(store, todo):
    """It would be a hole in the list."""
    with pytest.raises(BadInput):
        await store.plan.replace_todos("main", [todo])
