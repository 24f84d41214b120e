"""What a schedule is: a cron expression, what each tick puts into the queue, and the policies. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Raw

from agentlog.checks import check_kind, check_number, check_seconds, check_word
from agentlog.cron import check_cron, check_zone, due_at, next_tick
from agentlog.errors import NotFound
from agentlog.schedule_ticks import ALLOW, CATCH_UPS, ONCE, OVERLAPS, TICKS_MAX
from eventlog.events import ScheduleDeleted, ScheduleEvent, SchedulePaused, ScheduleResumed, ScheduleSet, raw
from eventlog.payload import decode_payload, encode_payload
from projections import schedule as projection


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """What a schedule is. Everything but `cron` may be left out.

    Attributes:
        cron: five fields, or a name such as `@daily`. time_zone: in which they are read.
        body: any JSON value, put into the queue of `session` by each tick; None: for whoever comes.
        priority: of the queue item.
        catch_up: what becomes of ticks that are over `late_s` seconds late: skip, once, all (the newest
            `catch_up_max`, 1 to 100).
        overlap: what becomes of a tick while the work of the one before is not done: allow, skip, replace.
        jitter_s: a tick is fired up to so many seconds after its time, the same for every host.
        paused: it has no ticks.
    """

    cron: str
    body: Any = None
    session: str | None = None
    time_zone: str = "UTC"
    priority: int = 0
    catch_up: str = ONCE
    catch_up_max: int = 10
    late_s: float = 60.0
    overlap: str = ALLOW
    jitter_s: float = 0.0
    paused: bool = False
    description: str | None = None

    def event(self) -> ScheduleSet:
        """Return the event that sets it, without its next tick. Raises BadInput, BadPayload."""
        check_cron(self.cron)
        check_zone(self.time_zone)
        for value, words, what in (
            (self.catch_up, CATCH_UPS, "catch_up"),
            (self.overlap, OVERLAPS, "overlap"),
        ):
            check_word(value, words, what)
        count = check_number(self.catch_up_max, "catch_up_max", 1, TICKS_MAX)
        check_kind(self.paused, bool, "paused", "true or false")
        return ScheduleSet(
            self.cron, _said_again(self.body), self.session, self.time_zone, self.priority, self.catch_up,
            count, check_seconds(self.late_s, "late_s"), self.overlap,
            check_seconds(self.jitter_s, "jitter_s"), self.paused, self.description,
        )  # fmt: skip


def _said_again(body: Any) -> Raw:
    """Return the body as JSON that every tick can say again. Raises BadPayload."""
    data, encoding = encode_payload(body)
    return raw(body) if encoding is None else raw(decode_payload(data, encoding))


def decide_set(
    tenant: str,
    id: str,
    event: ScheduleSet,
    now: datetime,
    keep_paused: bool,
    known: projection.Schedule | None,
) -> list[ScheduleEvent]:
    """Set a schedule. Its next tick stays as it is due, unless its times are others now.

    Args:
        keep_paused: paused or not, as it is; not as the event says.
    """
    standing = known if known is not None and known.is_set else None
    paused = standing.paused if standing is not None and keep_paused else event.paused
    if paused:
        return [msgspec.structs.replace(event, paused=True)]
    same = standing is not None and (standing.cron, standing.time_zone) == (event.cron, event.time_zone)
    if same and standing is not None and standing.next_tick is not None:
        tick: datetime | None = standing.next_tick
    else:
        tick = next_tick(event.cron, event.time_zone, now)
    due = None if tick is None else due_at(tenant, id, tick, event.jitter_s)
    return [msgspec.structs.replace(event, paused=False, next_tick=tick, due_at=due)]


def decide_pause(id: str, reason: str | None, known: projection.Schedule | None) -> list[ScheduleEvent]:
    """Pausing twice is pausing once."""
    return [] if present(id, known).paused else [SchedulePaused(reason)]


def decide_resume(
    tenant: str, id: str, now: datetime, known: projection.Schedule | None
) -> list[ScheduleEvent]:
    """Resuming twice is resuming once. What would have been a tick while it was paused is none."""
    standing = present(id, known)
    if not standing.paused:
        return []
    tick = next_tick(standing.cron, standing.time_zone, now)
    return [ScheduleResumed(tick, None if tick is None else due_at(tenant, id, tick, standing.jitter_s))]


def decide_delete(id: str, reason: str | None, known: projection.Schedule | None) -> list[ScheduleEvent]:
    """Deleting twice is deleting once."""
    if known is None:
        present(id, known)
    return [ScheduleDeleted(reason)] if known is not None and known.is_set else []


def present(id: str, known: projection.Schedule | None) -> projection.Schedule:
    """Return the schedule, or raise NotFound when there is none, or none any more."""
    if known is None or not known.is_set:
        was = "" if known is None else " any more: it was deleted"
        raise NotFound(f"there is no schedule {id!r}{was}", hint="check id and tenant", key=id)
    return known


FIELDS: Sequence[str] = Definition.__struct_fields__
