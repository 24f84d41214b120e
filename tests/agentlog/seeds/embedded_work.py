"""Work of the embedded store twice: as its semantics say, in memory, and as its user would write it here.

A worker there takes a task, says how it ended, and puts what failed back; cron jobs are rows. Holds no test.
"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

import agentlog
from agentlog.schedule_definition import Definition

Seen = tuple[
    str, list[str], int, int, str | None, bool
]  # status, texts, retries, turns, last reply, notified
Cron = tuple[str, str, bool]  # expression, message, enabled


class EmbeddedWork(Protocol):
    """What the store offers, by its own names; a message is its text, and lower priorities go first."""

    async def enqueue_task(self, id: str, session: str, text: str, priority: int) -> None: ...
    async def enqueue_unless_duplicate(self, id: str, session: str, text: str) -> bool: ...
    async def merge_or_enqueue(self, id: str, session: str, text: str) -> bool: ...
    async def dequeue_task(self) -> str | None: ...
    async def update_task_turn(self, id: str, turn: int) -> None: ...
    async def update_task_last_reply(self, id: str, text: str) -> None: ...
    async def done(self, id: str) -> None: ...
    async def fail_task(self, id: str) -> str: ...
    async def mark_task_notified(self, id: str) -> None: ...
    async def get_task(self, id: str) -> Seen | None: ...
    async def list_tasks(self, status: str | None) -> list[str]: ...
    async def cron_put(self, id: str, job: Cron) -> None: ...
    async def cron_get(self, id: str) -> Cron | None: ...
    async def cron_list(self) -> list[tuple[str, Cron]]: ...
    async def cron_delete(self, id: str) -> None: ...
    async def cron_bulk_replace(self, jobs: dict[str, Cron]) -> None: ...


class _Row(msgspec.Struct):
    session: str
    texts: list[str]
    priority: int
    status: str = "pending"
    retries: int = 0
    turns: int = 0
    last_reply: str | None = None
    notified: bool = False


class Meant:
    """In memory, as the store is meant. What failed is put back at once; three failures are its end."""

    def __init__(self) -> None:
        self.tasks: dict[str, _Row] = {}
        self.jobs: dict[str, Cron] = {}

    def _pending(self, session: str) -> list[_Row]:
        return [row for row in self.tasks.values() if (row.session, row.status) == (session, "pending")]

    async def enqueue_task(self, id: str, session: str, text: str, priority: int) -> None:
        self.tasks[id] = _Row(session, [text], priority)

    async def enqueue_unless_duplicate(self, id: str, session: str, text: str) -> bool:
        if any(row.texts[:1] == [text] for row in self._pending(session)):
            return False
        await self.enqueue_task(id, session, text, 2)
        return True

    async def merge_or_enqueue(self, id: str, session: str, text: str) -> bool:
        for row in self._pending(session):
            row.texts.append(text)
            return False
        await self.enqueue_task(id, session, text, 2)
        return True

    async def dequeue_task(self) -> str | None:
        waiting = [(row.priority, n, id) for n, (id, row) in enumerate(self.tasks.items())
                   if row.status == "pending"]  # fmt: skip
        if not waiting:
            return None
        id = min(waiting)[2]
        self.tasks[id].status = "running"
        return id

    async def update_task_turn(self, id: str, turn: int) -> None:
        self.tasks[id].turns = turn

    async def update_task_last_reply(self, id: str, text: str) -> None:
        self.tasks[id].last_reply = text

    async def done(self, id: str) -> None:
        self.tasks[id].status = "completed"

    async def fail_task(self, id: str) -> str:
        row = self.tasks[id]
        row.retries += 1
        row.status = "dead" if row.retries >= 3 else "pending"
        return row.status

    async def mark_task_notified(self, id: str) -> None:
        self.tasks[id].notified = True

    async def get_task(self, id: str) -> Seen | None:
        row = self.tasks.get(id)
        if row is None:
            return None
        return row.status, row.texts, row.retries, row.turns, row.last_reply, row.notified

    async def list_tasks(self, status: str | None) -> list[str]:
        return sorted(id for id, row in self.tasks.items() if status in (None, row.status))

    async def cron_put(self, id: str, job: Cron) -> None:
        self.jobs[id] = job

    async def cron_get(self, id: str) -> Cron | None:
        return self.jobs.get(id)

    async def cron_list(self) -> list[tuple[str, Cron]]:
        return sorted(self.jobs.items())

    async def cron_delete(self, id: str) -> None:
        self.jobs.pop(id, None)

    async def cron_bulk_replace(self, jobs: dict[str, Cron]) -> None:
        self.jobs = dict(jobs)


class OnAgentlog:
    """As somebody writes it who moved here. What a worker holds it remembers: its claim has a token."""

    def __init__(self, store: agentlog.Store) -> None:
        self.store = store
        self.held: dict[str, Any] = {}

    async def enqueue_task(self, id: str, session: str, text: str, priority: int) -> None:
        await self.store.tasks.enqueue(
            [text], session=session, id=id, priority=-priority, retries_max=2, backoff_s=0.0
        )

    async def enqueue_unless_duplicate(self, id: str, session: str, text: str) -> bool:
        found = await self.store.tasks.enqueue(
            [text], session=session, id=id, priority=-2, retries_max=2, backoff_s=0.0, unique=True
        )
        return found == id

    async def merge_or_enqueue(self, id: str, session: str, text: str) -> bool:
        found = await self.store.tasks.enqueue(
            [text], session=session, id=id, priority=-2, retries_max=2, backoff_s=0.0, merge=True
        )
        return found == id

    async def dequeue_task(self) -> str | None:
        claimed = await self.store.tasks.claim("worker")
        self.held |= {task.id: task for task in claimed}
        return claimed[0].id if claimed else None

    async def update_task_turn(self, id: str, turn: int) -> None:
        await self.store.tasks.progress(self.held[id], turn)

    async def update_task_last_reply(self, id: str, text: str) -> None:
        await self.store.tasks.progress(self.held[id], reply=text)

    async def done(self, id: str) -> None:
        await self.store.tasks.complete(self.held.pop(id))

    async def fail_task(self, id: str) -> str:
        await self.store.tasks.fail(self.held.pop(id))
        task = await self.store.tasks.get(id)
        assert task is not None
        return task.status

    async def mark_task_notified(self, id: str) -> None:
        await self.store.tasks.mark_notified(id)

    async def get_task(self, id: str) -> Seen | None:
        task = await self.store.tasks.get(id)
        if task is None:
            return None
        # There the failure that killed a task is counted as well.
        retries = task.retries + (task.status == "dead")
        return task.status, list(task.messages), retries, task.turn, task.reply, task.notified

    async def list_tasks(self, status: str | None) -> list[str]:
        return sorted(task.id for task in await self.store.tasks.list(status=status, limit=1000))

    async def cron_put(self, id: str, job: Cron) -> None:
        cron, message, enabled = job
        await self.store.schedule.set(id, cron, message, paused=not enabled)

    async def cron_get(self, id: str) -> Cron | None:
        found = await self.store.schedule.get(id)
        return None if found is None else (found.cron, found.body, not found.paused)

    async def cron_list(self) -> list[tuple[str, Cron]]:
        found = await self.store.schedule.list(limit=1000)
        return sorted((one.id, (one.cron, one.body, not one.paused)) for one in found)

    async def cron_delete(self, id: str) -> None:
        if await self.store.schedule.get(id) is not None:
            await self.store.schedule.delete(id)

    async def cron_bulk_replace(self, jobs: dict[str, Cron]) -> None:
        await self.store.schedule.replace(
            {id: Definition(cron=cron, body=message, paused=not enabled)
             for id, (cron, message, enabled) in jobs.items()}
        )  # fmt: skip
