"""Todos and plans against plain lists: any operations, with the store reopened in between."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from agentlog.errors import NotFound
from tests.support.machine import StoreMachine, run_machine

SESSIONS = ["a", "a:b"]
sessions = st.sampled_from(SESSIONS)
plan_ids = st.sampled_from(["p", "b:p", "%"])
todos = st.builds(
    lambda content, status, id: {"content": content, "status": status, "id": id},
    st.sampled_from(["read", "write", "a\nb", ""]),
    st.sampled_from(["pending", "in_progress", "completed", "on ice"]),
    st.none() | st.sampled_from(["1", "2"]),
)
STEPS = {"approve": "approved", "start": "executing", "complete": "completed", "fail": "failed"}


class TodosAndPlans(StoreMachine):
    """The model: each session's list, its plans in order of their making, what happened to each."""

    def __init__(self) -> None:
        super().__init__()
        self.todos: dict[str, list[dict[str, Any]]] = {key: [] for key in SESSIONS}
        self.plans: dict[str, dict[str, dict[str, Any]]] = {key: {} for key in SESSIONS}
        self.told: dict[tuple[str, str], list[str]] = {}

    @rule(key=sessions, wanted=st.lists(todos, max_size=3))
    def replace_todos(self, key: str, wanted: list[dict[str, Any]]) -> None:
        receipt = self.run(self.store.plan.replace_todos(key, wanted, tenant=self.tenant))
        if self.todos[key] != wanted:
            assert receipt is not None
        self.todos[key] = wanted

    @rule(key=sessions, plan_id=plan_ids, content=st.sampled_from(["x", "y"]), name=st.none() | st.just("n"))
    def save(self, key: str, plan_id: str, content: str, name: str | None) -> None:
        self.run(self.store.plan.save(key, content, plan_id=plan_id, name=name, tenant=self.tenant))
        saved = {"content": content, "name": name, "status": "draft", "error": None, "times": [False] * 3}
        if self.plans[key].get(plan_id) != saved:
            self.told.setdefault((key, plan_id), []).append("plan_saved")
        self.plans[key][plan_id] = saved

    @rule(key=sessions, plan_id=st.none() | plan_ids, step=st.sampled_from(list(STEPS)))
    def go_on(self, key: str, plan_id: str | None, step: str) -> None:
        more = {"error": "no disk"} if step == "fail" else {}
        going = getattr(self.store.plan, step)(key, plan_id=plan_id, tenant=self.tenant, **more)
        name, plan = self.named(key, plan_id)
        if plan is None or plan["status"] == "cleared":
            with pytest.raises(NotFound):
                self.run(going)
            return
        assert (self.run(going) is None) == (plan["status"] == STEPS[step])
        if plan["status"] == STEPS[step]:
            return
        plan |= {"status": STEPS[step], "error": more.get("error")}
        if step == "start":
            plan["times"] = [plan["times"][0], True, False]
        else:
            plan["times"][0 if step == "approve" else 2] = True
        event = {"approve": "plan_approved", "start": "plan_started", "complete": "plan_completed"}
        self.told[key, name].append(event.get(step, "plan_failed"))

    @rule(key=sessions, plan_id=st.none() | plan_ids)
    def clear(self, key: str, plan_id: str | None) -> None:
        clearing = self.store.plan.clear(key, plan_id=plan_id, tenant=self.tenant)
        name, plan = self.named(key, plan_id)
        if plan is None or (plan_id is None and plan["status"] == "cleared"):
            with pytest.raises(NotFound):
                self.run(clearing)
            return
        assert (self.run(clearing) is None) == (plan["status"] == "cleared")
        if plan["status"] != "cleared":
            plan["status"] = "cleared"
            self.told[key, name].append("plan_cleared")

    def named(self, key: str, plan_id: str | None) -> tuple[str, dict[str, Any] | None]:
        """The plan that is named, or the one that was made last."""
        name = plan_id or next(reversed(self.plans[key]), "")
        return name, self.plans[key].get(name)

    @rule(key=sessions, plan_id=plan_ids)
    def look_back(self, key: str, plan_id: str) -> None:
        history = self.run(self.store.plan.history(key, plan_id, tenant=self.tenant))
        assert [change.type for change in history] == self.told.get((key, plan_id), [])

    @invariant()
    def lists_and_plans_are_as_they_were_left(self) -> None:
        for key in SESSIONS:
            found = self.run(self.store.plan.todos(key, tenant=self.tenant))
            assert [
                {"content": todo.content, "status": todo.status, "id": todo.id} for todo in found
            ] == self.todos[key]
            assert all(todo.completed_at for todo in found if todo.status == "completed")
            plans = self.run(self.store.plan.list(key, tenant=self.tenant))
            assert {plan.plan_id: shown(plan) for plan in plans} == self.plans[key]
            assert [plan.plan_id for plan in plans] == list(reversed(self.plans[key]))
            current = self.run(self.store.plan.get(key, tenant=self.tenant))
            _, plan = self.named(key, None)
            assert (current and shown(current)) == (plan if plan and plan["status"] != "cleared" else None)


def shown(plan: Any) -> dict[str, Any]:
    """A plan as the model has it: of times, only whether they are there."""
    times = [plan.approved_at, plan.started_at, plan.completed_at]
    assert plan.created_at is not None
    return {
        "content": plan.content, "name": plan.name, "status": plan.status, "error": plan.error,
        "times": [time is not None for time in times],
    }  # fmt: skip


def test_todos_and_plans_are_what_lists_would_be(postgres_server):
    """Invariant 6 besides: at the end of each run the live tables equal a rebuild."""
    run_machine(TodosAndPlans, postgres_server)
