"""A queue item, and what may be done with it, decided. Pure; reads nothing and appends nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from agentlog.claims import Candidate, Claimed, Holder
from agentlog.errors import AlreadyExists, ClaimLost, NotFound, Refused
from eventlog.envelope import time_to_us
from eventlog.events import (
    ItemCancelled,
    ItemClaimed,
    ItemCompleted,
    ItemEnqueued,
    ItemFailed,
    ItemMerged,
    ItemReleased,
    QueueEvent,
    raw,
)
from projections import queue as projection

STATUSES = projection.STATUSES
SAID = ("item_enqueued", "item_merged")
_VERSION_MAX = 2**31 - 1


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """A queue item as it stands.

    Attributes:
        id: its key. session: the session it waits for; None for any.
        bodies: what was enqueued, and what was merged into it; empty where it was not asked for (lists).
        operation: the enqueuer's word for what is to be done.
        attempts: how often it was claimed.
        token: position of the claim that holds or finished it, a fencing token. claim: its stream version.
        lease_s: seconds its claim is good for, counted from last_time; None: as long as its lease is renewed.
        session_version: where the session's stream stood when it was claimed.
        processed_time: when it was finished; None while it waits or is claimed.
    """

    id: str
    tenant: str
    session: str | None
    status: str
    priority: int
    worker: str | None
    attempts: int
    reason: str | None
    lease_s: float | None
    enqueued_time: datetime
    last_time: datetime
    processed_time: datetime | None = None
    token: int | None = None
    claim: int | None = None
    session_version: int | None = None
    merged: int = 0
    operation: str | None = None
    bodies: tuple[Any, ...] = ()

    @property
    def body(self) -> Any:
        """What was enqueued first; None where it was not asked for."""
        return self.bodies[0] if self.bodies else None


def decide_enqueue(id: str, event: ItemEnqueued, item: projection.QueueItem | None) -> list[QueueEvent]:
    """An id is used once."""
    if item is not None:
        raise AlreadyExists(
            f"queue item {id!r} exists and is {item.status}", hint="choose another id", key=id
        )
    return [event]


def decide_end(
    held: Item, event: ItemCompleted | ItemFailed | ItemReleased, item: projection.QueueItem | None
) -> list[QueueEvent]:
    """Who holds the claim may end it; twice is once. Cancelled meanwhile: what was done was done."""
    known = _present(held.id, item)
    if held.claim is None or known.claim != held.claim:
        raise _lost(held, known)
    if known.status == projection.CLAIMED:
        return [event]
    if isinstance(event, ItemCompleted):
        if known.status == projection.COMPLETED:
            return []
        if known.status == projection.CANCELLED:
            return [event]
    elif isinstance(event, ItemFailed) and known.status == projection.FAILED:
        return []
    raise _lost(held, known)


def decide_cancel(
    id: str, reason: str | None, if_pending: bool, item: projection.QueueItem | None
) -> list[QueueEvent]:
    """What is not done yet can be cancelled; twice is once."""
    known = _present(id, item)
    if known.status == projection.COMPLETED and not if_pending:
        raise Refused(
            f"queue item {id!r} was completed by {known.worker!r}", hint="it cannot be cancelled any more"
        )
    open_ = (projection.PENDING,) if if_pending else (projection.PENDING, projection.CLAIMED)
    return [ItemCancelled(reason)] if known.status in open_ else []


def decide_requeue(id: str, messages: Sequence[Any], item: projection.QueueItem | None) -> list[QueueEvent]:
    """What is finished, and was not done, waits again with all its messages."""
    known = _present(id, item)
    if known.status in (projection.PENDING, projection.CLAIMED, projection.COMPLETED):
        raise Refused(
            f"queue item {id!r} is {known.status}", hint="only what failed or was stopped can be requeued"
        )
    if not messages:
        raise Refused(f"what queue item {id!r} holds cannot be read by this release", hint="use a newer one")
    first = ItemEnqueued(
        raw(messages[0]), session=known.session, priority=known.priority, operation=known.operation
    )
    return [first, *(ItemMerged(raw(message)) for message in messages[1:])]


def _present(id: str, item: projection.QueueItem | None) -> projection.QueueItem:
    if item is None:
        raise NotFound(f"there is no queue item {id!r}", hint="check id and tenant", key=id)
    return item


def _lost(held: Item, known: projection.QueueItem) -> ClaimLost:
    holder = f", held by worker {known.worker!r}" if known.status == projection.CLAIMED else ""
    return ClaimLost(
        f"queue item {held.id!r} is {known.status}{holder}; the claim at position {held.token} is over",
        hint="stop working on it; it was interrupted, finished, or given to another when its lease was over",
        key=held.id,
        token=held.token,
    )


def claimed_event(holder: Holder, candidate: Candidate) -> ItemClaimed:
    """Return the claim of a candidate."""
    at = candidate.row["session_version"]
    return ItemClaimed(
        holder.worker, holder.lease_s, holder.lease, at if at is not None and at <= _VERSION_MAX else None
    )


def claimed_item(one: Claimed, holder: Holder) -> Item:
    """Return the item that a claim won."""
    row, lane = one.candidate.row, one.candidate.lane
    return Item(
        id=row["key"],
        tenant=one.candidate.stream.tenant,
        session=None if lane is None else lane.key,
        status=projection.CLAIMED,
        priority=row["priority"],
        worker=holder.worker,
        attempts=row["attempts"] + 1,
        reason=None,
        lease_s=holder.lease_s,
        enqueued_time=row["enqueued_time"],
        last_time=datetime.fromtimestamp(time_to_us(one.time) / 1_000_000, UTC),
        token=one.token,
        claim=one.version,
        session_version=row["session_version"],
        merged=row["merged"],
        operation=row["operation"],
        bodies=bodies(one.said),
    )


def bodies(said: Iterable[tuple[str, Mapping[str, Any]]]) -> tuple[Any, ...]:
    """Return an item's messages since it was last enqueued; none of what cannot be read."""
    found: list[Any] = []
    for type, fields in said:
        if type == "item_enqueued":
            found = []
        if type in SAID and "body" in fields:
            found.append(fields["body"])
    return tuple(found)
