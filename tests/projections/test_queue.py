"""Queue items, as examples: what happened, then where the item stands."""

from __future__ import annotations

import pytest

from eventlog.events import ItemCancelled, ItemClaimed, ItemCompleted, ItemEnqueued, raw
from projections.queue import QUEUE_ITEMS, QueueItem
from tests.projections.given import Example
from tests.support.histories import unreadable

item = Example(QUEUE_ITEMS)
ENQUEUED = ItemEnqueued(raw("hi"), "agent:main", priority=3)


def test_an_enqueued_item_is_pending() -> None:
    """For its session, with its priority."""
    assert item.when(ENQUEUED).state == QueueItem("agent:main", "pending", 3)


def test_a_claimed_item_has_a_worker_and_a_lease() -> None:
    """Each claim is an attempt."""
    item.given(ENQUEUED).when(ItemClaimed("w1", 30.0)).then(
        status="claimed", worker="w1", attempts=1, lease_s=30.0
    )
    item.given(ENQUEUED, ItemClaimed("w1", 30.0)).when(ItemClaimed("w2")).then(
        status="claimed", worker="w2", attempts=2, lease_s=None
    )


def test_a_completed_item_remembers_who_did_it() -> None:
    """And has no lease any more."""
    item.given(ENQUEUED, ItemClaimed("w1", 30.0)).when(ItemCompleted()).then(
        status="completed", worker="w1", attempts=1, lease_s=None
    )


def test_a_cancelled_item_says_why() -> None:
    """Whether it was claimed or not."""
    item.given(ENQUEUED).when(ItemCancelled("stale")).then(status="cancelled", reason="stale")
    item.given(ENQUEUED, ItemClaimed("w")).when(ItemCancelled("stale")).then(status="cancelled", worker="w")


def test_completing_twice_is_completing_once() -> None:
    """A worker whose lease ran out finishes after the one that took over."""
    item.given(ENQUEUED, ItemCompleted()).when(ItemCompleted(raw(1))).then_nothing_changes()


def test_completed_beats_cancelled_whichever_came_first() -> None:
    """The work was done; that nobody wanted it any more does not undo it."""
    item.given(ENQUEUED, ItemCancelled("stale")).when(ItemCompleted()).then(status="completed", reason=None)
    item.given(ENQUEUED, ItemCompleted()).when(ItemCancelled("stale")).then_nothing_changes()


def test_cancelling_twice_keeps_the_first_reason() -> None:
    """It was the one that mattered."""
    item.given(ENQUEUED, ItemCancelled("first")).when(ItemCancelled("second")).then_nothing_changes()


@pytest.mark.parametrize(("end", "status"), [(ItemCompleted(), "completed"), (ItemCancelled(), "cancelled")])
def test_a_claim_of_a_finished_item_is_only_counted(end: ItemCompleted | ItemCancelled, status: str) -> None:
    """It happened, but the item is not open again."""
    item.given(ENQUEUED, ItemClaimed("w1"), end).when(ItemClaimed("w2")).then(
        status=status, worker="w1", attempts=2
    )


@pytest.mark.parametrize("before", [ItemClaimed("w"), ItemCompleted(), ItemCancelled("no")])
def test_enqueuing_again_makes_an_item_pending_and_keeps_its_attempts(
    before: ItemClaimed | ItemCompleted | ItemCancelled,
) -> None:
    """Requeue: with the session and the priority of the new event."""
    item.given(ENQUEUED, ItemClaimed("w"), before).when(ItemEnqueued(raw(1), "other", -1)).then(
        session="other", status="pending", priority=-1, worker=None, reason=None, lease_s=None,
        attempts=2 if isinstance(before, ItemClaimed) else 1,
    )  # fmt: skip


def test_what_happens_to_an_unknown_item_makes_it() -> None:
    """Its enqueuing may be in an event that cannot be read."""
    item.when(ItemClaimed("w")).then(status="claimed", session=None, attempts=1)
    item.when(ItemCompleted()).then(status="completed", attempts=0)
    item.when(ItemCancelled("r")).then(status="cancelled", reason="r")
    assert item.when(unreadable(ItemEnqueued)).state == QueueItem()


def test_enqueuing_what_is_pending_changes_nothing() -> None:
    """No row is written."""
    item.given(ENQUEUED).when(ENQUEUED).then_nothing_changes()


def test_a_session_that_cannot_exist_is_left_out() -> None:
    """The column is indexed, and an index refuses long text: the append would fail."""
    item.when(ItemEnqueued(raw(1), "x" * 5000)).then(session=None, status="pending")
