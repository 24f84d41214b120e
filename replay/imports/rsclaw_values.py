"""Values of the embedded store's rows, read strictly: texts, JSON in texts, Unix times. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from eventlog.errors import BadInput
from eventlog.events import raw

T = TypeVar("T", bound=msgspec.Struct)


def time_of(seconds: int) -> datetime:
    """Return a Unix time. Raises BadInput beyond the years 1 to 9999."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise BadInput(f"time {seconds} is not within the years 1 to 9999") from error


def time_of_ms(milliseconds: int) -> datetime:
    """Return a Unix time in milliseconds. Raises BadInput beyond the years 1 to 9999."""
    seconds, rest = divmod(milliseconds, 1000)
    return time_of(seconds) + timedelta(milliseconds=rest)


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


def a_row(value: Any, shape: type[T]) -> T:
    """Return what a text of JSON says, in its shape. Raises BadInput: it has another."""
    try:
        return msgspec.json.decode(a_text(value), type=shape)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadInput(f"the value is none of this table's: {error}") from error


def members_of(value: Any, *, without: Sequence[str] = ()) -> Raw:
    """Return the members of a text that is a JSON object, verbatim. `without`: those left out."""
    members = msgspec.json.decode(a_text(value), type=dict[str, Raw])
    return raw({name: member for name, member in members.items() if name not in without})
