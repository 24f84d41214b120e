"""What a call may give: numbers, seconds, times, words, names, files. Each check raises BadInput. Pure."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import UnionType
from typing import Any

from eventlog.envelope import MAX_KEY_BYTES, check_text, format_time
from eventlog.errors import BadInput, shown

PAGE_MAX = 1_000
SECONDS_MAX = 1e9
INTERVAL_MAX_S = 3600
NUMBER_MAX = 2**63 - 1  # what a bigint holds
COUNT_MAX = 2**62  # of what is counted, so that one more fits as well
# A moment to go by: whatever is reckoned from it (at most 10^9 seconds, or 50 years of a schedule) is a
# time that Python and Postgres have.
MOMENT_MIN, MOMENT_MAX = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


def check_limit(limit: int) -> None:
    """Raise BadInput unless `limit` fits a page."""
    check_number(limit, "limit", 1, PAGE_MAX, hint="read further pages with after=")


def check_number(value: int, what: str, low: int = 0, high: int = NUMBER_MAX, hint: str = "") -> int:
    """Return a whole number from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        wanted = f"of at least {low:,}" if high >= COUNT_MAX else f"from {low:,} to {high:,}"
        raise BadInput(f"{what} {shown(value)} must be a whole number {wanted}", hint=hint)
    return value


def check_amount(value: float, what: str, high: float, unit: str, *, above_0: bool = False) -> float:
    """Return a number from 0, or above 0, to `high`, as a float. `unit`: what it counts."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value <= high or (above_0 and not value):
        low = "above 0 and at most" if above_0 else "from 0 to"
        raise BadInput(f"{what} {shown(value)} must be a number of {unit} {low} {high:,.0f}")
    return float(value)


def check_seconds(value: float, what: str) -> float:
    """Return a number of seconds from 0 to 10^9."""
    return check_amount(value, what, SECONDS_MAX, "seconds")


def check_interval(interval_s: float) -> None:
    """Raise BadInput unless it is above 0 and at most an hour."""
    check_amount(interval_s, "interval_s", INTERVAL_MAX_S, "seconds", above_0=True)


def check_time(time: datetime | None, what: str) -> None:
    """Raise BadInput unless it is None or a time with a time zone."""
    if time is None:
        return
    if not isinstance(time, datetime):
        raise BadInput(f"{what} {shown(time)} must be a datetime, not {type(time).__name__}")
    format_time(time)


def check_moment(now: datetime | None) -> None:
    """Raise BadInput unless `now` is None or a time with a time zone, from 1970 to the year 8999."""
    check_time(now, "now")
    if now is not None and not MOMENT_MIN <= now < MOMENT_MAX:
        raise BadInput(f"now {now.isoformat()} must lie from 1970 to the year {MOMENT_MAX.year - 1}")


def check_word(value: str, words: Collection[str], what: str) -> None:
    """Raise BadInput unless it is one of some words."""
    if not isinstance(value, str) or value not in words:
        raise BadInput(f"{what} {shown(value)} must be one of {', '.join(words)}")


def check_key(value: str | None, what: str) -> None:
    """Raise BadInput unless it is None, or a text as keys, words and names are: no NUL, not too long."""
    if value is not None:
        check_text(value, what, MAX_KEY_BYTES)


def check_worker(worker: str) -> None:
    """Raise BadInput unless it can be the name of a worker."""
    check_kind(worker, str, "the worker's name", "a text")
    if not worker:
        raise BadInput("the worker's name is empty")


def check_kind(value: object, kind: type | UnionType, what: str, wanted: str) -> None:
    """Raise BadInput unless it is of a kind; `wanted` names that for people."""
    if not isinstance(value, kind):
        raise BadInput(f"{what} {shown(value)} must be {wanted}, not {type(value).__name__}")


def check_list(values: Iterable[Any], what: str) -> list[Any]:
    """Return what is in a list, or in anything like it. A text or a dict by itself is a mistake."""
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise BadInput(f"{what} {shown(values)} must be a list, not {type(values).__name__}")
    return list(values)


def check_path(path: str | os.PathLike[str], what: str) -> Path:
    """Return the path of a file or directory, which need not be there."""
    if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str):
        raise BadInput(f"{what} {shown(path)} must be a path, not {type(path).__name__}")
    text = str(path)
    try:
        os.fsencode(text)
    except UnicodeEncodeError as error:
        raise BadInput(f"{what} {shown(text)} holds what no path can") from error
    if not text or "\0" in text:
        raise BadInput(f"{what} {shown(text)} is empty, or holds a NUL character")
    return Path(path)


def check_call(call: Callable[..., Any] | None, what: str) -> None:
    """Raise BadInput unless it is None or can be called."""
    if call is not None and not callable(call):
        raise BadInput(f"{what} must be a function, not {type(call).__name__}")
