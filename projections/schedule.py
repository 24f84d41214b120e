"""Which schedules there are and when each is due. Not what it puts in the queue, which the log keeps.

One row per `schedule` stream, and one per tenant for the list of them (`schedule_list`). When the next
tick is stands in the events: a fold has no calendar.
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

import msgspec

from eventlog.events import (
    SCHEDULE,
    SCHEDULE_LIST,
    ScheduleDeleted,
    ScheduleEvent,
    ScheduleFired,
    ScheduleListEvent,
    SchedulePaused,
    ScheduleResumed,
    ScheduleSet,
    ScheduleSkipped,
    SchedulesReplaced,
    ScheduleTriggered,
)
from projections.columns import moment, stream_key
from projections.fold import Fold


class Schedule(msgspec.Struct, frozen=True, gc=False):
    """A row of `schedules`.

    Attributes:
        is_set: false when it was deleted.
        set_version: of the event that says what it is. changed_version: of the last that changed that,
            or paused or resumed it; ticks do not.
        due_at: the next tick may be fired from then on; None: there is none.
        fired: ticks and turns so far; skipped: how often ticks were left out, however many at once.
    """

    cron: str = ""
    session: str | None = None
    time_zone: str = "UTC"
    priority: int = 0
    catch_up: str = "once"
    catch_up_max: int = 0
    late_s: float = 0.0
    overlap: str = "allow"
    jitter_s: float = 0.0
    is_set: bool = False
    paused: bool = False
    description: str | None = None
    set_version: int | None = None
    changed_version: int | None = None
    next_tick: datetime | None = None
    due_at: datetime | None = None
    last_tick: datetime | None = None
    last_item: str | None = None
    fired: int = 0
    skipped: int = 0


class ScheduleList(msgspec.Struct, frozen=True, gc=False):
    """A row of `schedule_lists`: how often a whole set was put in place, and of how many the last was."""

    replaced: int = 0
    schedules: int = 0


def evolve(known: Schedule, event: ScheduleEvent, version: int) -> Schedule:
    """Return the schedule after `event`. A tick of what is paused or deleted brings nothing back."""
    replace = msgspec.structs.replace
    match event:
        case ScheduleSet():
            changed = _set(known, event, version)
        case ScheduleDeleted():
            changed = replace(
                known, is_set=False, next_tick=None, due_at=None,
                changed_version=version if known.is_set else known.changed_version,
            )  # fmt: skip
        case SchedulePaused():
            if known.paused:
                return known
            changed = replace(known, paused=True, next_tick=None, due_at=None, changed_version=version)
        case ScheduleResumed():
            if not known.paused:
                return known
            changed = _next(replace(known, paused=False, changed_version=version), event)
        case ScheduleFired(tick=tick, item=item):
            changed = _next(
                replace(
                    known, last_tick=_later(known.last_tick, tick), last_item=stream_key(item),
                    fired=known.fired + 1,
                ),
                event,
            )  # fmt: skip
        case ScheduleSkipped(last=last):
            changed = _next(
                replace(known, last_tick=_later(known.last_tick, last), skipped=known.skipped + 1), event
            )
        case ScheduleTriggered(item=item):
            changed = replace(known, last_item=stream_key(item), fired=known.fired + 1)
        case _:
            assert_never(event)
    return known if changed == known else changed


def _set(known: Schedule, event: ScheduleSet, version: int) -> Schedule:
    changed = Schedule(
        event.cron,
        stream_key(event.session),
        event.time_zone,
        event.priority,
        event.catch_up,
        event.catch_up_max,
        event.late_s,
        event.overlap,
        event.jitter_s,
        True,
        event.paused,
        event.description,
        version,
        version,
        last_tick=known.last_tick,
        last_item=known.last_item,
        fired=known.fired,
        skipped=known.skipped,
    )
    return _next(changed, event)


def _next(
    changed: Schedule, event: ScheduleSet | ScheduleResumed | ScheduleFired | ScheduleSkipped
) -> Schedule:
    if changed.paused or not changed.is_set or event.next_tick is None or event.due_at is None:
        return msgspec.structs.replace(changed, next_tick=None, due_at=None)
    return msgspec.structs.replace(changed, next_tick=moment(event.next_tick), due_at=moment(event.due_at))


def _later(known: datetime | None, tick: datetime) -> datetime:
    time = moment(tick)
    return time if known is None or time > known else known


def evolve_list(known: ScheduleList, event: ScheduleListEvent, version: int) -> ScheduleList:
    """Return the list after `event`."""
    return ScheduleList(known.replaced + 1, len(event.schedules))


SCHEDULES = Fold(
    "schedules",
    version=1,
    kind=SCHEDULE,
    state=Schedule,
    evolve=evolve,
    folds=(
        ScheduleSet,
        ScheduleDeleted,
        SchedulePaused,
        ScheduleResumed,
        ScheduleFired,
        ScheduleSkipped,
        ScheduleTriggered,
    ),
    initial=Schedule(),
)

SCHEDULE_LISTS = Fold(
    "schedule_lists",
    version=1,
    kind=SCHEDULE_LIST,
    state=ScheduleList,
    evolve=evolve_list,
    folds=(SchedulesReplaced,),
    initial=ScheduleList(),
)
