"""Cron expressions: when the ticks of a schedule are. Pure; the calendar is that of the zone's database.

Five fields as Debian's cron reads them, and its names `@daily` and so on; the package `cronsim` walks
them. Where clocks go forward, what would be in the hour that is missing comes right after it; where they
go back, what is at a set hour comes once. Steps of minutes or hours go on by real time.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from eventlog.errors import BadInput, shown

NAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
# No field means one. Of thousands of digits, Python would refuse to read it in an error of its own.
_LONG_NUMBER = re.compile(r"\d{5}")
_ONE_SECOND = timedelta(seconds=1)


def check_cron(cron: str) -> str:
    """Return the expression if it has ticks. Raises BadInput."""
    if not isinstance(cron, str):
        raise BadInput(f"the cron expression must be a text, not {type(cron).__name__}")
    fields = NAMES.get(cron.strip().lower(), cron).split()
    if len(fields) != 5:
        raise BadInput(
            f"the cron expression {cron!r} has {len(fields)} fields and must have 5: minute, hour, day of the"
            " month, month, day of the week",
            hint=f"or it is one of {', '.join(NAMES)}",
        )
    if _LONG_NUMBER.search(cron):
        raise BadInput(f"the cron expression {cron[:80]!r} holds a number of more than 4 digits")
    try:
        first = next(CronSim(" ".join(fields), datetime(2000, 1, 1, tzinfo=UTC)), None)
    except CronSimError as error:
        raise BadInput(f"the cron expression {cron!r} cannot be read: {str(error).lower()}") from error
    if first is None:
        raise BadInput(f"the cron expression {cron!r} never has a tick")
    return cron


def check_zone(name: str) -> str:
    """Return the name of a time zone, as `Europe/Berlin`. Raises BadInput when there is none."""
    try:
        ZoneInfo(name)
    except (ValueError, TypeError, OSError, KeyError) as error:
        raise BadInput(
            f"there is no time zone {shown(name)}", hint="use a name such as Europe/Berlin"
        ) from error
    return name


def next_tick(cron: str, zone: str, after: datetime) -> datetime | None:
    """Return the first tick after a moment, in UTC; None when there is none in the next 50 years."""
    return next(iter(upcoming(cron, zone, after, 1)), None)


def first_tick(cron: str, zone: str, after: datetime) -> datetime | None:
    """As `next_tick`, of what nobody has checked yet. Raises BadInput: no such expression, or zone."""
    return next_tick(check_cron(cron), check_zone(zone), after)


def upcoming(cron: str, zone: str, after: datetime, count: int) -> list[datetime]:
    """Return the next `count` ticks after a moment, in UTC."""
    ticks = CronSim(_fields(cron), after.astimezone(ZoneInfo(zone)))
    return [tick.astimezone(UTC) for tick in islice(ticks, count)]


def newest_ticks(cron: str, zone: str, first: datetime, last: datetime, count: int) -> list[datetime]:
    """Return the newest `count` ticks from `first` to `last`, both included, in order and in UTC."""
    # Backwards, so that a year without a host costs no more than a minute without one.
    start = last.replace(microsecond=0) + _ONE_SECOND
    ticks = []
    for tick in islice(CronSim(_fields(cron), start.astimezone(ZoneInfo(zone)), reverse=True), count):
        if tick < first:
            break
        ticks.append(tick.astimezone(UTC))
    return ticks[::-1]


def due_at(tenant: str, id: str, tick: datetime, jitter_s: float) -> datetime:
    """Return when a tick may be fired: the same for every host, and another for every schedule and tick."""
    if not jitter_s:
        return tick
    digest = hashlib.sha256(f"{tenant}\0{id}\0{tick.timestamp():.0f}".encode()).digest()
    return tick + timedelta(seconds=jitter_s * int.from_bytes(digest[:8]) / 2**64)


def _fields(cron: str) -> str:
    return NAMES.get(cron.strip().lower(), cron)
