"""Puts days into columns of a chart: each day, week or month, whatever leaves few enough. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from typing import NamedTuple

COLUMNS_MAX = 45  # narrower columns cannot be told apart on a phone

_DAY = timedelta(days=1)


class Columns(NamedTuple):
    """Names of columns in order, and which one a day belongs to. `size` is day, week or month."""

    size: str
    names: tuple[str, ...]
    place: dict[date, int]


def columns_of(days: Iterable[date]) -> Columns:
    """Return columns from the first to the last of `days`, those in between included.

    Weeks begin on Monday and are named after it.
    """
    found = sorted(set(days))
    if not found:
        return Columns("day", (), {})
    first, last = found[0], found[-1]
    for size, start, following, name in _SIZES:
        starts = [start(first)]
        while (after := following(starts[-1])) <= last:
            starts.append(after)
            if len(starts) > COLUMNS_MAX and size != "month":
                break
        else:
            places = {one: n for n, one in enumerate(starts)}
            return Columns(
                size, tuple(name(one, first.year != last.year) for one in starts),
                {day: places[start(day)] for day in found},
            )  # fmt: skip
    raise AssertionError("months have no limit")


def _day(day: date) -> date:
    return day


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _month(day: date) -> date:
    return day.replace(day=1)


def _next_month(day: date) -> date:
    return (day.replace(day=28) + 4 * _DAY).replace(day=1)


def _day_name(day: date, years: bool) -> str:
    return f"{day.strftime('%b')} {day.day}"


def _month_name(day: date, years: bool) -> str:
    return day.strftime("%b %Y") if years else day.strftime("%b")


_Size = tuple[str, Callable[[date], date], Callable[[date], date], Callable[[date, bool], str]]
_SIZES: tuple[_Size, ...] = (
    ("day", _day, lambda day: day + _DAY, _day_name),
    ("week", _monday, lambda day: day + 7 * _DAY, _day_name),
    ("month", _month, _next_month, _month_name),
)
