"""Values of the embedded store's rows, read strictly: texts, JSON in texts, Unix times. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from eventlog.errors import BadInput


def time_of(seconds: int) -> datetime:
    """Return a Unix time. Raises BadInput beyond the years 1 to 9999."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise BadInput(f"time {seconds} is not within the years 1 to 9999") from error


def a_time(value: Any) -> datetime | None:
    """Return a Unix time; None where there is none."""
    return time_of(value) if type(value) is int else None


def a_text(value: Any) -> str:
    """Return the value. Raises BadInput: it is no text."""
    if not isinstance(value, str):
        raise BadInput(f"the value is {value!r} and must be a text")
    return value


def a_json(value: Any) -> Any:
    """Return what a text of JSON says. Raises BadInput: it is none."""
    try:
        return msgspec.json.decode(a_text(value))
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadInput(f"the value is no JSON: {error}") from error
