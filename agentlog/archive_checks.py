"""What a question to the archive may give, checked before DuckDB is asked. Each raises BadInput. Pure."""

from __future__ import annotations

from datetime import datetime
from threading import TIMEOUT_MAX

from agentlog.archive_pages import CONTEXT_LINES_MAX, PAGE_BYTES_MIN
from agentlog.checks import COUNT_MAX, check_amount, check_kind, check_number, check_time
from projections.archive import Filters

GENERATION_MAX = 2**31 - 1


def check_page(limit: int, bytes_max: int, position: int | None) -> None:
    """Check how much a page holds at most, and the position that it begins or ends at."""
    check_number(limit, "limit", 0, COUNT_MAX)
    check_number(bytes_max, "bytes_max", PAGE_BYTES_MIN)
    if position is not None:
        check_number(position, "a page's position")


def check_places(first: int, last: int, generation: int) -> None:
    """Check places of messages, the first and the last that are wanted, in a generation."""
    check_number(generation, "generation", 0, GENERATION_MAX)
    check_number(last, "last", check_number(first, "first", 0, GENERATION_MAX), GENERATION_MAX)


def check_context(context: int | None) -> None:
    """Check how many lines are wanted before and after what was found."""
    if context is not None:
        check_number(context, "context", 0, CONTEXT_LINES_MAX)


def check_patience(timeout_s: float | None) -> None:
    """Check how many seconds a query may take."""
    if timeout_s is not None:
        check_amount(timeout_s, "timeout_s", TIMEOUT_MAX, "seconds", above_0=True)


def filters_of(
    keys: tuple[str, ...],
    role: str | None,
    tool: str | None,
    generation: int | None,
    since: datetime | None,
    until: datetime | None,
    after: int = 0,
) -> Filters:
    """Return the conditions that a question's arguments are."""
    for key in keys:
        check_kind(key, str, "the key of a session", "a text")
    check_kind(role, str | None, "role", "a text")
    check_kind(tool, str | None, "tool", "a text")
    if generation is not None:
        check_number(generation, "generation", 0, GENERATION_MAX)
    check_time(since, "since")
    check_time(until, "until")
    return Filters(keys, role, tool, generation, since, until, check_number(after, "after"))
