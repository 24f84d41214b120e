"""Which messages a question is about, as the condition of a WHERE. Knows no query.

Conditions are literals, not parameters: DuckDB compares them with the statistics of row groups, and skips
those that cannot hold an answer.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple

from eventlog.envelope import format_time
from eventlog.errors import BadInput
from projections.archive.duck import quoted

_NOT_PLAIN = re.compile(r"[^A-Za-z0-9_\u0080-\U0010ffff]")


class Filters(NamedTuple):
    """Conditions that all hold; what is not given is no condition.

    Attributes:
        sessions: keys; a message is in one of them.
        role, tool: exactly these; a message may call several tools.
        generation: number.
        since, until: the message's own time, or else the log's: from `since` on, before `until`.
        after: a position; the message's is greater.
    """

    sessions: tuple[str, ...] = ()
    role: str | None = None
    tool: str | None = None
    generation: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    after: int = 0


NO_FILTERS = Filters()


def condition(filters: Filters, tenant: str) -> str:
    """Return SQL that holds for the messages of `tenant` that `filters` let through. Raises BadInput."""
    parts = [f"tenant = {_text(tenant)}"]
    if filters.sessions:
        parts.append(f"session in ({', '.join(map(_text, filters.sessions))})")
    if filters.role is not None:
        parts.append(f"role = {_text(filters.role)}")
    if filters.tool is not None:
        parts.append(f"list_contains(string_split(tool, ','), {_text(filters.tool)})")
    if filters.generation is not None:
        parts.append(f"generation = {filters.generation:d}")
    if filters.since is not None:
        parts.append(f"coalesce(occurred_at, time) >= {_time(filters.since)}")
    if filters.until is not None:
        parts.append(f"coalesce(occurred_at, time) < {_time(filters.until)}")
    if filters.after:
        parts.append(f"position > {filters.after:d}")
    return " and ".join(parts)


def expression(pattern: str, *, plain: bool, ignore_case: bool) -> str:
    """Return a regular expression as a SQL literal; `plain` takes every character for itself.

    Raises BadInput: an empty pattern, or one with half a surrogate pair.
    """
    if not pattern:
        raise BadInput("the pattern is empty, and would be found in every message", hint="give a word of it")
    text = _NOT_PLAIN.sub(lambda found: f"\\x{{{ord(found[0]):x}}}", pattern) if plain else pattern
    return _text(f"(?i){text}" if ignore_case else text)


def terms(words: str) -> str:
    """Return the words of a search as a SQL list. Raises BadInput: there are none, or too many."""
    found = list(dict.fromkeys(words.lower().split()))
    if not 1 <= len(found) <= 20:
        raise BadInput(f"a search has {len(found)} different words and must have from 1 to 20")
    return "[" + ", ".join(map(_text, found)) + "]"


def _text(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise BadInput(f"{value!r} holds a lone surrogate, which no text of the archive can") from error
    # The text of a query ends at a NUL; the text of a message may hold one.
    return (
        "(" + " || chr(0) || ".join(map(quoted, value.split("\0"))) + ")" if "\0" in value else quoted(value)
    )


def _time(value: datetime) -> str:
    return f"{quoted(format_time(value))}::timestamptz"
