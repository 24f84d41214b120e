"""A session's list of things to do, as last written, and how much of it is done."""

from __future__ import annotations

from collections import Counter

import msgspec

from eventlog.events import SESSION, Todo, TodosReplaced
from projections.fold import Fold


class TodoList(msgspec.Struct, frozen=True, gc=False):
    """A row of `todo_lists`. Todos with another status count in `total` alone."""

    total: int = 0
    completed: int = 0
    in_progress: int = 0
    pending: int = 0
    todos: tuple[Todo, ...] = ()


def evolve(plan: TodoList, event: TodosReplaced, version: int) -> TodoList:
    """Return the list as `event` wrote it."""
    todos = event.todos
    if todos == plan.todos:
        return plan
    count = Counter(todo.status for todo in todos)
    return TodoList(len(todos), count["completed"], count["in_progress"], count["pending"], todos)


TODO_LISTS = Fold(
    "todo_lists",
    version=1,
    kind=SESSION,
    state=TodoList,
    evolve=evolve,
    folds=(TodosReplaced,),
    initial=TodoList(),
)
