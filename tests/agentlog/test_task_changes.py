"""What may be done with a task, as decisions: given where it stands, when somebody asks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from agentlog import task_changes
from agentlog.errors import AlreadyExists, ClaimLost, NotFound, Refused
from agentlog.task_changes import Task
from eventlog.events import (
    TaskCancelled,
    TaskCompleted,
    TaskDied,
    TaskEnqueued,
    TaskFailed,
    TaskNotified,
    TaskProgressed,
    TaskReleased,
    TaskRevived,
)
from projections import task as projection
from projections.task import CANCELLED, COMPLETED, DEAD, EXPIRED, PENDING, RUNNING

NOW = datetime(2026, 11, 28, tzinfo=UTC)


def state(status=RUNNING, claim=2, **fields):
    return projection.Task(status=status, worker="w", claim=claim, **fields)


HELD = Task(
    id="t", tenant="", queue="default", session=None, status=RUNNING, priority=0, run_at=None,
    expires_at=None, lane=None,
    retries_max=3, backoff_s=1.0, worker="w", attempts=1, retries=0, releases=0, turn=0, merged=0,
    notified=False, reason=None, enqueued_time=NOW, last_time=NOW, token=70, claim=2,
)  # fmt: skip
ENDS = {
    "complete": lambda known: task_changes.decide_end(HELD, TaskCompleted(), known),
    "release": lambda known: task_changes.decide_end(HELD, TaskReleased(), known),
    "fail": lambda known: task_changes.decide_fail(HELD, "no", NOW, known),
    "progress": lambda known: task_changes.decide_progress(HELD, TaskProgressed(1), known),
}


@pytest.mark.parametrize("end", ENDS)
def test_only_the_newest_claim_ends_a_task_or_tells_of_it(end):
    """A worker that comes back from the dead can never complete what was given to another."""
    assert len(ENDS[end](state())) == 1
    for known in (state(claim=None), state(claim=1), state(claim=4), state(PENDING, claim=None)):
        with pytest.raises(ClaimLost, match="position 70 is over"):
            ENDS[end](known)
    with pytest.raises(NotFound):
        ENDS[end](None)


def test_ending_twice_the_same_way_is_ending_once():
    """The first answer may have been lost; cancelled meanwhile, what was done was done."""
    assert ENDS["complete"](state(COMPLETED)) == []
    assert ENDS["fail"](state(DEAD)) == []
    assert ENDS["complete"](state(CANCELLED)) == [TaskCompleted()]
    for end, status in [
        ("complete", DEAD),
        ("fail", COMPLETED),
        ("release", COMPLETED),
        ("progress", CANCELLED),
    ]:
        with pytest.raises(ClaimLost, match=status):
            ENDS[end](state(status))


def test_a_failed_task_is_tried_again_so_often_and_is_dead_then():
    """S2 left failed tasks where nothing picked them up."""
    for retries in range(3):
        [failed] = task_changes.decide_fail(HELD, "no", NOW, state(retries=retries))
        wait = failed.run_at - NOW
        assert timedelta(seconds=2**retries) <= wait <= timedelta(seconds=1.1 * 2**retries)
        assert failed == TaskFailed(NOW + wait, "no")
    assert task_changes.decide_fail(HELD, "no", NOW, state(retries=3)) == [TaskDied("no")]
    assert task_changes.decide_fail(HELD, "no", NOW, state(retries_max=0)) == [TaskDied("no")]


def test_a_backoff_depends_on_the_task_and_the_retry_alone():
    """Two hosts, and a replay, say the same; two tasks do not come back together; nobody waits for ever."""
    assert task_changes.backoff_of("t", 4, 1.0) == task_changes.backoff_of("t", 4, 1.0)
    assert task_changes.backoff_of("t", 4, 1.0) != task_changes.backoff_of("u", 4, 1.0)
    assert task_changes.backoff_of("t", 10**9, 1.0) <= 1.1 * task_changes.BACKOFF_MAX_S


def test_progress_that_is_known_is_not_told_again():
    """A loop that tells of every turn adds an event for every turn, and no more."""
    known = state(turn=3)
    assert task_changes.decide_progress(HELD, TaskProgressed(3), known) == []
    assert task_changes.decide_progress(HELD, TaskProgressed(), known) == []
    assert task_changes.decide_progress(HELD, TaskProgressed(3, "hm"), known) == [TaskProgressed(3, "hm")]


def test_an_id_is_used_once():
    assert len(task_changes.decide_enqueue("t", TaskEnqueued(b"[]"), None)) == 1
    with pytest.raises(AlreadyExists, match=RUNNING):
        task_changes.decide_enqueue("t", TaskEnqueued(b"[]"), state())


def test_what_is_not_done_can_be_cancelled_and_what_is_finished_revived():
    """Twice is once."""
    for status in (PENDING, RUNNING):
        assert task_changes.decide_cancel("t", "why", False, state(status)) == [TaskCancelled("why")]
    assert (
        task_changes.decide_cancel("t", None, True, state())
        == task_changes.decide_cancel("t", None, False, state(DEAD))
        == []
    )
    with pytest.raises(Refused, match="completed"):
        task_changes.decide_cancel("t", None, False, state(COMPLETED))
    for status in (COMPLETED, DEAD, CANCELLED, EXPIRED):
        assert task_changes.decide_revive("t", state(status)) == [TaskRevived()]
    assert task_changes.decide_revive("t", state(PENDING)) == []
    with pytest.raises(Refused, match="running"):
        task_changes.decide_revive("t", state())
    assert task_changes.decide_notified("t", state(COMPLETED)) == [TaskNotified()]
    assert task_changes.decide_notified("t", state(COMPLETED, notified=True)) == []


def test_a_status_can_be_set_by_hand():
    """Whatever it was; only running and expired happen by themselves."""
    assert task_changes.decide_status("t", DEAD, "why", state()) == [TaskDied("why")]
    assert task_changes.decide_status("t", DEAD, "why", state(COMPLETED)) == [TaskRevived(), TaskDied("why")]
    assert task_changes.decide_status("t", COMPLETED, None, state(PENDING)) == [TaskCompleted()]
    assert task_changes.decide_status("t", PENDING, None, state()) == [TaskRevived()]
    assert task_changes.decide_status("t", CANCELLED, "w", state(PENDING)) == [TaskCancelled("w")]
    assert task_changes.decide_status("t", RUNNING, None, state()) == []
    for status in (RUNNING, EXPIRED):
        with pytest.raises(Refused, match=status):
            task_changes.decide_status("t", status, None, state(PENDING))


def test_messages_are_those_since_a_task_was_last_enqueued():
    """What cannot be read is none, and takes nothing with it."""
    said = [
        ("task_enqueued", {"messages": [1]}), ("task_enqueued", {"messages": [2, 3]}), ("task_merged", {}),
        ("task_progressed", {"reply": "hm"}), ("task_merged", {"messages": [4]}),
        ("task_progressed", {"turn": 1}),
    ]  # fmt: skip
    assert task_changes.messages_of(said) == (2, 3, 4)
    assert task_changes.reply_of(said) == "hm"
    assert task_changes.messages_of([("task_enqueued", {"messages": "odd"})]) == ()


def test_rules_with_other_parts_have_other_digests():
    """However their parts run into each other."""
    assert task_changes.digest_of(b"a", b"bc") != task_changes.digest_of(b"ab", b"c")
