"""Where an item of a session's queue stands, and who has it. Not its body, which the log keeps.

One row per `queue_item` stream. A lease is over at `last_time + lease_s` while the item is claimed.
"""

from __future__ import annotations

from typing import assert_never

import msgspec

from eventlog.events import (
    QUEUE_ITEM,
    ItemCancelled,
    ItemClaimed,
    ItemCompleted,
    ItemEnqueued,
    QueueEvent,
)
from projections.columns import stream_key
from projections.fold import Fold

PENDING, CLAIMED, COMPLETED, CANCELLED = "pending", "claimed", "completed", "cancelled"


class QueueItem(msgspec.Struct, frozen=True, gc=False):
    """A row of `queue_items`. `attempts` counts claims, over all times it was enqueued."""

    session: str | None = None
    status: str = PENDING
    priority: int = 0
    worker: str | None = None
    attempts: int = 0
    reason: str | None = None
    lease_s: float | None = None


def evolve(item: QueueItem, event: QueueEvent, version: int) -> QueueItem:
    """Return the item after `event`. Never refuses: it happened, so it counts.

    Only enqueuing again brings a completed or cancelled item back. A claim of one is counted and
    changes nothing else. Completed beats cancelled, whichever came first: the work was done.
    """
    match event:
        case ItemEnqueued(session=session, priority=priority):
            changed = QueueItem(stream_key(session), PENDING, priority, None, item.attempts)
        case ItemClaimed(worker=worker, lease_s=lease_s):
            attempts = item.attempts + 1
            if item.status in (COMPLETED, CANCELLED):
                return msgspec.structs.replace(item, attempts=attempts)
            return QueueItem(item.session, CLAIMED, item.priority, worker, attempts, None, lease_s)
        case ItemCompleted():
            changed = QueueItem(item.session, COMPLETED, item.priority, item.worker, item.attempts)
        case ItemCancelled(reason=reason):
            if item.status in (COMPLETED, CANCELLED):
                return item
            changed = QueueItem(item.session, CANCELLED, item.priority, item.worker, item.attempts, reason)
        case _:
            assert_never(event)
    return item if changed == item else changed


QUEUE_ITEMS = Fold(
    "queue_items",
    version=1,
    kind=QUEUE_ITEM,
    state=QueueItem,
    evolve=evolve,
    folds=(ItemEnqueued, ItemClaimed, ItemCompleted, ItemCancelled),
    initial=QueueItem(),
)
