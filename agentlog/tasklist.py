"""Tasks as they stand: one, a page of them, how many there are. Changes nothing."""

from __future__ import annotations

from typing import Any

import msgspec

from agentlog import duty
from agentlog.duty import SAID, STATUSES, Task
from agentlog.errors import ClaimLost, NotFound
from agentlog.said import fields_of
from agentlog.scope import Scope
from agentlog.session import check_limit
from eventlog.errors import BadInput
from eventlog.events import TASK

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
            messages=duty.messages_of(said),
            reply=duty.reply_of(said),
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
        rows = await self._scope.fetch("claim_of", token, task.tenant, TASK, id)
        if not rows or rows[0]["type"] != "task_claimed":
            raise ClaimLost(
                f"position {token} is no claim of task {id!r}",
                hint="the token is the position that claiming returned",
                key=id,
                token=token,
            )
        return msgspec.structs.replace(task, token=token, claim=rows[0]["version"])

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
        owner = self._scope.owner(tenant)
        check_limit(limit)
        if status is not None:
            check_status(status)
        place = None
        if after is not None:
            rows = await self._scope.fetch("stream_place", owner, TASK, after)
            if not rows:
                raise NotFound(f"there is no task {after!r} to go on after", key=after)
            place = rows[0]["id"]
        rows = await self._scope.fetch("tasks", owner, None, session, status, place, limit)
        return [_task(row) for row in rows]

    async def status(self, session: str | None = None, *, tenant: str | None = None) -> dict[str, int]:
        """Return how many tasks stand in each status, of one session or of all."""
        counts = await self._scope.fetch("task_counts", self._scope.owner(tenant), session)
        return dict.fromkeys(STATUSES, 0) | {row["status"]: row["count"] for row in counts}


def check_status(status: str) -> None:
    """Raises BadInput."""
    if status not in STATUSES:
        raise BadInput(f"status {status!r} must be one of {', '.join(STATUSES)}")


def _task(row: Any, **more: Any) -> Task:
    fields = dict(row)
    del fields["stream_id"]
    return Task(id=fields.pop("key"), **fields, **more)
