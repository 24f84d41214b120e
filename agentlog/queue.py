"""The queue: items wait for a session, workers claim and complete them, anybody cancels. Runs no work."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from agentlog.errors import AlreadyExists, NotFound, Refused
from agentlog.scope import ATTEMPTS_MAX, Scope
from agentlog.session import check_limit
from eventlog.command import Command, Receipt
from eventlog.envelope import StreamId
from eventlog.errors import BadInput, Conflict
from eventlog.events import (
    NULL,
    QUEUE_ITEM,
    ItemCancelled,
    ItemClaimed,
    ItemCompleted,
    ItemEnqueued,
    QueueEvent,
    raw,
)
from projections import queue as projection

STATUSES = (projection.PENDING, projection.CLAIMED, projection.COMPLETED, projection.CANCELLED)


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """A queue item as it stands.

    Attributes:
        id: its key. session: the session it waits for; None for any.
        body: what was enqueued; None where it was not asked for (lists).
        attempts: how often it was claimed.
        lease_s: seconds its claim is good for, counted from last_time; None for as long as it takes.
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
    body: Any = None


def decide_enqueue(id: str, event: ItemEnqueued, item: projection.QueueItem | None) -> list[QueueEvent]:
    """An id is used once."""
    if item is not None:
        raise AlreadyExists(
            f"queue item {id!r} exists and is {item.status}", hint="choose another id", key=id
        )
    return [event]


def decide_complete(
    id: str, worker: str, event: ItemCompleted, item: projection.QueueItem | None
) -> list[QueueEvent]:
    """Who claimed it may complete it; twice is once. Cancelled meanwhile: the work was done none the less."""
    known = _present(id, item)
    if known.worker != worker:
        holder = f"worker {known.worker!r}" if known.worker is not None else "nobody"
        raise Refused(
            f"queue item {id!r} is {known.status}, held by {holder} and not by {worker!r}",
            hint="claim it first; another worker takes over when a lease is over",
        )
    return [] if known.status == projection.COMPLETED else [event]


def decide_cancel(id: str, reason: str | None, item: projection.QueueItem | None) -> list[QueueEvent]:
    """What is not done yet can be cancelled; twice is once."""
    known = _present(id, item)
    if known.status == projection.COMPLETED:
        raise Refused(
            f"queue item {id!r} was completed by {known.worker!r}", hint="it cannot be cancelled any more"
        )
    return [] if known.status == projection.CANCELLED else [ItemCancelled(reason)]


def _present(id: str, item: projection.QueueItem | None) -> projection.QueueItem:
    if item is None:
        raise NotFound(f"there is no queue item {id!r}", hint="check id and tenant", key=id)
    return item


class Queue:
    """The queue items a store may name."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        # One claimer per process: its workers would only take items away from each other.
        self._claiming = asyncio.Lock()

    async def enqueue(
        self,
        session: str | None,
        body: Any,
        *,
        priority: int = 0,
        id: str | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> str:
        """Put an item into the queue and return its id.

        Args:
            session: key of the session it waits for; None for whoever comes.
            body: any JSON value.
            priority: higher goes first; among equals the one that came first.
            id: of the caller's choice, so that enqueuing twice is refused; otherwise a new UUID.
        Raises:
            AlreadyExists: the id is taken.
        """
        item = self._scope.log.ids.next() if id is None else id
        stream = self._scope.stream(QUEUE_ITEM, item, tenant)
        event = ItemEnqueued(raw(body), session=session, priority=priority)
        await self._scope.decide(
            stream, ["queue_items"], lambda state: decide_enqueue(item, event, state), meta=meta
        )
        return item

    async def claim(
        self,
        worker: str,
        *,
        session: str | None = None,
        limit: int = 1,
        lease_s: float | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Page:
        """Take up to `limit` items, highest priority first, then the oldest. No item goes to two workers.

        Args:
            lease_s: after so many seconds others may claim them as well; None: never.
        Returns:
            What was claimed; fewer or none when there is no more.
        """
        owner = self._scope.owner(tenant)
        check_limit(limit)
        if not worker:
            raise BadInput("the worker's name is empty")
        event = ItemClaimed(worker, lease_s)
        claimed: list[str] = []
        async with self._claiming:
            for _ in range(ATTEMPTS_MAX):
                rows = await self._scope.fetch("claimable", owner, session, limit - len(claimed))
                tries = [
                    self._claim(StreamId(owner, QUEUE_ITEM, row["key"]), row["version"], event, meta)
                    for row in rows
                ]
                won = await asyncio.gather(*tries)
                claimed += [row["key"] for row, mine in zip(rows, won, strict=True) if mine]
                # Only what somebody else took in between is a reason to look again.
                if len(claimed) == limit or all(won):
                    break
        found = await asyncio.gather(*(self.get(id, tenant=owner) for id in claimed))
        return [item for item in found if item is not None]

    async def _claim(
        self, stream: StreamId, version: int, event: ItemClaimed, meta: dict[str, Any] | None
    ) -> bool:
        try:
            await self._scope.log.append(Command([self._scope.new(stream, event, meta)], {stream: version}))
        except Conflict:
            return False
        return True

    async def complete(
        self,
        id: str,
        worker: str,
        *,
        result: Any = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """Say that an item was worked on. Raises NotFound; Refused when `worker` has not claimed it."""
        stream = self._scope.stream(QUEUE_ITEM, id, tenant)
        event = ItemCompleted(NULL if result is None else raw(result))
        return await self._scope.decide(
            stream, ["queue_items"], lambda state: decide_complete(id, worker, event, state), meta=meta
        )

    async def cancel(
        self,
        id: str,
        reason: str | None = None,
        *,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """Say that nobody is going to work on an item. Raises NotFound; Refused when it is completed."""
        stream = self._scope.stream(QUEUE_ITEM, id, tenant)
        return await self._scope.decide(
            stream, ["queue_items"], lambda state: decide_cancel(id, reason, state), meta=meta
        )

    async def get(self, id: str, *, tenant: str | None = None) -> Item | None:
        """Return an item with its body, or None."""
        stream = self._scope.stream(QUEUE_ITEM, id, tenant)
        rows = await self._scope.fetch("queue_items", stream.tenant, id, None, None, None, 1, of=stream)
        if not rows:
            return None
        body = None
        for event in await self._scope.log.read_stream(stream):
            if event.type == "item_enqueued":
                body = event.value["body"]
        return _item(rows[0], body)

    async def list(
        self,
        *,
        session: str | None = None,
        status: str | None = None,
        limit: int = 100,
        after: str | None = None,
        tenant: str | None = None,
    ) -> Page:
        """Return a page of items without their bodies, the oldest first.

        Args:
            after: id of the last item of the page before. Raises NotFound when there is none.
        """
        owner = self._scope.owner(tenant)
        check_limit(limit)
        if status is not None and status not in STATUSES:
            raise BadInput(f"status {status!r} must be one of {', '.join(STATUSES)}")
        place = None
        if after is not None:
            rows = await self._scope.fetch("stream_place", owner, QUEUE_ITEM, after)
            if not rows:
                raise NotFound(f"there is no queue item {after!r} to go on after", key=after)
            place = rows[0]["id"]
        rows = await self._scope.fetch("queue_items", owner, None, session, status, place, limit)
        return [_item(row, None) for row in rows]

    async def status(self, session: str | None = None, *, tenant: str | None = None) -> dict[str, int]:
        """Return how many items stand in each status, of one session or of all."""
        counts = await self._scope.fetch("queue_counts", self._scope.owner(tenant), session)
        return dict.fromkeys(STATUSES, 0) | {row["status"]: row["count"] for row in counts}


Page = list[Item]  # a name for it, because Queue.list hides the type inside of the class


def _item(row: asyncpg.Record, body: Any) -> Item:
    fields = dict(row)
    del fields["stream_id"]
    return Item(id=fields.pop("key"), body=body, **fields)
