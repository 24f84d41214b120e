"""Queue items, as examples: what happened, then where the item stands."""

from __future__ import annotations

import pytest

from eventlog.events import (
    ItemCancelled,
    ItemClaimed,
    ItemCompleted,
    ItemEnqueued,
    ItemFailed,
    ItemInterrupted,
    ItemMerged,
    ItemReleased,
    QueueEvent,
    raw,
)
from projections.queue import QUEUE_ITEMS, QueueItem
from tests.projections.given import Example
from tests.support.histories import unreadable

item = Example(QUEUE_ITEMS)
ENQUEUED = ItemEnqueued(raw("hi"), "agent:main", priority=3, operation="prompt")
CLAIMED = ItemClaimed("w1", 30.0, session_version=7)
ENDS: list[QueueEvent] = [ItemCompleted(), ItemFailed("no"), ItemInterrupted("other"), ItemCancelled()]


def test_an_enqueued_item_is_pending() -> None:
    """For its session, with its priority and what is to be done."""
    assert item.when(ENQUEUED).state == QueueItem("agent:main", "pending", 3, operation="prompt")


def test_a_claimed_item_knows_its_claim() -> None:
    """Each claim is an attempt; its version is the claim's name in the stream."""
    item.given(ENQUEUED).when(CLAIMED).then(
        status="claimed", worker="w1", attempts=1, lease_s=30.0, lease=None, claim=2, session_version=7
    )
    item.given(ENQUEUED, CLAIMED).when(ItemClaimed("w2", lease="l")).then(
        status="claimed", worker="w2", attempts=2, lease_s=None, lease="l", claim=3
    )


def test_a_released_item_waits_again_and_keeps_its_attempts() -> None:
    """With why; what was pending anyway is left as it is."""
    item.given(ENQUEUED, CLAIMED).when(ItemReleased("died")).then(
        status="pending", worker=None, claim=None, attempts=1, reason="died", lease_s=None, priority=3
    )
    item.given(ENQUEUED).when(ItemReleased("died")).then_nothing_changes()


def test_a_finished_item_remembers_who_had_it() -> None:
    """And by which claim; it has no lease any more."""
    for end, status in [*zip(ENDS, ("completed", "failed", "interrupted", "cancelled"), strict=True)]:
        item.given(ENQUEUED, CLAIMED).when(end).then(
            status=status, worker="w1", attempts=1, lease_s=None, claim=2
        )
    item.given(ENQUEUED, CLAIMED).when(ItemInterrupted("by", rollback=True)).then(
        status="rolled_back", reason="by"
    )


@pytest.mark.parametrize("end", ENDS)
def test_a_finished_item_stays_as_it_finished(end: QueueEvent) -> None:
    """So that the row's last time is when; only completing beats another end, for the work was done."""
    done = item.given(ENQUEUED, CLAIMED, end)
    for later in (CLAIMED, ItemReleased(), ItemMerged(raw(1)), *ENDS[1:]):
        done.when(later).then_nothing_changes()
    done.when(ItemCompleted()).then(status="completed", reason=None)


def test_messages_join_an_item_that_is_not_finished() -> None:
    """They are counted; what they say is in the log."""
    item.given(ENQUEUED, ItemMerged(raw(1))).when(ItemMerged(raw(2))).then(merged=2, status="pending")


@pytest.mark.parametrize("before", [ItemClaimed("w"), *ENDS])
def test_enqueuing_again_makes_an_item_pending_and_keeps_its_attempts(before: QueueEvent) -> None:
    """Requeue: with the session and the priority of the new event."""
    item.given(ENQUEUED, ItemClaimed("w"), before).when(ItemEnqueued(raw(1), "other", -1)).then(
        session="other", status="pending", priority=-1, worker=None, reason=None, lease_s=None, claim=None,
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
