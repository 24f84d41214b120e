"""A session's list of things to do, as last written, and how much of it is done; and its plans.

`todo_lists` has one row per session stream, `plans` one per plan stream. A session's current plan is the
one whose row is newest; it has none when that one was cleared.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import assert_never

import msgspec

from eventlog.events import (
    PLAN,
    SESSION,
    PlanApproved,
    PlanCleared,
    PlanCompleted,
    PlanFailed,
    PlanSaved,
    PlanStarted,
    PlanStep,
    Todo,
    TodosReplaced,
)
from projections.columns import moment, stream_key
from projections.fold import Fold

DRAFT, APPROVED, EXECUTING, COMPLETED, FAILED, CLEARED = (
    "draft", "approved", "executing", "completed", "failed", "cleared",
)  # fmt: skip


class TodoList(msgspec.Struct, frozen=True, gc=False):
    """A row of `todo_lists`. Todos with another status count in `total` alone."""

    total: int = 0
    completed: int = 0
    in_progress: int = 0
    pending: int = 0
    todos: tuple[Todo, ...] = ()


class Plan(msgspec.Struct, frozen=True, gc=False):
    """A row of `plans`. `completed_at` is when it was completed or failed; `cleared` is a status."""

    session: str = ""
    plan_id: str = ""
    name: str | None = None
    content: str = ""
    status: str = CLEARED
    error: str | None = None
    created_at: datetime | None = None
    approved_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None


def evolve(plan: TodoList, event: TodosReplaced, version: int) -> TodoList:
    """Return the list as `event` wrote it."""
    todos = event.todos
    if todos == plan.todos:
        return plan
    count = Counter(todo.status for todo in todos)
    return TodoList(len(todos), count["completed"], count["in_progress"], count["pending"], todos)


def evolve_plan(plan: Plan, event: PlanStep, version: int) -> Plan:
    """Return the plan after `event`. One that was cleared stays so until it is saved again."""
    names = {"session": stream_key(event.session) or "", "plan_id": stream_key(event.plan_id) or ""}
    match event:
        case PlanSaved():
            changed = Plan(
                **names,
                name=event.name,
                content=event.content,
                status=event.status,
                error=event.error,
                created_at=_moment(event.created_at),
                approved_at=_moment(event.approved_at),
                started_at=_moment(event.started_at),
                completed_at=_moment(event.completed_at),
            )
        case PlanApproved(at=at):
            changed = _step(plan, names, APPROVED, approved_at=_moment(at))
        case PlanStarted(at=at):
            changed = _step(plan, names, EXECUTING, started_at=_moment(at), completed_at=None)
        case PlanCompleted(at=at):
            changed = _step(plan, names, COMPLETED, completed_at=_moment(at))
        case PlanFailed(at=at, error=error):
            changed = _step(plan, names, FAILED, completed_at=_moment(at), error=error)
        case PlanCleared():
            changed = msgspec.structs.replace(plan, **names, status=CLEARED)
        case _:
            assert_never(event)
    return plan if changed == plan else changed


def _step(plan: Plan, names: dict[str, str], status: str, **fields: datetime | str | None) -> Plan:
    """Return the plan one step further: what went wrong before counts no more."""
    if plan.status == CLEARED:
        status = CLEARED
    return msgspec.structs.replace(plan, **names, **({"error": None, "status": status} | fields))


def _moment(time: datetime | None) -> datetime | None:
    return None if time is None else moment(time)


TODO_LISTS = Fold(
    "todo_lists",
    version=2,
    kind=SESSION,
    state=TodoList,
    evolve=evolve,
    folds=(TodosReplaced,),
    initial=TodoList(),
)

PLANS = Fold(
    "plans",
    version=1,
    kind=PLAN,
    state=Plan,
    evolve=evolve_plan,
    folds=(PlanSaved, PlanApproved, PlanStarted, PlanCompleted, PlanFailed, PlanCleared),
    initial=Plan(),
)
