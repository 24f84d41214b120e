"""Firing: what is due is put into the queue, by whichever host is first. Knows no leader and takes no lock.

The tick and its queue item are one command, with the schedule's version as the expected version: of
hosts that fire the same tick one gets it, and a schedule that was paused or changed in between is left.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

import asyncpg
import msgspec
from msgspec import Raw

from agentlog.checks import check_interval, check_limit, check_moment
from agentlog.errors import Conflict
from agentlog.schedule_ticks import decide_ticks
from agentlog.scope import ATTEMPTS_MAX, Scope, query_text
from eventlog.command import Command
from eventlog.envelope import Event, NewEvent, StreamId
from eventlog.events import (
    QUEUE_ITEM,
    SCHEDULE,
    ItemCancelled,
    ItemEnqueued,
    ScheduleFired,
    ScheduleSet,
    decode_event,
    raw,
)
from projections import schedule as projection
from projections.queue import CLAIMED, PENDING


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule as it stands: its definition (see Definition), its ticks, and how often it fired.

    Attributes:
        next_tick: what the next tick is for; due_at: when it may be fired; None: it is paused, or has none.
        last_tick: the last that was fired or left out. last_item: queue item of the last that was fired.
        fired, skipped: how often.
        changed_position: of the event that last changed what it is, or paused or resumed it.
    """

    id: str
    tenant: str
    cron: str
    body: Any
    session: str | None
    time_zone: str
    priority: int
    catch_up: str
    catch_up_max: int
    late_s: float
    overlap: str
    jitter_s: float
    paused: bool
    description: str | None
    next_tick: datetime | None
    due_at: datetime | None
    last_tick: datetime | None
    last_item: str | None
    fired: int
    skipped: int
    changed_position: int


class Fired(msgspec.Struct, frozen=True):
    """A tick that this call fired, and the queue item it put there."""

    schedule: str
    tick: datetime
    item: str


class Firing:
    """What fires schedules. `now` is the moment to go by; without it that of Postgres, which hosts share."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def position(self) -> int:
        """Return where the head of the log stands."""
        return (await self._scope.log.head()).position

    async def fire(
        self,
        *,
        now: datetime | None = None,
        limit: int = 100,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> list[Fired]:
        """Fire what is due, and return what was fired by this call. Others may do so at the same time.

        Args:
            limit: schedules to look at, 1 to 1,000.
            meta: of the events; that of items also says `schedule` and `tick`.
        """
        owner = self._scope.owner(tenant)
        check_limit(limit)
        check_moment(now)
        fired: list[Fired] = []
        for _ in range(ATTEMPTS_MAX):
            rows = await self._scope.fetch("schedules_due", owner, now, limit)
            bodies = await self._bodies(owner, rows)
            outcomes = await asyncio.gather(*(self._fire(row, bodies.get(row["key"]), meta) for row in rows))
            fired += [one for outcome in outcomes if outcome is not None for one in outcome]
            # Only what somebody changed, or fired, in between is a reason to look again.
            if all(outcome is not None for outcome in outcomes):
                break
        return fired

    async def run(
        self,
        *,
        interval_s: float = 1.0,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> AsyncIterator[Fired]:
        """Fire what is due for ever, and give what was fired here. Run it on as many hosts as you like.

        Args:
            interval_s: how often to look, above 0 and at most an hour.
        """
        check_interval(interval_s)
        while True:
            for fired in await self.fire(meta=meta, tenant=tenant):
                yield fired
            await asyncio.sleep(interval_s)

    async def _fire(
        self, row: asyncpg.Record, body: Raw | None, meta: dict[str, Any] | None
    ) -> list[Fired] | None:
        """Fire one schedule; None when somebody was faster."""
        known = state_of(row)
        busy = row["item_status"] in (PENDING, CLAIMED)
        outcome = decide_ticks(
            row["tenant"], row["key"], known, row["moment"], busy, self._scope.log.ids.next
        )
        # What it puts into the queue was written by a later release: hosts of that one fire it.
        if not outcome.events or body is None:
            return []
        stream = StreamId(row["tenant"], SCHEDULE, row["key"])
        expected = {stream: row["version"]}
        events = [self._scope.new(stream, event, meta) for event in outcome.events]
        fired = [event for event in outcome.events if isinstance(event, ScheduleFired)]
        if outcome.replaces:
            before = StreamId(row["tenant"], QUEUE_ITEM, row["last_item"])
            expected[before] = row["item_version"]
            events.append(self._scope.new(before, ItemCancelled(f"replaced by {row['key']}"), meta))
        for event in fired:
            about = {"schedule": row["key"], "tick": event.tick.isoformat()}
            events.append(self._item(stream, event.item, known, body, about | (meta or {})))
        try:
            await self._scope.log.append(Command(events, expected))
        except Conflict:
            return None
        return [Fired(row["key"], event.tick, event.item) for event in fired]

    def _item(
        self, schedule: StreamId, item: str, known: projection.Schedule, body: Raw, meta: dict[str, Any]
    ) -> NewEvent:
        enqueued = ItemEnqueued(body, session=known.session, priority=known.priority)
        return self._scope.new(StreamId(schedule.tenant, QUEUE_ITEM, item), enqueued, meta)

    async def _bodies(self, owner: str, rows: Sequence[asyncpg.Record]) -> dict[str, Raw]:
        """Return what each schedule puts into the queue, by key."""
        found = await self._scope.log.reads.events(
            query_text("schedule_bodies"),
            owner,
            [row["key"] for row in rows],
            [row["set_version"] for row in rows],
        )
        events = (stored.to_event() for stored in found)
        bodies = ((event.stream.key, body_of(event)) for event in events)
        return {key: body for key, body in bodies if body is not None}


def body_of(event: Event) -> Raw | None:
    """Return the body that an event sets, to the digit; None when it cannot be read."""
    said = decode_event(event.type, event.schema, event.data, event.encoding)
    if not isinstance(said, ScheduleSet):
        return None
    # Encoded ones hold lone surrogates, which a reader of strict JSON does not see.
    return said.body if event.encoding is None else raw(event.value["body"])


def state_of(row: asyncpg.Record) -> projection.Schedule:
    """Return the state that a row of queries/schedules.sql holds."""
    return projection.Schedule(*(row[name] for name in projection.Schedule.__struct_fields__))


def schedule_of(row: asyncpg.Record, body: Any) -> Schedule:
    """Return the schedule of a row of queries/schedules.sql."""
    names = set(Schedule.__struct_fields__) & set(projection.Schedule.__struct_fields__)
    return Schedule(
        id=row["key"],
        tenant=row["tenant"],
        body=body,
        changed_position=row["changed_position"],
        **{name: row[name] for name in names},
    )
