"""A test kit for handlers of tasks: given events, when a handler runs, then events. No Postgres, no files.

    done = await given(TaskEnqueued(raw(["count"])), TaskProgressed(3)).when(handler)
    done.then(TaskProgressed(4), TaskCompleted(raw("four")))

States come from the fold that the store uses, and what a handler may do is decided by what the store
decides by; only the log is a list.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from agentlog import task_changes
from agentlog.task_changes import Task
from agentlog.worker import Held
from eventlog.events import (
    NULL,
    TaskClaimed,
    TaskCompleted,
    TaskEvent,
    TaskProgressed,
    TaskReleased,
    event_type,
    raw,
)
from projections import task as projection

# The server's clock, as far as handlers under test are concerned.
NOW = datetime(2026, 1, 1, tzinfo=UTC)
WORKER = "test"


class Given:
    """What happened to a task so far."""

    def __init__(self, events: tuple[TaskEvent, ...]) -> None:
        self._events = events

    async def when(self, handler: Callable[[Held[Task]], Awaitable[Any]]) -> Done:
        """Claim the task, run the handler as a worker's loop would, and return what came of it."""
        desk = _Desk([*self._events, TaskClaimed(WORKER)])
        held: Held[Task] = Held(desk.task(), desk, lambda held: None)
        await held.start(handler)
        return Done(desk.events[len(self._events) + 1 :], desk.state)


class Done:
    """What a handler did.

    Attributes:
        events: that were appended, after the claim.
        state: of the task after them, a row of `tasks`.
    """

    def __init__(self, events: list[TaskEvent], state: projection.Task) -> None:
        self.events = events
        self.state = state

    def then(self, *events: TaskEvent) -> Done:
        """Assert that these events were appended, and no others."""
        assert self.events == list(events), f"appended were {self.events}"
        return self


def given(*events: TaskEvent) -> Given:
    """Begin with a task to which these events happened."""
    return Given(events)


class _Desk:
    """Ends one task as `agentlog.task.Tasks` does, on a list instead of a log."""

    def __init__(self, events: list[TaskEvent]) -> None:
        self.events: list[TaskEvent] = []
        self.state = projection.Task()
        for event in events:
            self._append(event)

    def task(self) -> Task:
        said = [(event_type(type(event)), _fields(event)) for event in self.events]
        row = msgspec.structs.asdict(self.state)
        names = {field.name for field in msgspec.structs.fields(Task)}
        return Task(
            id="task", tenant="", enqueued_time=NOW, last_time=NOW, token=len(self.events),
            messages=task_changes.messages_of(said), reply=task_changes.reply_of(said),
            **{name: value for name, value in row.items() if name in names},
        )  # fmt: skip

    async def complete(self, held: Task, result: Any = None, *, reply: str | None = None) -> None:
        self._decided(
            task_changes.decide_end(
                held, TaskCompleted(NULL if result is None else raw(result), reply), self.state
            )
        )

    async def fail(self, held: Task, reason: str | None = None) -> None:
        self._decided(task_changes.decide_fail(held, reason, NOW, self.state))

    async def release(self, held: Task, reason: str | None = None) -> None:
        self._decided(task_changes.decide_end(held, TaskReleased(reason), self.state))

    async def progress(self, held: Task, turn: int | None = None, *, reply: str | None = None) -> None:
        self._decided(task_changes.decide_progress(held, TaskProgressed(turn, reply), self.state))

    def _decided(self, events: list[TaskEvent]) -> None:
        for event in events:
            self._append(event)

    def _append(self, event: TaskEvent) -> None:
        self.events.append(event)
        self.state = projection.evolve(self.state, event, len(self.events))


def _fields(event: TaskEvent) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(event))
    return fields
