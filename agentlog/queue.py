"""The queue: items wait for a session, workers claim, complete or fail them, anybody cancels. Runs no work.

A session's items are worked on strictly one after the other, sessions in parallel. A claim has a
token, the position of its event: who holds an older one is refused (docs/decisions/0013).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from agentlog.checks import check_key, check_kind, check_limit
from agentlog.claim_contents import fields_of, said_until
from agentlog.claims import CLAIM_S, Candidate, Claimed, Claimer, Holder, Said, claim_at
from agentlog.errors import NotFound
from agentlog.lease import LEASE_S, Lease
from agentlog.queue_answers import ENQUEUE, InLine, check_answer, decide_answer
from agentlog.queue_changes import (
    SAID,
    STATUSES,
    Item,
    bodies,
    claimed_event,
    claimed_item,
    decide_cancel,
    decide_end,
    decide_enqueue,
    decide_requeue,
)
from agentlog.queue_lines import Lines
from agentlog.scope import Scope
from agentlog.worker import GRACE_S, Held, Loop
from eventlog.command import Command, Receipt
from eventlog.envelope import MAX_KEY_BYTES, StreamId, check_text
from eventlog.errors import Conflict
from eventlog.events import (
    NULL,
    QUEUE,
    QUEUE_ITEM,
    ItemClaimed,
    ItemCompleted,
    ItemEnqueued,
    ItemFailed,
    ItemReleased,
    TurnTaken,
    raw,
)
from projections import queue as projection

Page = list[Item]  # a name for it, because Queue.list hides the type inside of the class


class Queue:
    """The queue items a store may name.

    Attributes:
        claimer: of this process; its counters say how often other hosts were faster.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._lines = Lines(scope)
        self.claimer = Claimer(
            scope, self._lines.candidates, claimed_event, self._read, self._lines.sweep, self._give_back
        )

    async def enqueue(
        self,
        session: str | None,
        body: Any,
        *,
        priority: int = 0,
        operation: str | None = None,
        when_busy: str = ENQUEUE,
        id: str | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> str:
        """Put an item into the queue and return its id; of the item it joined, when it was merged.

        Args:
            session: key of the session it waits for; None for whoever comes.
            body: any JSON value.
            priority: higher goes first; among equals the one that came first.
            operation: a word for what is to be done, at most 63 characters.
            when_busy: enqueue, reject, interrupt, rollback or merge: what becomes of it when the session
                works on another, or others wait (agentlog/queue_answers.py).
            id: of the caller's choice, so that enqueuing twice is refused; otherwise a new UUID.
        Raises:
            AlreadyExists: the id is taken. Busy: it was rejected.
        """
        item = self._scope.log.ids.next() if id is None else id
        stream = self._scope.stream(QUEUE_ITEM, item, tenant)
        check_answer(when_busy, session)
        event = ItemEnqueued(raw(body), session=session, priority=priority, operation=operation)
        if when_busy == ENQUEUE or session is None:
            try:
                await self._scope.log.append(Command([self._scope.new(stream, event, meta)], {stream: 0}))
            except Conflict:
                await self._scope.decide(
                    stream, ["queue_items"], lambda state: decide_enqueue(item, event, state), meta=meta
                )
            return item
        return await self._answer(stream, session, event, when_busy, meta)

    async def _answer(
        self, stream: StreamId, session: str, event: ItemEnqueued, answer: str, meta: dict[str, Any] | None
    ) -> str:
        """Enqueue under a rule about the whole line; again when the line moved meanwhile."""
        lane = self._scope.stream(QUEUE, session, stream.tenant)

        async def attempt() -> str:
            rows = await self._lines.line(stream.tenant, session, 1)
            line = [
                InLine(row["key"], row["status"] == projection.CLAIMED, row["priority"])
                for row in rows
                if row["key"] is not None and not row["over"]
            ]
            decided = decide_answer(answer, session, stream.key, event, line)
            versions = {row["key"]: row["version"] for row in rows} | {stream.key: 0}
            expected = {lane: rows[0]["lane_version"]}
            events = []
            for key, said in decided:
                target = StreamId(stream.tenant, QUEUE_ITEM, key)
                events.append(self._scope.new(target, said, meta))
                expected[target] = versions[key]
            turn = TurnTaken(tuple(key for key, _ in decided), answer)
            events.append(self._scope.new(lane, turn, meta))
            try:
                await self._scope.log.append(Command(events, expected))
                return decided[-1][0]
            except Conflict as conflict:
                if conflict.stream == stream and conflict.expected_version == 0:
                    state, _ = await self._scope.log.state("queue_items", stream)
                    decide_enqueue(stream.key, event, state)
                raise

        return await self._scope.again(attempt)

    async def claim(
        self,
        worker: str,
        *,
        session: str | None = None,
        limit: int = 1,
        lease_s: float | None = CLAIM_S,
        lease: Lease | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Page:
        """Take up to `limit` items, one per session at most, the most urgent first. Nobody else gets them.

        Args:
            session: the next of that session only.
            lease_s: after so many seconds it returns to whoever comes; None: never. Not used with a lease.
            lease: it is held as long as that lease is renewed.
        Returns:
            What was claimed, with its bodies; fewer or none when there is no more that may be claimed.
        """
        owner = self._scope.owner(tenant)
        check_limit(limit)
        check_key(session, "session")
        check_kind(lease, Lease | None, "lease", "a Lease")
        held_by = None if lease is None else await lease.take()
        holder = Holder(worker, lease_s if lease is None else None, held_by, meta)
        return await self.claim_for((owner, session), holder, limit)

    async def claim_for(
        self, selection: tuple[str, str | None], holder: Holder, limit: int, *, thorough: bool = True
    ) -> Page:
        """As `claim`, for a worker's loop: (tenant, session), and who holds it how."""
        won = await self.claimer.claim(selection, holder, limit, thorough=thorough)
        return [claimed_item(one, holder) for one in won]

    async def _read(self, found: Sequence[Candidate]) -> dict[int, Said]:
        return await said_until(self._scope, found, SAID)

    async def _give_back(self, one: Claimed) -> None:
        """Nobody waits for this claim any more."""
        item = claimed_item(one, Holder("nobody"))
        await self.release(item, "its claimer went away")

    async def held(self, id: str, token: int, *, tenant: str | None = None) -> Item:
        """Return an item as whoever made the claim at position `token` holds it, or held it: to end it by.

        Raises:
            NotFound: there is no such item. ClaimLost: that position is no claim of it.
        """
        item = await self.get(id, tenant=tenant)
        if item is None:
            raise NotFound(f"there is no queue item {id!r}", hint="check id and tenant", key=id)
        stream = StreamId(item.tenant, QUEUE_ITEM, id)
        claim = await claim_at(self._scope, "queue item", stream, token, ItemClaimed)
        return msgspec.structs.replace(item, token=token, claim=claim)

    async def complete(
        self, held: Item, result: Any = None, *, meta: dict[str, Any] | None = None
    ) -> Receipt | None:
        """Say that an item was worked on: `held` as claiming returned it. None when that was said before.

        Raises ClaimLost when it is not held any more: nothing was appended.
        """
        return await self._end(held, ItemCompleted(NULL if result is None else raw(result)), meta)

    async def fail(
        self, held: Item, reason: str | None = None, *, meta: dict[str, Any] | None = None
    ) -> Receipt | None:
        """Say that an item was worked on to no avail; see `requeue`. Raises ClaimLost."""
        return await self._end(held, ItemFailed(reason), meta)

    async def release(
        self, held: Item, reason: str | None = None, *, meta: dict[str, Any] | None = None
    ) -> Receipt | None:
        """Give an item back undone: it waits again at its old place. Raises ClaimLost."""
        return await self._end(held, ItemReleased(reason), meta)

    async def _end(
        self, held: Item, event: ItemCompleted | ItemFailed | ItemReleased, meta: dict[str, Any] | None
    ) -> Receipt | None:
        check_kind(held, Item | Held, "held", "an item as claiming returned it")
        stream = self._scope.stream(QUEUE_ITEM, held.id, held.tenant)
        return await self._scope.decide(
            stream, ["queue_items"], lambda state: decide_end(held, event, state), meta=meta
        )

    async def cancel(
        self,
        id: str,
        reason: str | None = None,
        *,
        if_pending: bool = False,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """Say that nobody is going to work on an item.

        Args:
            if_pending: leave it alone, and return None, when a worker has it or it is finished.
        Raises NotFound; Refused when it is completed.
        """
        stream = self._scope.stream(QUEUE_ITEM, id, tenant)
        return await self._scope.decide(
            stream, ["queue_items"], lambda state: decide_cancel(id, reason, if_pending, state), meta=meta
        )

    async def requeue(
        self, id: str, *, meta: dict[str, Any] | None = None, tenant: str | None = None
    ) -> Receipt | None:
        """Let an item wait again that failed, was cancelled or stopped; at its old place.

        Raises NotFound; Refused when it waits, is claimed, or was completed.
        """
        stream = self._scope.stream(QUEUE_ITEM, id, tenant)
        events = await self._scope.log.read_stream(stream)
        messages = bodies([(event.type, fields_of(event)) for event in events])
        return await self._scope.decide(
            stream, ["queue_items"], lambda state: decide_requeue(id, messages, state), meta=meta
        )

    async def get(self, id: str, *, tenant: str | None = None) -> Item | None:
        """Return an item with its bodies, or None."""
        stream = self._scope.stream(QUEUE_ITEM, id, tenant)
        rows = await self._scope.fetch("queue_items", stream.tenant, id, None, None, None, 1, of=stream)
        if not rows:
            return None
        events = await self._scope.log.read_stream(stream)
        return _item(rows[0], bodies=bodies([(event.type, fields_of(event)) for event in events]))

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
        rows = await self._scope.page(
            "queue_items", QUEUE_ITEM, "queue item", STATUSES,
            session=session, status=status, limit=limit, after=after, tenant=tenant,
        )  # fmt: skip
        return [_item(row) for row in rows]

    async def pending(self, session: str, *, limit: int = 100, tenant: str | None = None) -> Page:
        """Return what waits for a session, without bodies, in the order it is going to be claimed in."""
        owner = self._scope.owner(tenant)
        check_limit(limit)
        check_text(session, "session", MAX_KEY_BYTES)
        rows = await self._lines.line(owner, session, limit)
        return [
            Item(
                id=row["key"], tenant=owner, session=session, status=row["status"], priority=row["priority"],
                worker=None, attempts=row["attempts"], reason=row["reason"], lease_s=None,
                merged=row["merged"], operation=row["operation"], enqueued_time=row["enqueued_time"],
                last_time=row["last_time"],
            )
            for row in rows
            if row["status"] == projection.PENDING
        ]  # fmt: skip

    async def status(self, session: str | None = None, *, tenant: str | None = None) -> dict[str, int]:
        """Return how many items stand in each status, of one session or of all."""
        check_key(session, "session")
        counts = await self._scope.fetch("queue_counts", self._scope.owner(tenant), session)
        return dict.fromkeys(STATUSES, 0) | {row["status"]: row["count"] for row in counts}

    def work(
        self,
        *,
        concurrency: int = 8,
        worker: str | None = None,
        lease_s: float = LEASE_S,
        grace_s: float = GRACE_S,
        tenant: str | None = None,
    ) -> Loop[Item]:
        """Return a worker's loop over items; see `Tasks.work`."""
        selection = (self._scope.owner(tenant), None)

        async def claim(holder: Holder, limit: int) -> Page:
            return await self.claim_for(selection, holder, limit, thorough=False)

        return Loop(
            self._scope, claim, self, worker=worker, concurrency=concurrency, lease_s=lease_s, grace_s=grace_s
        )


def _item(row: Any, **more: Any) -> Item:
    fields = dict(row)
    del fields["stream_id"]
    return Item(id=fields.pop("key"), **fields, **more)
