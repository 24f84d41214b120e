"""An agent's list of things to do. On the session's stream."""

from __future__ import annotations

import msgspec


class Todo(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing to do; `status` is the agent's own word: pending, in_progress, completed, …"""

    content: str
    status: str
    active_form: str | None = None
    id: str | None = None


class TodosReplaced(msgspec.Struct, frozen=True):
    """The whole list as it is now; agents write it anew each time."""

    todos: tuple[Todo, ...]


PlanEvent = TodosReplaced
