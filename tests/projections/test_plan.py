"""Todo lists, as examples: what was written, then how much is done."""

from __future__ import annotations

from eventlog.events import SessionEnded, Todo, TodosReplaced
from projections.plan import TODO_LISTS, TodoList
from tests.projections.given import Example
from tests.support.histories import unreadable

plan = Example(TODO_LISTS)
TODOS = (
    Todo("a", "completed"),
    Todo("b", "completed"),
    Todo("c", "in_progress", "doing c", "3"),
    Todo("d", "pending"),
    Todo("e", "blocked"),
)


def test_todos_are_counted_by_status() -> None:
    """A status of the agent's own counts in the total."""
    assert plan.when(TodosReplaced(TODOS)).state == TodoList(5, 2, 1, 1, TODOS)


def test_a_list_replaces_the_one_before() -> None:
    """Agents write the whole list each time."""
    plan.given(TodosReplaced(TODOS)).when(TodosReplaced(TODOS[:1])).then(
        total=1, completed=1, todos=TODOS[:1]
    )


def test_an_empty_list_is_a_list() -> None:
    """The agent cleared it."""
    assert plan.when(TodosReplaced(())).state == TodoList()
    plan.given(TodosReplaced(TODOS)).when(TodosReplaced(())).then(total=0, todos=())


def test_the_same_list_again_writes_no_row() -> None:
    """Agents repeat themselves."""
    plan.given(TodosReplaced(TODOS)).when(TodosReplaced(TODOS)).then_nothing_changes()


def test_other_events_leave_the_list() -> None:
    """Also when the session ends, or a list cannot be read."""
    plan.given(TodosReplaced(TODOS)).when(SessionEnded()).then_nothing_changes()
    plan.given(TodosReplaced(TODOS)).when(unreadable(TodosReplaced)).then_nothing_changes()
    plan.when(SessionEnded()).then_there_is_no_row()
