"""A place in the past of a log: a position, or a time that means one. Found in Postgres, then it stands."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from eventlog.envelope import format_time, time_to_us, us_to_time
from eventlog.errors import BadInput, shown
from eventlog.log import Log
from replay.statements import filled


class Moment(NamedTuple):
    """The log after the event at a position, and the time it is then.

    Attributes:
        position: 0 before the first event.
        time: RFC 3339: the time that was asked for, or when the log accepted that event.
    """

    position: int
    time: str


async def find_moment(log: Log, position: int | None = None, time: datetime | None = None) -> Moment:
    """Return the moment of a position, or the one after the last position accepted by a time.

    Args:
        position, time: one of them; with neither, the head.
    Raises:
        BadInput: both are given, the position is not from 0 to the head, the time has no time zone, lies
            before the first event, or has not come yet: what is accepted until then is not known.
    """
    if position is not None and time is not None:
        raise BadInput(f"position {shown(position)} and time {time} are given", hint="give one of them")
    if type(position) is int and 0 <= position <= log.segments.durable_position:
        return await _at_position(log, position)  # what is here was committed: the head is not asked
    head = await log.head()
    if time is not None:
        if not isinstance(time, datetime):
            raise BadInput(f"time must be a datetime, not {type(time).__name__}")
        return await _at_time(log, head.position, format_time(time))
    if position is None:
        return Moment(head.position, head.time)
    if type(position) is not int or not 0 <= position <= head.position:
        raise BadInput(
            f"position {shown(position)} is not in the log",
            hint=f"it holds 1 to {head.position:,}; 0 is before all",
        )
    return await _at_position(log, position)


def head_of_time() -> str:
    """Return the time before any event."""
    return us_to_time(0)


async def _at_position(log: Log, position: int) -> Moment:
    return Moment(position, us_to_time(await _time_us(log, position)) if position else head_of_time())


async def _at_time(log: Log, head: int, time: str) -> Moment:
    wanted = time_to_us(time)
    if not head:
        raise BadInput("the log is empty, so there is no time in it")
    first, last = await _time_us(log, 1), await _time_us(log, head)
    if wanted < first:
        raise BadInput(f"time {time} lies before the first event of the log, {us_to_time(first)}")
    if wanted >= last:
        if wanted > max(last, log.clock.now_us()):
            raise BadInput(f"time {time} has not come yet", hint="the past ends now")
        return Moment(head, time)
    # Times never run backwards, so halving the range finds the last position accepted by then.
    low, high = 1, head
    while high - low > 1:
        middle = (low + high) // 2
        if await _time_us(log, middle) <= wanted:
            low = middle
        else:
            high = middle
    return Moment(low, time)


async def _time_us(log: Log, position: int) -> int:
    rows = await log.reads.fetch(filled("time_at", schema=log.settings.schema), position)
    if not rows:
        raise BadInput(f"position {position} cannot be read", hint="run `agentlog verify`")
    return int(rows[0]["time_us"])
