"""Tasks, as examples: what happened, then where the task stands."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from eventlog.events import (
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
    raw,
)
from projections.task import TASKS, Task
from tests.projections.given import Example
from tests.support.histories import unreadable

task = Example(TASKS)
AT = datetime(2026, 11, 28, 20, tzinfo=UTC)
ENQUEUED = TaskEnqueued(raw([1]), session="s", priority=2, lane="l", lane_running_max=1, retries_max=5)
CLAIMED = TaskClaimed("w", lease="lease")
ENDS: list[TaskEvent] = [TaskCompleted(), TaskDied("no"), TaskExpired(), TaskCancelled("no")]


def test_an_enqueued_task_waits_with_its_limits() -> None:
    """What it is limited by travels with it."""
    assert task.when(ENQUEUED).state == Task(
        session="s", priority=2, lane="l", lane_running_max=1, retries_max=5
    )


def test_a_claimed_task_runs() -> None:
    """Its claim is the version of the event."""
    task.given(ENQUEUED).when(CLAIMED).then(status="running", worker="w", lease="lease", claim=2, attempts=1)


def test_a_died_process_counts_no_retry_and_a_failed_agent_does() -> None:
    """The process died, the agent did not fail."""
    running = task.given(ENQUEUED, CLAIMED)
    running.when(TaskReleased("lease over")).then(
        status="pending", retries=0, releases=1, attempts=1, claim=None, lease=None, run_at=None
    )
    running.when(TaskFailed(AT, "broke")).then(
        status="pending", retries=1, releases=0, run_at=AT, claim=None, reason="broke"
    )
    task.given(ENQUEUED).when(TaskReleased()).then_nothing_changes()


@pytest.mark.parametrize("end", ENDS)
def test_a_finished_task_stays_as_it_finished(end: TaskEvent) -> None:
    """Only completing beats another end; being notified is told apart."""
    done = task.given(ENQUEUED, CLAIMED, end)
    for later in (CLAIMED, TaskReleased(), TaskFailed(AT), TaskMerged(raw([])), TaskProgressed(9), *ENDS[1:]):
        done.when(later).then_nothing_changes()
    done.when(TaskCompleted()).then(status="completed", reason=None)
    done.when(TaskNotified()).then(notified=True)


@pytest.mark.parametrize("end", ENDS)
def test_reviving_gives_back_all_retries_and_no_deadline(end: TaskEvent) -> None:
    """A dead letter that somebody looked at is as good as new."""
    limited = TaskEnqueued(raw([1]), expires_at=AT, retries_max=1)
    history = task.given(limited, CLAIMED, TaskFailed(AT), CLAIMED, end, TaskNotified())
    history.when(TaskRevived(AT + timedelta(hours=1))).then(
        status="pending", retries=0, releases=0, expires_at=None, notified=False, attempts=2, worker=None,
        run_at=AT + timedelta(hours=1), reason=None,
    )  # fmt: skip


def test_progress_is_the_last_turn_that_was_told() -> None:
    """A task that is resumed after a crash goes on from there."""
    running = task.given(ENQUEUED, CLAIMED, TaskProgressed(3, "hm"))
    running.then(turn=3)
    running.when(TaskProgressed(reply="still")).then_nothing_changes()
    running.given(TaskReleased()).when(CLAIMED).then(turn=3)


def test_messages_join_a_task_that_is_not_finished() -> None:
    """They are counted; what they say is in the log."""
    task.given(ENQUEUED, TaskMerged(raw([2]))).when(TaskMerged(raw([3]))).then(merged=2, status="pending")


def test_what_happens_to_an_unknown_task_makes_it() -> None:
    """Its enqueuing may be in an event that cannot be read."""
    task.when(CLAIMED).then(status="running")
    assert task.when(unreadable(TaskEnqueued)).state == Task()
