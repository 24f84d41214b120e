"""What may be done with a queue item, as decisions: given where it stands, when somebody asks."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from agentlog.errors import AlreadyExists, ClaimLost, NotFound, Refused
from agentlog.queue_changes import Item, bodies, decide_cancel, decide_end, decide_enqueue, decide_requeue
from eventlog.events import (
    ItemCancelled,
    ItemCompleted,
    ItemEnqueued,
    ItemFailed,
    ItemMerged,
    ItemReleased,
    raw,
)
from projections.queue import CANCELLED, CLAIMED, COMPLETED, FAILED, INTERRUPTED, PENDING, STATUSES, QueueItem

AT = datetime(2026, 11, 28, tzinfo=UTC)
HELD = Item(
    id="i", tenant="", session="s", status=CLAIMED, priority=0, worker="w", attempts=1, reason=None,
    lease_s=None, enqueued_time=AT, last_time=AT, token=70, claim=2,
)  # fmt: skip
DONE, NO, BACK = ItemCompleted(), ItemFailed("no"), ItemReleased()


def test_an_id_is_used_once():
    """So that enqueuing again after a lost answer is safe."""
    event = ItemEnqueued(b"1")

    assert decide_enqueue("i", event, None) == [event]
    for status in STATUSES:
        with pytest.raises(AlreadyExists, match=status):
            decide_enqueue("i", event, QueueItem(status=status))


@pytest.mark.parametrize("event", [DONE, NO, BACK])
def test_only_the_newest_claim_ends_an_item(event):
    """Somebody who comes back from the dead must hear that another has it, whatever they are called."""
    assert decide_end(HELD, event, QueueItem(status=CLAIMED, worker="w", claim=2)) == [event]
    for claim in (None, 1, 4):
        with pytest.raises(ClaimLost, match="position 70 is over") as refused:
            decide_end(HELD, event, QueueItem(status=CLAIMED, worker="w", claim=claim))
        assert refused.value.token == 70
    with pytest.raises(NotFound):
        decide_end(HELD, event, None)


def test_ending_twice_the_same_way_is_ending_once():
    """The first answer may have been lost."""
    assert decide_end(HELD, DONE, QueueItem(status=COMPLETED, claim=2)) == []
    assert decide_end(HELD, NO, QueueItem(status=FAILED, claim=2)) == []
    # Cancelled while it was worked on: done is done.
    assert decide_end(HELD, DONE, QueueItem(status=CANCELLED, claim=2)) == [DONE]
    for event, status in [(NO, COMPLETED), (DONE, FAILED), (DONE, INTERRUPTED), (BACK, COMPLETED)]:
        with pytest.raises(ClaimLost, match=status):
            decide_end(HELD, event, QueueItem(status=status, claim=2))


def test_what_is_not_done_can_be_cancelled():
    """Twice is once; only if it waits, when that was asked for."""
    for status in (PENDING, CLAIMED):
        assert decide_cancel("i", "why", False, QueueItem(status=status)) == [ItemCancelled("why")]
    assert decide_cancel("i", None, False, QueueItem(status=CANCELLED)) == []
    with pytest.raises(Refused, match="completed"):
        decide_cancel("i", None, False, QueueItem(status=COMPLETED, worker="w"))
    assert decide_cancel("i", None, True, QueueItem()) == [ItemCancelled(None)]
    for status in (CLAIMED, COMPLETED, FAILED, CANCELLED):
        assert decide_cancel("i", None, True, QueueItem(status=status)) == []
    with pytest.raises(NotFound):
        decide_cancel("i", None, False, None)


def test_what_failed_or_was_stopped_waits_again_with_all_its_messages():
    """At its old place, for its session; what waits, runs or was done does not."""
    known = QueueItem("s", FAILED, 3, operation="prompt")
    assert decide_requeue("i", ["a", {"b": 1}], known) == [
        ItemEnqueued(raw("a"), "s", 3, operation="prompt"),
        ItemMerged(raw({"b": 1})),
    ]
    for status in (PENDING, CLAIMED, COMPLETED):
        with pytest.raises(Refused, match=status):
            decide_requeue("i", ["a"], QueueItem(status=status))
    with pytest.raises(Refused, match="cannot be read"):
        decide_requeue("i", [], known)


def test_bodies_are_those_since_an_item_was_last_enqueued():
    """What cannot be read is none, and takes nothing with it."""
    said = [
        ("item_enqueued", {"body": 1}), ("item_merged", {"body": 2}), ("item_enqueued", {"body": 3}),
        ("item_merged", {}), ("item_merged", {"body": None}),
    ]  # fmt: skip
    assert bodies(said) == (3, None)
    assert bodies([("item_enqueued", {})]) == ()
