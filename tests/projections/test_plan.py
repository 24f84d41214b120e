"""Todo lists, as examples: what was written, then how much is done."""

from __future__ import annotations

from datetime import UTC, datetime

from eventlog.events import (
    PlanApproved,
    PlanCleared,
    PlanCompleted,
    PlanFailed,
    PlanSaved,
    PlanStarted,
    SessionEnded,
    Todo,
    TodosReplaced,
)
from projections.plan import PLANS, TODO_LISTS, Plan, TodoList
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


plans = Example(PLANS)
T1, T2 = datetime(2026, 11, 22, 8, tzinfo=UTC), datetime(2026, 11, 22, 9, tzinfo=UTC)
SAVED = PlanSaved("main", "p", "read, then write", "Fix it", created_at=T1)


def test_a_saved_plan_is_what_was_saved() -> None:
    """All of it: what is not given is gone."""
    plans.given(SAVED, PlanFailed("main", "p", "no disk", T2)).when(PlanSaved("main", "p", "new")).then(
        session="main", plan_id="p", content="new", name=None, status="draft", error=None,
        created_at=None, completed_at=None,
    )  # fmt: skip


def test_each_step_has_its_status_and_its_time() -> None:
    """A plan that is started again is not completed any more, and what failed before counts no more."""
    example = plans.given(SAVED).when(PlanApproved("main", "p", T1))
    example.then(status="approved", approved_at=T1, created_at=T1)
    example = example.when(PlanStarted("main", "p", T2))
    example.then(status="executing", approved_at=T1, started_at=T2)
    example = example.when(PlanFailed("main", "p", "no disk", T2))
    example.then(status="failed", error="no disk", completed_at=T2)
    example = example.when(PlanStarted("main", "p", T1))
    example.then(status="executing", error=None, started_at=T1, completed_at=None)
    example.when(PlanCompleted("main", "p", T2)).then(status="completed", completed_at=T2)


def test_a_cleared_plan_stays_cleared_until_it_is_saved_again() -> None:
    """A step that comes late does not bring it back."""
    cleared = plans.given(SAVED, PlanCleared("main", "p"))
    cleared.then(status="cleared", content="read, then write")
    cleared.when(PlanStarted("main", "p", T2)).then(status="cleared")
    cleared.when(PlanCleared("main", "p", "again")).then_nothing_changes()
    cleared.when(SAVED).then(status="draft")
    assert plans.when(unreadable(PlanSaved)).state == Plan()
    assert Plan().status == "cleared"
