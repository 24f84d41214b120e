"""Where a task stands: its status, claim, retries and limits. Not its messages, which the log keeps.

One row per `task` stream. What is finished stays as it finished, but for its being notified.
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

import msgspec

from eventlog.events import (
    TASK,
    TaskCancelled,
    TaskClaimed,
    TaskCompleted,
    TaskDied,
    TaskEnqueued,
    TaskEvent,
    TaskExpired,
    TaskFailed,
    TaskMerged,
    TaskNotified,
    TaskProgressed,
    TaskReleased,
    TaskRevived,
)
from projections.columns import moment, stream_key
from projections.fold import Fold

PENDING, RUNNING = "pending", "running"
COMPLETED, DEAD, CANCELLED, EXPIRED = "completed", "dead", "cancelled", "expired"
STATUSES = (PENDING, RUNNING, COMPLETED, DEAD, CANCELLED, EXPIRED)


class Task(msgspec.Struct, frozen=True, gc=False):
    """A row of `tasks`.

    Attributes:
        run_at: not before; None: from when it was enqueued on.
        claim: stream version of the claim that holds, or of the one that finished it.
        attempts: claims. retries: failures that count. releases: claims that ended without a verdict.
        turn: the last one the agent told of. merged: how often messages joined it.
    """

    queue: str = "default"
    session: str | None = None
    status: str = PENDING
    priority: int = 0
    run_at: datetime | None = None
    expires_at: datetime | None = None
    dedup: str | None = None
    lane: str | None = None
    lane_running_max: int | None = None
    lane_rate_max: float | None = None
    lane_rate_s: float | None = None
    retries_max: int = 3
    backoff_s: float = 1.0
    worker: str | None = None
    lease_s: float | None = None
    lease: str | None = None
    claim: int | None = None
    attempts: int = 0
    retries: int = 0
    releases: int = 0
    turn: int = 0
    merged: int = 0
    notified: bool = False
    reason: str | None = None


def evolve(task: Task, event: TaskEvent, version: int) -> Task:
    """Return the task after `event`, its `version`-th. Never refuses: it happened, so it counts.

    Only enqueuing again and reviving bring a finished task back. Completed beats every other end.
    """
    replace = msgspec.structs.replace
    finished = task.status not in (PENDING, RUNNING)
    match event:
        case TaskEnqueued():
            changed = _enqueued(task, event)
        case TaskMerged():
            changed = task if finished else replace(task, merged=task.merged + 1)
        case TaskClaimed(worker=worker, lease_s=lease_s, lease=lease):
            if finished:
                return task
            changed = replace(
                task, status=RUNNING, worker=worker, lease_s=lease_s, lease=lease, claim=version,
                attempts=task.attempts + 1,
            )  # fmt: skip
        case TaskProgressed(turn=turn):
            changed = task if finished or turn is None else replace(task, turn=turn)
        case TaskReleased(reason=reason):
            waiting = _waiting(task, reason, task.run_at)
            changed = replace(waiting, releases=task.releases + 1) if task.status == RUNNING else task
        case TaskFailed(run_at=run_at, reason=reason):
            failed = replace(_waiting(task, reason, moment(run_at)), retries=task.retries + 1)
            changed = task if finished else failed
        case TaskCompleted():
            changed = _ended(task, COMPLETED, None)
        case TaskDied(reason=reason):
            changed = task if finished else _ended(task, DEAD, reason)
        case TaskExpired():
            changed = task if finished else _ended(task, EXPIRED, None)
        case TaskCancelled(reason=reason):
            changed = task if finished else _ended(task, CANCELLED, reason)
        case TaskRevived(run_at=run_at):
            # Its time is over, or it would expire again at once.
            revived = replace(
                _waiting(task, None, run_at and moment(run_at)), expires_at=None, notified=False
            )
            changed = replace(revived, retries=0, releases=0)
        case TaskNotified():
            changed = replace(task, notified=True)
        case _:
            assert_never(event)
    return task if changed == task else changed


def _enqueued(task: Task, event: TaskEnqueued) -> Task:
    return Task(
        queue=event.queue,
        session=stream_key(event.session),
        priority=event.priority,
        run_at=event.run_at and moment(event.run_at),
        expires_at=event.expires_at and moment(event.expires_at),
        dedup=stream_key(event.dedup),
        lane=stream_key(event.lane),
        lane_running_max=event.lane_running_max,
        lane_rate_max=event.lane_rate_max,
        lane_rate_s=event.lane_rate_s,
        retries_max=event.retries_max,
        backoff_s=event.backoff_s,
        attempts=task.attempts,
    )


def _waiting(task: Task, reason: str | None, run_at: datetime | None) -> Task:
    return msgspec.structs.replace(
        task, status=PENDING, run_at=run_at, worker=None, lease_s=None, lease=None, claim=None, reason=reason
    )


def _ended(task: Task, status: str, reason: str | None) -> Task:
    return msgspec.structs.replace(task, status=status, lease_s=None, lease=None, reason=reason)


TASKS = Fold(
    "tasks",
    version=1,
    kind=TASK,
    state=Task,
    evolve=evolve,
    folds=(
        TaskEnqueued,
        TaskMerged,
        TaskClaimed,
        TaskProgressed,
        TaskReleased,
        TaskCompleted,
        TaskFailed,
        TaskDied,
        TaskExpired,
        TaskCancelled,
        TaskRevived,
        TaskNotified,
    ),
    initial=Task(),
)
