"""Work of the embedded store that outlives a restart, as events: tasks and provider jobs. Pure, as rsclaw.py.

Shapes are those of rsclaw's own release (its crate `rsclaw-types`). A row is told as the steps that lead to
where it stands; of those, an event that a later dump says again has the same id, whatever else changed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw

from eventlog.events import (
    EXTERNAL_JOB,
    TASK,
    JobCompleted,
    JobDelivered,
    JobDeliveryFailed,
    JobEnqueued,
    JobFailed,
    JobPollFailed,
    JobTimedOut,
    RecordKept,
    TaskClaimed,
    TaskCompleted,
    TaskDied,
    TaskEnqueued,
    TaskFailed,
    TaskMerged,
    TaskNotified,
    TaskProgressed,
    TaskReleased,
    raw,
)
from eventlog.events.fields import Count
from replay.imports.facts import Facts
from replay.imports.rsclaw_values import a_row, members_of, time_of

FORMAT = "rsclaw"
WORKER = FORMAT
# There a job is given up after so many attempts to deliver it.
DELIVERIES_MAX = 60
_URGENCY = {"System": 0, "Cron": -1, "User": -2}  # there the lowest number goes first
_MOVING = ("status", "next_poll_at", "poll_count", "error", "result_url", "result_path", "delivered_at",
           "delivery_attempts")  # fmt: skip


class QueuedTask(msgspec.Struct, frozen=True):
    """The value of `task_queue`. Times are Unix seconds; `ttl_secs` 0: it never expires."""

    session_key: str
    messages: Annotated[list[Raw], Meta(min_length=1)]
    priority: Literal["System", "Cron", "User"]
    status: Literal["Pending", "Running", "Done", "Failed", "Dead"]
    retries: Annotated[int, Meta(ge=0, le=1000)]  # each becomes events
    max_retries: Count
    created_at: int
    updated_at: int
    ttl_secs: Annotated[int, Meta(ge=0)]
    content_hash: str
    turns: Count = 0
    max_turns: int = 0
    error: str | None = None
    notified: bool = False
    last_reply: str | None = None


class Job(msgspec.Struct, frozen=True):
    """The value of `external_jobs`, without what only its request says. Times are Unix seconds."""

    provider: str
    external_task_id: str
    session_key: str
    submitted_at: int
    next_poll_at: int
    timeout_at: int
    status: Literal["Pending", "Polling", "Done", "Failed", "TimedOut"]
    error: str | None = None
    result_url: str | None = None
    result_path: str | None = None
    delivered_at: int | None = None
    delivery_attempts: Annotated[int, Meta(ge=0)] = 0


def task(facts: Facts, key: str, value: Any) -> None:
    """A task as it stands. One that was running waits: whoever ran it is gone."""
    row = a_row(value, QueuedTask)
    created, updated = time_of(row.created_at), time_of(row.updated_at)
    first, *more = row.messages
    enqueued = TaskEnqueued(
        raw([first]), session=row.session_key, priority=_URGENCY[row.priority],
        expires_at=_expiry(created, row.ttl_secs),
        # There it is dead after so many failures, here after so many retries.
        retries_max=max(0, row.max_retries - 1),
        source=raw({"content_hash": row.content_hash, "max_turns": row.max_turns}),
    )  # fmt: skip
    facts.add(TASK, key, enqueued, created)
    for message in more:
        facts.add(TASK, key, TaskMerged(raw([message])))
    failures = row.retries - (row.status == "Dead" and row.retries > 0)
    for _ in range(failures):
        facts.add(TASK, key, TaskClaimed(WORKER))
        failed = TaskFailed(updated, row.error)
        facts.add(TASK, key, failed, updated, identity=(TaskFailed(created), None))
    if row.status in ("Running", "Done", "Dead"):
        facts.add(TASK, key, TaskClaimed(WORKER))
    if row.turns or row.last_reply is not None:
        facts.add(TASK, key, TaskProgressed(row.turns or None, row.last_reply))
    end = _end(row)
    if end is not None:
        facts.add(TASK, key, end, updated, identity=(end, None))
    if row.notified:
        facts.add(TASK, key, TaskNotified(), updated, identity=(TaskNotified(), None))
    facts.add(TASK, key, RecordKept(FORMAT, members_of(value, without=("messages",)), "task_queue"))


def _expiry(created: datetime, ttl_s: int) -> datetime | None:
    try:
        return created + timedelta(seconds=ttl_s) if ttl_s else None
    except OverflowError:  # beyond the calendar
        return None


def _end(row: QueuedTask) -> TaskCompleted | TaskDied | TaskReleased | None:
    match row.status:
        case "Running":
            return TaskReleased("it ran when rsclaw stopped")
        case "Done":
            return TaskCompleted(reply=row.last_reply)
        case "Dead":
            return TaskDied(row.error)
    return None


def external_job(facts: Facts, key: str, value: Any) -> None:
    """A job as it stands: asked again at its time, or over and perhaps delivered."""
    job = a_row(value, Job)
    poll_at, submitted = time_of(job.next_poll_at), time_of(job.submitted_at)
    left = DELIVERIES_MAX - job.delivery_attempts
    enqueued = JobEnqueued(
        provider=job.provider,
        request=members_of(value, without=_MOVING),
        poll_at=poll_at,
        session=job.session_key,
        external_id=job.external_task_id,
        timeout_at=time_of(job.timeout_at),
        deliveries_max=max(1, left),
    )
    said_first = msgspec.structs.replace(enqueued, poll_at=submitted, deliveries_max=DELIVERIES_MAX)
    facts.add(EXTERNAL_JOB, key, enqueued, submitted, identity=(said_first, submitted))
    match job.status:
        case "Done":
            facts.add(EXTERNAL_JOB, key, JobCompleted(raw({"url": job.result_url, "path": job.result_path})))
        case "Failed":
            facts.add(EXTERNAL_JOB, key, JobFailed(job.error))
        case "TimedOut":
            facts.add(EXTERNAL_JOB, key, JobTimedOut())
        case "Pending" | "Polling" if job.error is not None:
            facts.add(EXTERNAL_JOB, key, JobPollFailed(poll_at, job.error))
    if job.status not in ("Pending", "Polling"):
        if job.delivered_at is not None:
            facts.add(EXTERNAL_JOB, key, JobDelivered(), time_of(job.delivered_at))
        elif job.delivery_attempts:
            facts.add(EXTERNAL_JOB, key, JobDeliveryFailed(poll_at if left > 0 else None, job.error))
    facts.add(EXTERNAL_JOB, key, RecordKept(FORMAT, members_of(value), "external_jobs"))
