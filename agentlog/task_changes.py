"""A task, and what may be done with it, decided. Pure; reads nothing and appends nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from agentlog.checks import check_kind
from agentlog.claims import Candidate, Claimed, Holder
from agentlog.errors import AlreadyExists, ClaimLost, NotFound, Refused
from eventlog.envelope import time_to_us
from eventlog.errors import BadInput
from eventlog.events import (
    TaskCancelled,
    TaskClaimed,
    TaskCompleted,
    TaskDied,
    TaskEnqueued,
    TaskEvent,
    TaskFailed,
    TaskNotified,
    TaskProgressed,
    TaskReleased,
    TaskRevived,
)
from projections import task as projection
from projections.task import CANCELLED, COMPLETED, DEAD, PENDING, RUNNING

STATUSES = projection.STATUSES
SAID = ("task_enqueued", "task_merged", "task_progressed", "task_completed")
BACKOFF_MAX_S = 86_400.0
_JITTER = 0.1


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What the tasks of a lane share.

    Attributes:
        lane: its name.
        running_max: so many run at a time, over all hosts; None: any number.
        rate_max, rate_s: so many begin in so many seconds, over all hosts; None: any number.
    """

    lane: str
    running_max: int | None = None
    rate_max: float | None = None
    rate_s: float = 1.0


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A task as it stands.

    Attributes:
        id: its key. queue: which workers it is for. session: whose it is, if anybody's.
        messages: what is to be done, with what was merged into it; empty where it was not asked for (lists).
        run_at: not before. expires_at: when it still waits by then, it expires.
        attempts: claims. retries: failures since it was enqueued. releases: claims without a verdict.
        turn, reply: the last the agent told of. result: of a completed task. Both only where asked for.
        token: position of the claim that holds or finished it, a fencing token. claim: its stream version.
        notified: whoever waited for it was told how it ended.
    """

    id: str
    tenant: str
    queue: str
    session: str | None
    status: str
    priority: int
    run_at: datetime | None
    expires_at: datetime | None
    lane: str | None
    retries_max: int
    backoff_s: float
    worker: str | None
    attempts: int
    retries: int
    releases: int
    turn: int
    merged: int
    notified: bool
    reason: str | None
    enqueued_time: datetime
    last_time: datetime
    token: int | None = None
    claim: int | None = None
    messages: tuple[Any, ...] = ()
    reply: str | None = None
    result: Any = None


State = projection.Task | None


def decide_enqueue(id: str, event: TaskEnqueued, task: State) -> list[TaskEvent]:
    """An id is used once."""
    if task is not None:
        raise AlreadyExists(f"task {id!r} exists and is {task.status}", hint="choose another id", key=id)
    return [event]


def decide_end(held: Task, event: TaskCompleted | TaskReleased, task: State) -> list[TaskEvent]:
    """Who holds the claim may end it; twice is once. Cancelled meanwhile: what was done was done."""
    known = _claimed(held, task)
    if known.status == RUNNING:
        return [event]
    if isinstance(event, TaskCompleted):
        if known.status == COMPLETED:
            return []
        if known.status == CANCELLED:
            return [event]
    raise _lost(held, known)


def decide_fail(held: Task, reason: str | None, now: datetime, task: State) -> list[TaskEvent]:
    """A failure is a retry, as long as there are any; then the task is dead."""
    known = _claimed(held, task)
    if known.status == DEAD:
        return []
    if known.status != RUNNING:
        raise _lost(held, known)
    if known.retries >= known.retries_max:
        return [TaskDied(reason)]
    wait = timedelta(seconds=backoff_of(held.id, known.retries, known.backoff_s))
    return [TaskFailed(now + wait, reason)]


def decide_progress(held: Task, event: TaskProgressed, task: State) -> list[TaskEvent]:
    """Who holds the claim may tell of it; the turn that is known already is not told again."""
    known = _claimed(held, task)
    if known.status != RUNNING:
        raise _lost(held, known)
    return [] if event.reply is None and event.turn in (None, known.turn) else [event]


def decide_cancel(id: str, reason: str | None, if_pending: bool, task: State) -> list[TaskEvent]:
    """What is not done yet can be cancelled; twice is once."""
    known = _present(id, task)
    if known.status == COMPLETED and not if_pending:
        raise Refused(f"task {id!r} was completed", hint="it cannot be cancelled any more")
    return (
        [TaskCancelled(reason)] if known.status in ((PENDING,) if if_pending else (PENDING, RUNNING)) else []
    )


def decide_revive(id: str, task: State) -> list[TaskEvent]:
    """What is finished waits again, with all its retries."""
    known = _present(id, task)
    if known.status == PENDING:
        return []
    if known.status == RUNNING:
        raise Refused(
            f"task {id!r} is running on {known.worker!r}",
            hint="cancel it first; what its worker does then is lost",
        )
    return [TaskRevived()]


def decide_notified(id: str, task: State) -> list[TaskEvent]:
    """Once."""
    return [] if _present(id, task).notified else [TaskNotified()]


def decide_status(id: str, status: str, reason: str | None, task: State) -> list[TaskEvent]:
    """Put a task into a status by hand, whoever has it: what its worker says afterwards is refused."""
    known = _present(id, task)
    if known.status == status:
        return []
    match status:
        case "pending":
            return [TaskRevived()]
        case "completed":
            return [TaskCompleted()]
        case "dead" | "cancelled":
            end: TaskEvent = TaskDied(reason) if status == DEAD else TaskCancelled(reason)
            return [end] if known.status in (PENDING, RUNNING) else [TaskRevived(), end]
    raise Refused(
        f"nobody can say that task {id!r} is {status}", hint="a claim makes it run, time lets it expire"
    )


def backoff_of(id: str, retries: int, backoff_s: float) -> float:
    """Return how long a retry waits, in seconds: twice as long each time, at most a day.

    Up to a tenth more, which depends on the task and the retry alone: those that failed together do
    not come back together, and nobody has to remember a random number.
    """
    seed = hashlib.sha256(f"{retries} {id}".encode()).digest()
    jitter = 1 + _JITTER * int.from_bytes(seed[:4], "big") / 2**32
    return min(backoff_s * 2.0 ** min(retries, 64), BACKOFF_MAX_S) * jitter


def claimed_event(holder: Holder, candidate: Candidate) -> TaskClaimed:
    """Return the claim of a candidate."""
    return TaskClaimed(holder.worker, holder.lease_s, holder.lease)


def claimed_task(one: Claimed, holder: Holder) -> Task:
    """Return the task that a claim won."""
    row = one.candidate.row
    names = ("queue", "session", "priority", "run_at", "expires_at", "lane", "retries_max", "backoff_s",
             "retries", "releases", "turn", "merged", "notified", "enqueued_time")  # fmt: skip
    return Task(
        id=row["key"],
        tenant=one.candidate.stream.tenant,
        status=RUNNING,
        worker=holder.worker,
        attempts=row["attempts"] + 1,
        reason=None,
        last_time=datetime.fromtimestamp(time_to_us(one.time) / 1_000_000, UTC),
        token=one.token,
        claim=one.version,
        messages=messages_of(one.said),
        reply=reply_of(one.said),
        **{name: row[name] for name in names},
    )


def messages_of(said: Iterable[tuple[str, Mapping[str, Any]]]) -> tuple[Any, ...]:
    """Return a task's messages since it was last enqueued; none of what cannot be read."""
    found: list[Any] = []
    for type, fields in said:
        if type == "task_enqueued":
            found = []
        more = fields.get("messages")
        if type in ("task_enqueued", "task_merged") and isinstance(more, list):
            found += more
    return tuple(found)


def reply_of(said: Iterable[tuple[str, Mapping[str, Any]]]) -> str | None:
    """Return the last reply that was told."""
    replies = [fields["reply"] for _, fields in said if isinstance(fields.get("reply"), str)]
    return replies[-1] if replies else None


def digest_of(*parts: bytes) -> str:
    """Return the digest of a rule's parts, each with its length: a key that no two rules share."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _present(id: str, task: State) -> projection.Task:
    if task is None:
        raise NotFound(f"there is no task {id!r}", hint="check id and tenant", key=id)
    return task


def _claimed(held: Task, task: State) -> projection.Task:
    known = _present(held.id, task)
    if held.claim is None or known.claim != held.claim:
        raise _lost(held, known)
    return known


def _lost(held: Task, known: projection.Task) -> ClaimLost:
    holder = f", held by worker {known.worker!r}" if known.status == RUNNING else ""
    return ClaimLost(
        f"task {held.id!r} is {known.status}{holder}; the claim at position {held.token} is over",
        hint="stop working on it; it was finished, or given to another when its lease was over",
        key=held.id,
        token=held.token,
    )


def fields_of_limits(limits: Limits | None) -> dict[str, Any]:
    """Return what a lane's limits are in a task's event. Raises BadInput when nothing could ever run."""
    check_kind(limits, Limits | None, "limits", "Limits")
    if limits is None:
        return {}
    for value, what in (
        (limits.running_max, "running_max"),
        (limits.rate_max, "rate_max"),
        (limits.rate_s, "rate_s"),
    ):
        check_kind(value, int | float | None, what, "a number")
    if (limits.running_max is not None and limits.running_max < 1) or (
        limits.rate_max is not None and not (limits.rate_max > 0 and limits.rate_s > 0)
    ):
        raise BadInput(f"{limits} lets nothing run", hint="give limits of at least 1, and rates above 0")
    rate_s = None if limits.rate_max is None else limits.rate_s
    return {
        "lane": limits.lane,
        "lane_running_max": limits.running_max,
        "lane_rate_max": limits.rate_max,
        "lane_rate_s": rate_s,
    }
