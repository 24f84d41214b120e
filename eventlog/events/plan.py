"""What an agent means to do: its list of things to do, on the session's stream, and its plans.

Stream kind `plan`, one stream per session and plan (`keys.join_key`). Times are those of whoever writes
the event: a fold has no clock.
"""

from __future__ import annotations

import msgspec

from eventlog.events.fields import Time, Word


class Todo(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing to do; `status` is the agent's own word: pending, in_progress, completed, …"""

    content: str
    status: str
    active_form: str | None = None
    id: str | None = None
    plan_id: str | None = None
    created_at: Time | None = None
    started_at: Time | None = None
    completed_at: Time | None = None


class TodosReplaced(msgspec.Struct, frozen=True):
    """The whole list as it is now; agents write it anew each time."""

    todos: tuple[Todo, ...]


class PlanSaved(msgspec.Struct, frozen=True, omit_defaults=True):
    """The whole plan as it is now; a session's newest plan is the current one."""

    session: str
    plan_id: str
    content: str
    name: str | None = None
    status: Word = "draft"
    error: str | None = None
    created_at: Time | None = None
    approved_at: Time | None = None
    started_at: Time | None = None
    completed_at: Time | None = None


class PlanApproved(msgspec.Struct, frozen=True, omit_defaults=True):
    """Somebody agreed to the plan."""

    session: str
    plan_id: str
    at: Time | None = None


class PlanStarted(msgspec.Struct, frozen=True, omit_defaults=True):
    """The agent does what the plan says."""

    session: str
    plan_id: str
    at: Time | None = None


class PlanCompleted(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the plan says was done."""

    session: str
    plan_id: str
    at: Time | None = None


class PlanFailed(msgspec.Struct, frozen=True, omit_defaults=True):
    """The plan came to an end without having been done."""

    session: str
    plan_id: str
    error: str | None = None
    at: Time | None = None


class PlanCleared(msgspec.Struct, frozen=True, omit_defaults=True):
    """The session has this plan no more. The log keeps it."""

    session: str
    plan_id: str
    reason: str | None = None


PlanStep = PlanSaved | PlanApproved | PlanStarted | PlanCompleted | PlanFailed | PlanCleared
PlanEvent = TodosReplaced | PlanStep
