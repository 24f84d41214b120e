"""What becomes of a schedule's ticks, decided: which are fired, and which are left out and why. Pure.

in time     no older than `late_s`: fired
late        as `catch_up` says: skip none of them is fired; once the newest, if none is in time; all,
            the newest `catch_up_max`
overlap     where the work of the tick before is not done: allow it all the same; skip the tick;
            replace the work that is not done
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from agentlog.cron import due_at, newest_ticks, next_tick
from eventlog.events import ScheduleFired, ScheduleSkipped
from projections.schedule import Schedule

SKIP, ONCE, ALL = "skip", "once", "all"
ALLOW, REPLACE = "allow", "replace"
CATCH_UPS = (SKIP, ONCE, ALL)
OVERLAPS = (ALLOW, SKIP, REPLACE)
# In one command: more are never fired at once, whatever was missed.
TICKS_MAX = 100


class Outcome(msgspec.Struct, frozen=True):
    """What is appended for the ticks that are due: in order; `replaces`: the work before is cancelled."""

    events: tuple[ScheduleFired | ScheduleSkipped, ...]
    replaces: bool = False


def decide_ticks(
    tenant: str, id: str, known: Schedule, now: datetime, busy: bool, new_id: Callable[[], str]
) -> Outcome:
    """Return what becomes of the ticks of one schedule that are due.

    Args:
        busy: the work of the tick before is not done.
        new_id: makes the ids of queue items.
    """
    if known.paused or not known.is_set or known.next_tick is None:
        return Outcome(())
    ticks = newest_ticks(known.cron, known.time_zone, known.next_tick, now, TICKS_MAX + 1)
    while ticks and due_at(tenant, id, ticks[-1], known.jitter_s) > now:
        ticks.pop()
    if not ticks:
        return Outcome(())
    chosen = _chosen(tenant, id, known, now, ticks[-TICKS_MAX:])
    after = next_tick(known.cron, known.time_zone, ticks[-1])
    then = after, None if after is None else due_at(tenant, id, after, known.jitter_s)

    events: list[ScheduleFired | ScheduleSkipped] = []
    left = [tick for tick in ticks if not chosen or tick < chosen[0]]
    if left:
        events.append(ScheduleSkipped(known.next_tick, left[-1], "late", *then))
    replaces = busy and known.overlap == REPLACE and bool(chosen)
    fired = _not_overlapping(known.overlap, chosen, busy)
    over = [tick for tick in chosen if tick not in fired]
    if over and known.overlap == REPLACE:
        events.append(ScheduleSkipped(over[0], over[-1], "overlap", *then))
    events += [ScheduleFired(tick, new_id(), *then) for tick in fired]
    if over and known.overlap == SKIP:
        events.append(ScheduleSkipped(over[0], over[-1], "overlap", *then))
    return Outcome(tuple(events), replaces)


def _chosen(tenant: str, id: str, known: Schedule, now: datetime, ticks: list[datetime]) -> list[datetime]:
    """Return the ticks that are not too late, in order; they are the newest ones."""
    limit = timedelta(seconds=known.late_s)
    in_time = [tick for tick in ticks if now - due_at(tenant, id, tick, known.jitter_s) <= limit]
    late = len(ticks) - len(in_time)
    if known.catch_up == ALL:
        late = min(late, max(0, known.catch_up_max - len(in_time)))
    elif known.catch_up == ONCE:
        late = min(late, 0 if in_time else 1)
    else:
        late = 0
    return ticks[len(ticks) - len(in_time) - late :]


def _not_overlapping(overlap: str, chosen: list[datetime], busy: bool) -> list[datetime]:
    if overlap == ALLOW or not chosen:
        return chosen
    if overlap == REPLACE:
        return chosen[-1:]
    return [] if busy else chosen[:1]
