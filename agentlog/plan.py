"""Plans: an agent's list of things to do, replaced as a whole each time. What it means is the agent's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from agentlog.scope import Scope
from eventlog.command import Receipt
from eventlog.errors import BadInput
from eventlog.events import SESSION, PlanEvent, Todo, TodosReplaced
from projections.plan import TodoList


def decide_replace(todos: tuple[Todo, ...], plan: TodoList | None) -> list[PlanEvent]:
    """The same list once more is not written."""
    return [] if plan is not None and plan.todos == todos else [TodosReplaced(todos)]


class Plans:
    """The plans of the sessions a store may name."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def replace_todos(
        self,
        key: str,
        todos: Sequence[Todo | Mapping[str, Any]],
        *,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """Replace a session's list; None when it is that list already. A new session is made by it.

        Args:
            todos: `Todo`, or dicts with content, status and, if there are, active_form and id.
        """
        stream = self._scope.stream(SESSION, key, tenant)
        wanted = tuple(_todo(todo) for todo in todos)
        return await self._scope.decide(
            stream, ["todo_lists"], lambda plan: decide_replace(wanted, plan), meta=meta
        )

    async def todos(self, key: str, *, tenant: str | None = None) -> tuple[Todo, ...]:
        """Return a session's list as it stands; empty when it has none."""
        stream = self._scope.stream(SESSION, key, tenant)
        await self._scope.log.reload([stream])
        plan, _ = await self._scope.log.state("todo_lists", stream)
        return () if plan is None else plan.todos


def _todo(todo: Todo | Mapping[str, Any]) -> Todo:
    if isinstance(todo, Todo):
        return todo
    try:
        return msgspec.convert(dict(todo), type=Todo)
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        raise BadInput(
            f"a todo cannot be read: {error}", hint="it needs content and status, both text"
        ) from error
