"""Tasks as they stand: one, a page of them, how many there are. Changes nothing."""

from __future__ import annotations

from typing import Any

import msgspec

from agentlog import task_changes
from agentlog.checks import check_key
from agentlog.claim_contents import fields_of
from agentlog.claims import claim_at
from agentlog.errors import NotFound
from agentlog.scope import Scope
from agentlog.task_changes import SAID, STATUSES, Task
from eventlog.envelope import StreamId
from eventlog.events import TASK, TaskClaimed

Page = list[Task]  # a name for it, because TaskReads.list hides the type inside of the class


class TaskReads:
    """What can be asked of the tasks a store may name."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def get(self, id: str, *, tenant: str | None = None) -> Task | None:
        """Return a task with its messages, last reply and result, or None."""
        stream = self._scope.stream(TASK, id, tenant)
        rows = await self._scope.fetch("tasks", stream.tenant, id, None, None, None, 1, of=stream)
        if not rows:
            return None
        events = await self._scope.log.read_stream(stream)
        said = [(event.type, fields_of(event)) for event in events if event.type in SAID]
        results = [fields.get("result") for type, fields in said if type == "task_completed"]
        return _task(
            rows[0],
            messages=task_changes.messages_of(said),
            reply=task_changes.reply_of(said),
            result=results[-1] if results else None,
        )

    async def held(self, id: str, token: int, *, tenant: str | None = None) -> Task:
        """Return a task as whoever made the claim at position `token` holds it, or held it: to end it by.

        Raises:
            NotFound: there is no such task. ClaimLost: that position is no claim of it.
        """
        task = await self.get(id, tenant=tenant)
        if task is None:
            raise NotFound(f"there is no task {id!r}", hint="check id and tenant", key=id)
        claim = await claim_at(self._scope, "task", StreamId(task.tenant, TASK, id), token, TaskClaimed)
        return msgspec.structs.replace(task, token=token, claim=claim)

    async def list(
        self,
        *,
        session: str | None = None,
        status: str | None = None,
        limit: int = 100,
        after: str | None = None,
        tenant: str | None = None,
    ) -> Page:
        """Return a page of tasks without messages, replies and results, the oldest first.

        Args:
            after: id of the last task of the page before. Raises NotFound when there is none.
        """
        rows = await self._scope.page(
            "tasks", TASK, "task", STATUSES,
            session=session, status=status, limit=limit, after=after, tenant=tenant,
        )  # fmt: skip
        return [_task(row) for row in rows]

    async def status(self, session: str | None = None, *, tenant: str | None = None) -> dict[str, int]:
        """Return how many tasks stand in each status, of one session or of all."""
        check_key(session, "session")
        counts = await self._scope.fetch("task_counts", self._scope.owner(tenant), session)
        return dict.fromkeys(STATUSES, 0) | {row["status"]: row["count"] for row in counts}


def _task(row: Any, **more: Any) -> Task:
    fields = dict(row)
    del fields["stream_id"]
    return Task(id=fields.pop("key"), **fields, **more)
