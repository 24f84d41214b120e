"""Schedules of the embedded store, as events. Pure, as rsclaw.py: the calendar is handed in.

A job there goes by a cron expression, in a zone or by its host's clock, or comes again after an interval.
What no schedule here can say is refused: a job that runs once, one that goes through a list of items, an
interval that does not fit into an hour, a day or a week.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from eventlog.errors import BadInput
from eventlog.events import SCHEDULE, RecordKept, ScheduleSet
from replay.imports.facts import Facts
from replay.imports.rsclaw_values import a_row, members_of, time_of_ms

FORMAT = "rsclaw"
# What a schedule says of itself, or what became of the job; all else is its work, and goes into the queue.
_TOLD = ("id", "name", "enabled", "schedule", "sessionKey", "state", "iter", "createdAtMs", "updatedAtMs")
_HOUR, _DAY, _WEEK = 60, 24 * 60, 7 * 24 * 60  # minutes
_THURSDAY = 4  # day of the week of the first day of 1970


class Calendar(NamedTuple):
    """What is to be known of time.

    Attributes:
        time_zone: of jobs that name none.
        next_tick: gives the next tick of a cron expression in a zone, as of the import. Raises BadInput:
            there is no such expression or zone.
    """

    time_zone: str
    next_tick: Callable[[str, str], datetime | None]


class Items(msgspec.Struct, frozen=True):
    """A list that a job goes through."""

    items: list[str]


class CronJob(msgspec.Struct, frozen=True, rename="camel"):
    """The value of `cron_jobs`, without what its queue items say. Times are Unix milliseconds."""

    enabled: bool
    schedule: str | dict[str, Any]
    name: str | None = None
    session_key: str | None = None
    iter: Items | None = None
    created_at_ms: int | None = None
    updated_at_ms: int | None = None


def cron_job(facts: Facts, key: str, value: Any, calendar: Calendar) -> None:
    """A job that has ticks again and again. Its next is the first after the import: none is caught up."""
    job = a_row(value, CronJob)
    if job.iter is not None and job.iter.items:
        raise BadInput(
            "it goes through a list of items", hint="write its next item where its queue is worked on"
        )
    cron, zone = _times(job.schedule, calendar.time_zone)
    tick = calendar.next_tick(cron, zone)
    at = job.updated_at_ms if job.updated_at_ms is not None else job.created_at_ms
    occurred_at = None if at is None else time_of_ms(at)
    is_so = ScheduleSet(
        cron, members_of(value, without=_TOLD), session=job.session_key, time_zone=zone,
        paused=not job.enabled, description=job.name,
    )  # fmt: skip
    ticking = msgspec.structs.replace(is_so, next_tick=tick, due_at=tick) if job.enabled else is_so
    facts.add(SCHEDULE, key, ticking, occurred_at, identity=(is_so, occurred_at))
    facts.add(SCHEDULE, key, RecordKept(FORMAT, members_of(value), "cron_jobs"))


def _times(schedule: str | dict[str, Any], host_zone: str) -> tuple[str, str]:
    """Return the cron expression of a job and the zone it is read in."""
    if isinstance(schedule, str):
        return schedule, host_zone
    kind = schedule.get("kind", "cron")
    if kind == "once":
        when = {name: value for name, value in schedule.items() if name != "kind"}
        raise BadInput(
            f"it runs once ({msgspec.json.encode(when).decode()}), which no schedule does",
            hint="enqueue a task with run_at",
        )
    if kind == "every":
        every_ms = schedule.get("every_ms", schedule.get("everyMs"))
        anchor_ms = schedule.get("anchor_ms", schedule.get("anchorMs"))
        if type(every_ms) is int and every_ms > 0:
            return interval(every_ms, anchor_ms if type(anchor_ms) is int else 0), "UTC"
    cron, zone = schedule.get("expr"), schedule.get("tz")
    if kind in ("cron", None) and isinstance(cron, str):
        return cron, zone if isinstance(zone, str) and zone else host_zone
    raise BadInput(f"schedule {msgspec.json.encode(schedule).decode()} is none that is known")


def interval(every_ms: int, anchor_ms: int) -> str:
    """Return the cron expression, in UTC, of an interval that began at an anchor, to the minute.

    Raises BadInput: it does not fit into an hour, a day or a week.
    """
    minutes, rest_ms = divmod(every_ms, 60_000)
    anchor = anchor_ms // 60_000
    if rest_ms == 0 and minutes:
        if _HOUR % minutes == 0:
            return f"{_steps(anchor, minutes, _HOUR)} * * * *"
        hours, rest = divmod(minutes, _HOUR)
        if rest == 0 and _DAY % minutes == 0:
            return f"{anchor % _HOUR} {_steps(anchor // _HOUR, hours, 24)} * * *"
        if minutes == _WEEK:
            day = (anchor // _DAY + _THURSDAY) % 7
            return f"{anchor % _HOUR} {anchor // _HOUR % 24} * * {day}"
    raise BadInput(
        f"an interval of {every_ms:,} ms does not fit into an hour, a day or a week",
        hint="set a schedule with the cron expression that comes closest",
    )


def _steps(first: int, step: int, whole: int) -> str:
    """The field of what comes each `step` of `whole`, and came at `first`."""
    return ",".join(str(one) for one in range(first % step, whole, step)) if step > 1 else "*"
