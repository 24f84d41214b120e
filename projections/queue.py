"""Where an item of a session's queue stands, and who has it. Not its body, which the log keeps.

One row per `queue_item` stream. What is finished stays as it finished, so `last_time` is when.
"""

from __future__ import annotations

from typing import assert_never, get_args

import msgspec

from eventlog.events import (
    QUEUE_ITEM,
    ItemCancelled,
    ItemClaimed,
    ItemCompleted,
    ItemEnqueued,
    ItemFailed,
    ItemInterrupted,
    ItemMerged,
    ItemReleased,
    QueueEvent,
)
from projections.columns import stream_key, text
from projections.fold import Fold

PENDING, CLAIMED = "pending", "claimed"
COMPLETED, FAILED, CANCELLED = "completed", "failed", "cancelled"
INTERRUPTED, ROLLED_BACK = "interrupted", "rolled_back"
STATUSES = (PENDING, CLAIMED, COMPLETED, FAILED, CANCELLED, INTERRUPTED, ROLLED_BACK)


class QueueItem(msgspec.Struct, frozen=True, gc=False):
    """A row of `queue_items`.

    Attributes:
        claim: stream version of the claim that holds, or of the one that finished it.
        attempts: claims, over all times it was enqueued.
        merged: messages that joined it while it waited.
    """

    session: str | None = None
    status: str = PENDING
    priority: int = 0
    worker: str | None = None
    attempts: int = 0
    reason: str | None = None
    lease_s: float | None = None
    lease: str | None = None
    claim: int | None = None
    session_version: int | None = None
    merged: int = 0
    operation: str | None = None


def evolve(item: QueueItem, event: QueueEvent, version: int) -> QueueItem:
    """Return the item after `event`, its `version`-th. Never refuses: it happened, so it counts.

    Only enqueuing again brings a finished item back. Completed beats every other end, whichever came
    first: the work was done.
    """
    finished = item.status not in (PENDING, CLAIMED)
    match event:
        case ItemEnqueued(session=session, priority=priority, operation=operation):
            merged = 0 if finished else item.merged
            changed = QueueItem(
                stream_key(session and text(session)), priority=priority, attempts=item.attempts,
                merged=merged, operation=operation and text(operation),
            )  # fmt: skip
        case ItemClaimed():
            return item if finished else _claimed(item, event, version)
        case ItemCompleted():
            changed = _ended(item, COMPLETED, None)
        case ItemMerged():
            changed = item if finished else msgspec.structs.replace(item, merged=item.merged + 1)
        case ItemReleased(reason=reason):
            changed = _without_claim(item, reason) if item.status == CLAIMED else item
        case ItemFailed(reason=reason):
            changed = item if finished else _ended(item, FAILED, reason)
        case ItemInterrupted(by=by, rollback=rollback):
            changed = item if finished else _ended(item, ROLLED_BACK if rollback else INTERRUPTED, by)
        case ItemCancelled(reason=reason):
            changed = item if finished else _ended(item, CANCELLED, reason)
        case _:
            assert_never(event)
    return item if changed == item else changed


# These two make the item by position: msgspec.structs.replace takes three times as long, and nearly every
# item is claimed and ended.


def _claimed(was: QueueItem, event: ItemClaimed, version: int) -> QueueItem:
    return QueueItem(
        was.session, CLAIMED, was.priority, text(event.worker), was.attempts + 1, None, event.lease_s,
        event.lease and text(event.lease), version, event.session_version, was.merged, was.operation,
    )  # fmt: skip


def _ended(was: QueueItem, status: str, reason: str | None) -> QueueItem:
    """The item finished; who had it is remembered, how long it might have kept it is not."""
    return QueueItem(
        was.session, status, was.priority, was.worker, was.attempts, reason and text(reason), None, None,
        was.claim, was.session_version, was.merged, was.operation,
    )  # fmt: skip


def _without_claim(item: QueueItem, reason: str | None) -> QueueItem:
    return msgspec.structs.replace(
        item, status=PENDING, worker=None, reason=reason and text(reason), lease_s=None, lease=None,
        claim=None, session_version=None,
    )  # fmt: skip


QUEUE_ITEMS = Fold(
    "queue_items",
    version=2,
    kind=QUEUE_ITEM,
    state=QueueItem,
    evolve=evolve,
    folds=get_args(QueueEvent),
    initial=QueueItem(),
    unscanned=get_args(QueueEvent),
)
