"""Which todo is which from one list to the next, and when each was created, started and completed. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from eventlog.events import Todo
from projections.columns import text


def dated(wanted: Iterable[Todo], before: Iterable[Todo], now: datetime) -> tuple[Todo, ...]:
    """Return the todos with the times that are not given and can be known.

    A todo is the one of the list before that has its id or, without ids, its content. Created: when it
    came onto the list. Started, completed: when its status became in_progress, completed; gone again
    when it is pending once more. What was on the list without a time keeps none: nobody knows it.
    """
    known: dict[tuple[bool, str], list[Todo]] = {}
    for todo in before:
        known.setdefault(todo_name(todo), []).append(todo)
    found = []
    for todo in wanted:
        same = known.get(todo_name(todo))
        old = same.pop(0) if same else None
        created = now if old is None else old.created_at
        started = completed = None
        if todo.status != "pending" and old is not None:
            started = old.started_at
        if todo.status == "in_progress" and (old is None or old.status != "in_progress"):
            started = started or now
        if todo.status == "completed":
            completed = now if old is None or old.status != "completed" else old.completed_at
        found.append(
            msgspec.structs.replace(
                todo,
                created_at=todo.created_at or created,
                started_at=todo.started_at or started,
                completed_at=todo.completed_at or completed,
            )
        )
    return tuple(found)


def todo_name(todo: Todo) -> tuple[bool, str]:
    """Return what tells a todo from others: its id or, without one, its content; and which of them."""
    # As the list's row has it, where NUL is U+FFFD.
    return (True, text(todo.id)) if todo.id is not None else (False, text(todo.content))
