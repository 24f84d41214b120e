"""Tasks: work with retries, schedules and limits. Runs none of it: see agentlog/worker.py.

A claim has a token, the position of its event: who holds an older one is refused (docs/decisions/0013).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from agentlog import task_changes
from agentlog.checks import check_key, check_kind, check_limit, check_list, check_seconds, check_word
from agentlog.claim_contents import said_until
from agentlog.claims import CLAIM_S, Candidate, Claimed, Claimer, Holder, Said
from agentlog.errors import ClaimLost, Refused
from agentlog.lease import LEASE_S, Lease
from agentlog.scope import Decide, Scope
from agentlog.task_changes import SAID, STATUSES, Limits, Task, claimed_event, claimed_task, fields_of_limits
from agentlog.task_lanes import Lanes
from agentlog.task_reads import Page, TaskReads
from agentlog.worker import GRACE_S, Held, Loop
from eventlog.command import Command, Receipt
from eventlog.envelope import MAX_KEY_BYTES, NewEvent, StreamId, check_text
from eventlog.errors import BadInput, Conflict
from eventlog.events import (
    NULL,
    TASK,
    TASK_KEY,
    TaskCompleted,
    TaskEnqueued,
    TaskMerged,
    TaskProgressed,
    TaskReleased,
    TurnTaken,
    raw,
)

HELD = "a task as claiming returned it"


class Tasks(TaskReads):
    """The tasks a store may name.

    Attributes:
        claimer: of this process; its counters say how often other hosts were faster.
    """

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        lanes = Lanes(scope)
        self.claimer = Claimer(
            scope, lanes.candidates, claimed_event, self._read, lanes.sweep, self._give_back
        )

    async def enqueue(
        self,
        messages: Sequence[Any],
        *,
        queue: str = "default",
        session: str | None = None,
        priority: int = 0,
        delay_s: float = 0.0,
        run_at: datetime | None = None,
        ttl_s: float | None = None,
        unique: bool = False,
        merge: bool = False,
        limits: Limits | None = None,
        retries_max: int = 3,
        backoff_s: float = 1.0,
        id: str | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> str:
        """Enqueue a task and return its id; of the one that waits already, when it is unique or was merged.

        Args:
            messages: what is to be done: a list of any JSON values.
            queue: which workers it is for, a word of at most 63 characters.
            priority: higher goes first; among equals what is due first.
            delay_s, run_at: not before so many seconds from now, or that time.
            ttl_s: when it still waits then, it expires.
            unique: not when one of that session with the same messages waits.
            merge: its messages join the task of that session that waits, if there is one.
            limits: the lane it runs in.
            retries_max: failures after which it is tried again; then it is dead.
            backoff_s: how long the first retry waits; each further one twice as long.
            id: of the caller's choice, so that enqueuing twice is refused.
        Raises AlreadyExists when the id is taken; BadInput: seconds below 0 or above 10^9.
        """
        check_messages(messages, unique, merge, session)
        for seconds, what in ((delay_s, "delay_s"), (ttl_s, "ttl_s"), (backoff_s, "backoff_s")):
            if seconds is not None:
                check_seconds(seconds, what)
        content = raw(list(messages))
        now = await self._scope.moment() if delay_s or ttl_s is not None else None
        event = TaskEnqueued(
            content, queue=queue, session=session, priority=priority,
            run_at=now + timedelta(seconds=delay_s) if now and delay_s else run_at,
            expires_at=now + timedelta(seconds=ttl_s) if now and ttl_s is not None else None,
            retries_max=retries_max, backoff_s=backoff_s, **fields_of_limits(limits),
        )  # fmt: skip
        key = self._scope.log.ids.next() if id is None else id
        stream = self._scope.stream(TASK, key, tenant)
        owner = (session or "").encode(errors="surrogatepass")
        if unique:
            dedup = task_changes.digest_of(b"unique", b"" if session is None else b"s", owner, bytes(content))
            return await self._under_rule(
                stream, msgspec.structs.replace(event, dedup=dedup), dedup, dedup, meta
            )
        if merge:
            return await self._under_rule(stream, event, task_changes.digest_of(b"merge", owner), None, meta)
        await self._append_new(stream, event, [self._scope.new(stream, event, meta)], {stream: 0})
        return key

    async def _append_new(
        self, stream: StreamId, event: TaskEnqueued, events: list[NewEvent], expected: dict[StreamId, int]
    ) -> None:
        """Append; raise AlreadyExists when the id is taken, Conflict when something else moved."""
        try:
            await self._scope.log.append(Command(events, expected))
        except Conflict as conflict:
            if conflict.stream != stream or conflict.expected_version:
                raise
            await self._scope.log.reload([stream])
            state, _ = await self._scope.log.state("tasks", stream)
            task_changes.decide_enqueue(stream.key, event, state)
            raise

    async def _under_rule(
        self, stream: StreamId, event: TaskEnqueued, rule: str, dedup: str | None, meta: dict[str, Any] | None
    ) -> str:
        """Enqueue unless one like it waits; again when somebody acted under the rule meanwhile."""
        lane = StreamId(stream.tenant, TASK_KEY, rule)

        async def attempt() -> str:
            rows = await self._scope.fetch(
                "task_like", stream.tenant, rule, dedup, event.session, by_index=True
            )
            waiting = rows[0]["key"]
            if waiting is not None and dedup is not None:
                return str(waiting)
            expected = {lane: rows[0]["rule_version"]}
            if waiting is None:
                target, said, expected[stream] = stream, self._scope.new(stream, event, meta), 0
            else:
                target = StreamId(stream.tenant, TASK, waiting)
                said, expected[target] = (
                    self._scope.new(target, TaskMerged(event.messages), meta),
                    rows[0]["version"],
                )
            turn = TurnTaken((target.key,), "enqueued" if waiting is None else "merged")
            await self._append_new(stream, event, [said, self._scope.new(lane, turn, meta)], expected)
            return target.key

        return await self._scope.again(attempt)

    async def claim(
        self,
        worker: str,
        *,
        queue: str = "default",
        limit: int = 1,
        lease_s: float | None = CLAIM_S,
        lease: Lease | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Page:
        """Take up to `limit` tasks that are due and whose lanes have room. Nobody else gets them.

        Args:
            lease_s: after so many seconds without a word it returns to whoever comes; None: never. Not
                used with a lease.
            lease: it is held as long as that lease is renewed.
        """
        owner = self._scope.owner(tenant)
        check_limit(limit)
        check_text(queue, "queue", MAX_KEY_BYTES)
        check_kind(lease, Lease | None, "lease", "a Lease")
        held_by = None if lease is None else await lease.take()
        holder = Holder(worker, lease_s if lease is None else None, held_by, meta)
        return await self.claim_for((owner, queue), holder, limit)

    async def claim_for(
        self, selection: tuple[str, str], holder: Holder, limit: int, *, thorough: bool = True
    ) -> Page:
        """As `claim`, for a worker's loop: (tenant, queue), and who holds it how."""
        won = await self.claimer.claim(selection, holder, limit, thorough=thorough)
        return [claimed_task(one, holder) for one in won]

    async def _read(self, found: Sequence[Candidate]) -> dict[int, Said]:
        return await said_until(self._scope, found, SAID)

    async def _give_back(self, one: Claimed) -> None:
        """Nobody waits for this claim any more."""
        await self.release(claimed_task(one, Holder("nobody")), "its claimer went away")

    async def complete(
        self, held: Task, result: Any = None, *, reply: str | None = None, meta: dict[str, Any] | None = None
    ) -> Receipt | None:
        """Say that a task was done: `held` as claiming returned it. None when that was said before.

        Raises ClaimLost when it is not held any more: nothing was appended.
        """
        event = TaskCompleted(NULL if result is None else raw(result), reply)
        return await self._decide_held(held, lambda state: task_changes.decide_end(held, event, state), meta)

    async def complete_many(self, held: Sequence[Task], *, meta: dict[str, Any] | None = None) -> list[str]:
        """Say that tasks were done, without results, in one append; return ids of those not held any more."""
        events, expected, lost = [], {}, []
        held = check_list(held, "held")
        for task in held:
            check_kind(task, Task | Held, "held", HELD)
            stream = self._scope.stream(TASK, task.id, task.tenant)
            state, version = await self._scope.log.state("tasks", stream)
            try:
                decided = task_changes.decide_end(task, TaskCompleted(), state)
            except Refused:  # on what this process remembers; said of it alone, it is looked up
                decided = []
                lost.append(task)
            events += [self._scope.new(stream, event, meta) for event in decided]
            expected[stream] = version
        try:
            if events:
                await self._scope.log.append(Command(events, expected))
            alone = lost
        except Conflict:
            alone = held
        ended = await asyncio.gather(
            *(self.complete(task, meta=meta) for task in alone), return_exceptions=True
        )
        for answer in ended:
            if isinstance(answer, BaseException) and not isinstance(answer, ClaimLost):
                raise answer
        return [task.id for task, answer in zip(alone, ended, strict=True) if isinstance(answer, ClaimLost)]

    async def fail(
        self, held: Task, reason: str | None = None, *, meta: dict[str, Any] | None = None
    ) -> Receipt | None:
        """Say that the agent failed: it is tried again later, or dead when it has no retries left.

        Raises ClaimLost.
        """
        now = await self._scope.moment()
        return await self._decide_held(
            held, lambda state: task_changes.decide_fail(held, reason, now, state), meta
        )

    async def release(
        self, held: Task, reason: str | None = None, *, meta: dict[str, Any] | None = None
    ) -> Receipt | None:
        """Give a task back undone: no retry is counted. Raises ClaimLost."""
        event = TaskReleased(reason)
        return await self._decide_held(held, lambda state: task_changes.decide_end(held, event, state), meta)

    async def progress(
        self,
        held: Task,
        turn: int | None = None,
        *,
        reply: str | None = None,
        meta: dict[str, Any] | None = None,
    ) -> Receipt | None:
        """Tell of a turn that is finished, or of the agent's last reply: what a resumed task goes on from.

        Raises ClaimLost: at the latest here a worker hears that it is not its task any more.
        """
        event = TaskProgressed(turn, reply)
        return await self._decide_held(
            held, lambda state: task_changes.decide_progress(held, event, state), meta
        )

    async def cancel(
        self,
        id: str,
        reason: str | None = None,
        *,
        if_pending: bool = False,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """Say that nobody is going to do a task.

        Args:
            if_pending: leave it alone, and return None, when a worker has it or it is finished.
        Raises NotFound; Refused when it is completed.
        """
        return await self._decide(
            id, tenant, lambda state: task_changes.decide_cancel(id, reason, if_pending, state), meta
        )

    async def revive(
        self, id: str, *, meta: dict[str, Any] | None = None, tenant: str | None = None
    ) -> Receipt | None:
        """Let a finished task wait again, with all its retries. Raises NotFound; Refused while it runs."""
        return await self._decide(id, tenant, lambda state: task_changes.decide_revive(id, state), meta)

    async def mark_notified(
        self, id: str, *, meta: dict[str, Any] | None = None, tenant: str | None = None
    ) -> Receipt | None:
        """Say that whoever waited for a task was told how it ended. Raises NotFound."""
        return await self._decide(id, tenant, lambda state: task_changes.decide_notified(id, state), meta)

    async def set_status(
        self,
        id: str,
        status: str,
        reason: str | None = None,
        *,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """Put a task into a status by hand: pending, completed, dead or cancelled. None when it is in it.

        Raises NotFound; Refused for a status that nobody can say.
        """
        check_word(status, STATUSES, "status")
        return await self._decide(
            id, tenant, lambda state: task_changes.decide_status(id, status, reason, state), meta
        )

    async def _decide_held(self, held: Task, decide: Decide, meta: dict[str, Any] | None) -> Receipt | None:
        check_kind(held, Task | Held, "held", HELD)
        return await self._decide(held.id, held.tenant, decide, meta)

    async def _decide(
        self, id: str, tenant: str | None, decide: Decide, meta: dict[str, Any] | None
    ) -> Receipt | None:
        return await self._scope.decide(self._scope.stream(TASK, id, tenant), ["tasks"], decide, meta=meta)

    def work(
        self,
        *,
        queue: str = "default",
        concurrency: int = 8,
        worker: str | None = None,
        lease_s: float = LEASE_S,
        grace_s: float = GRACE_S,
        tenant: str | None = None,
    ) -> Loop[Task]:
        """Return a worker's loop: `async for task in store.tasks.work(): task.start(handle)`.

        Args:
            concurrency: so many are held at a time, 1 to 1,000.
            worker: a name for people; host and process by default.
            lease_s: how long after its last sign this process counts as dead.
            grace_s: how long what runs may take to end after SIGTERM.
        """
        check_text(queue, "queue", MAX_KEY_BYTES)
        selection = (self._scope.owner(tenant), queue)

        async def claim(holder: Holder, limit: int) -> Page:
            return await self.claim_for(selection, holder, limit, thorough=False)

        return Loop(
            self._scope, claim, self, worker=worker, concurrency=concurrency, lease_s=lease_s, grace_s=grace_s
        )


def check_messages(messages: Sequence[Any], unique: bool, merge: bool, session: str | None) -> None:
    """Raises BadInput."""
    check_key(session, "session")
    if not isinstance(messages, list | tuple):
        raise BadInput(
            f"messages is {type(messages).__name__} and must be a list", hint="a task holds a list"
        )
    if (unique and merge) or (merge and session is None):
        raise BadInput("merge needs a session, and cannot go with unique")
