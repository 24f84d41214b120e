"""The life of one task: work with retries, a schedule and limits. Stream kind `task`, one stream per task."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Raw

from eventlog.events.fields import NULL, Count, Integer, Seconds, Time, Word

Rate = Annotated[float, Meta(gt=0, le=1e9)]


class TaskEnqueued(msgspec.Struct, frozen=True, omit_defaults=True):
    """A task waits: `messages` is a JSON array. What limits it travels with it.

    `dedup` is a digest of session and content; `lane` a name under which at most `lane_running_max`
    tasks run and `lane_rate_max` begin per `lane_rate_s` seconds.
    """

    messages: Raw
    queue: Word = "default"
    session: str | None = None
    priority: Integer = 0
    run_at: Time | None = None
    expires_at: Time | None = None
    dedup: str | None = None
    lane: str | None = None
    lane_running_max: Count | None = None
    lane_rate_max: Rate | None = None
    lane_rate_s: Rate | None = None
    retries_max: Count = 3
    backoff_s: Seconds = 1.0
    source: Raw = NULL


class TaskMerged(msgspec.Struct, frozen=True, omit_defaults=True):
    """More messages joined a task that waits."""

    messages: Raw


class TaskClaimed(msgspec.Struct, frozen=True, omit_defaults=True):
    """A worker took the task, for `lease_s` seconds or as long as its `lease` is renewed."""

    worker: str
    lease_s: Seconds | None = None
    lease: str | None = None


class TaskProgressed(msgspec.Struct, frozen=True, omit_defaults=True):
    """The agent finished a turn, or said something. Never a heartbeat: those are not in the log."""

    turn: Count | None = None
    reply: str | None = None


class TaskReleased(msgspec.Struct, frozen=True, omit_defaults=True):
    """The claim is over and the agent did not fail (its process did, or gave back): no retry is counted."""

    reason: str | None = None


class TaskCompleted(msgspec.Struct, frozen=True, omit_defaults=True):
    """The task was done; `result` is kept."""

    result: Raw = NULL
    reply: str | None = None


class TaskFailed(msgspec.Struct, frozen=True, omit_defaults=True):
    """The agent failed; a retry is counted and is due at `run_at`."""

    run_at: Time
    reason: str | None = None


class TaskDied(msgspec.Struct, frozen=True, omit_defaults=True):
    """The agent failed for the last time: a dead letter, until somebody revives it."""

    reason: str | None = None


class TaskExpired(msgspec.Struct, frozen=True, omit_defaults=True):
    """The task waited for longer than it was worth."""


class TaskCancelled(msgspec.Struct, frozen=True, omit_defaults=True):
    """Nobody is going to do the task."""

    reason: str | None = None


class TaskRevived(msgspec.Struct, frozen=True, omit_defaults=True):
    """A finished task waits again, with all its retries."""

    run_at: Time | None = None


class TaskNotified(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whoever waited for the task was told how it ended."""


TaskEvent = (
    TaskEnqueued
    | TaskMerged
    | TaskClaimed
    | TaskProgressed
    | TaskReleased
    | TaskCompleted
    | TaskFailed
    | TaskDied
    | TaskExpired
    | TaskCancelled
    | TaskRevived
    | TaskNotified
)
