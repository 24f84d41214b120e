"""Asks the archive everything a report shows, over one connection, so that all of it is of one moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from projections.archive import Connection, find_query

# What a report asks, all with the same period where a query takes one.
QUERIES = (
    "totals",
    "tokens_by_day_and_model",
    "tokens_by_model",
    "tokens_by_agent",
    "tokens_by_tenant",
    "cache_hit_rate_by_day",
    "cache_hit_rate",
    "slowest_tools",
    "failing_tools",
    "session_tree_cost",
    "longest_sessions",
    "session_timeline",
    "compaction_savings",
    "activity_by_hour",
    "anomalies",
    "queue_percentiles",
    "retries",
)

# Where fewer rows than a query gives by itself are enough for a picture.
_COUNTS = {"session_timeline": {"count": 24}}


class Rows(NamedTuple):
    """The answer to one named query. `units` is one per column, as its header says."""

    query: str
    columns: tuple[str, ...]
    units: tuple[str, ...]
    rows: list[tuple[Any, ...]]

    def dicts(self) -> list[dict[str, Any]]:
        """The rows by column name."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


@dataclass(frozen=True)
class Asked:
    """All answers by query, what they are about, and the position they hold everything up to."""

    answers: Mapping[str, Rows]
    position: int
    tenant: str | None
    since: date | None
    until: date | None
    session: str | None

    def rows(self, query: str) -> Rows:
        """The answer to one of the queries."""
        return self.answers[query]

    def dicts(self, query: str) -> list[dict[str, Any]]:
        """Its rows by column name."""
        return self.answers[query].dicts()


def ask(
    connection: Connection,
    *,
    since: date | None = None,
    until: date | None = None,
    session: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Asked:
    """Ask it all.

    Args:
        since, until: the period, first and last day; None for all there is.
        session: the one shown message by message; None for the costliest, else the longest.
        progress: hears (asked, of how many).
    """
    answers: dict[str, Rows] = {}
    count = len(QUERIES) + 2

    def put(name: str, **parameters: Any) -> Rows:
        answers[name] = _rows(connection, name, parameters)
        if progress is not None:
            progress(len(answers), count)
        return answers[name]

    for name in QUERIES:
        taken = {parameter.name for parameter in find_query(name).parameters}
        given = {"since": since, "until": until, **_COUNTS.get(name, {})}
        put(name, **{key: value for key, value in given.items() if key in taken})
    shown = session if session is not None else _first_session(answers)
    for name in ("session_tree", "session_tree_messages"):
        put(name, session=shown if shown is not None else "")
    return Asked(answers, connection.position, connection.tenant, since, until, shown)


def _first_session(answers: Mapping[str, Rows]) -> str | None:
    trees: Sequence[dict[str, Any]] = answers["session_tree_cost"].dicts()
    return trees[0]["session"] if trees else None


def _rows(connection: Connection, name: str, parameters: Mapping[str, Any]) -> Rows:
    columns = find_query(name).columns
    rows = connection.query(name, parameters).rows()
    return Rows(name, tuple(c.name for c in columns), tuple(c.unit for c in columns), rows)
