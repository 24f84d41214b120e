"""A schedule, and what became of each of its ticks. Stream kind `schedule`, one stream per schedule.

Who appends has worked out the next tick: `next_tick` is when it is for, `due_at` when it may be fired
(later by its jitter). So neither a fold nor a rebuild needs a calendar, which may have changed since.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from eventlog.events.fields import Count, Integer, Seconds, Time, Word


class ScheduleSet(msgspec.Struct, frozen=True, omit_defaults=True):
    """The schedule is so from now on; everything it was before is replaced.

    Each tick puts `body` into the queue of `session`.
    """

    cron: str
    body: Raw
    session: str | None = None
    time_zone: str = "UTC"
    priority: Integer = 0
    catch_up: Word = "once"
    catch_up_max: Count = 10
    late_s: Seconds = 60.0
    overlap: Word = "allow"
    jitter_s: Seconds = 0.0
    paused: bool = False
    description: str | None = None
    next_tick: Time | None = None
    due_at: Time | None = None


class ScheduleDeleted(msgspec.Struct, frozen=True, omit_defaults=True):
    """There is no such schedule any more."""

    reason: str | None = None


class SchedulePaused(msgspec.Struct, frozen=True, omit_defaults=True):
    """The schedule has no ticks until it is resumed."""

    reason: str | None = None


class ScheduleResumed(msgspec.Struct, frozen=True, omit_defaults=True):
    """The schedule has ticks again; those it had while it was paused are none."""

    next_tick: Time | None = None
    due_at: Time | None = None


class ScheduleFired(msgspec.Struct, frozen=True, omit_defaults=True):
    """The tick was fired: `item` went into the queue in the same command."""

    tick: Time
    item: str
    next_tick: Time | None = None
    due_at: Time | None = None


class ScheduleSkipped(msgspec.Struct, frozen=True, omit_defaults=True):
    """The ticks from `first` to `last` were not fired: too late, or one before was still being worked on."""

    first: Time
    last: Time
    reason: Word
    next_tick: Time | None = None
    due_at: Time | None = None


class ScheduleTriggered(msgspec.Struct, frozen=True, omit_defaults=True):
    """Somebody had it done out of turn: `item` went into the queue in the same command. No tick changes."""

    item: str


class SchedulesReplaced(msgspec.Struct, frozen=True, omit_defaults=True):
    """A whole set of schedules was put in place of another, in the same command. Stream kind `schedule_list`.

    Of two that replace at the same time, the version of this stream lets the second decide again.
    """

    schedules: tuple[str, ...]


ScheduleEvent = (
    ScheduleSet
    | ScheduleDeleted
    | SchedulePaused
    | ScheduleResumed
    | ScheduleFired
    | ScheduleSkipped
    | ScheduleTriggered
)
ScheduleListEvent = SchedulesReplaced
