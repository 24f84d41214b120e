"""What a call may give: limits of pages, seconds, times, words. Each check raises BadInput. Pure."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from eventlog.envelope import format_time
from eventlog.errors import BadInput

PAGE_MAX = 1_000
SECONDS_MAX = 1e9
INTERVAL_MAX_S = 3600


def check_limit(limit: int) -> None:
    """Raise BadInput unless `limit` fits a page."""
    if not 1 <= limit <= PAGE_MAX:
        raise BadInput(f"limit {limit} must be from 1 to {PAGE_MAX:,}", hint="read further pages with after=")


def check_seconds(value: float, what: str) -> float:
    """Return a number of seconds from 0 to 10^9."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= SECONDS_MAX:
        raise BadInput(f"{what} {value!r} must be a number of seconds from 0 to {SECONDS_MAX:,.0f}")
    return float(value)


def check_interval(interval_s: float) -> None:
    """Raise BadInput unless it is above 0 and at most an hour."""
    number = isinstance(interval_s, int | float) and not isinstance(interval_s, bool)
    if not number or not 0 < interval_s <= INTERVAL_MAX_S:
        raise BadInput(f"interval_s {interval_s!r} must be above 0 and at most {INTERVAL_MAX_S:,} seconds")


def check_time(time: datetime | None, what: str) -> None:
    """Raise BadInput unless it is None or a time with a time zone."""
    if time is None:
        return
    if not isinstance(time, datetime):
        raise BadInput(f"{what} {time!r} must be a datetime, not {type(time).__name__}")
    format_time(time)


def check_word(value: str, words: Collection[str], what: str) -> None:
    """Raise BadInput unless it is one of some words."""
    if value not in words:
        raise BadInput(f"{what} {value!r} must be one of {', '.join(words)}")
