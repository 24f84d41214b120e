"""Turns the rows of named queries into charts, one function per picture. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from agentlog.charts import Bars, HeatMap, Lines, Ranking, RankingRow, Series
from agentlog.charts.scale import figure
from agentlog.charts.theme import SERIES_MAX
from agentlog.report.asked import Asked
from agentlog.report.days import Columns, columns_of

BARS_MAX = 12  # of a ranking; its table has the rest

UNKNOWN_MODEL = "model unknown"
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def cost_by_day(asked: Asked) -> Bars:
    """What each day cost, by model."""
    return _stacked(asked, "cost_usd", "USD", "Cost", "What API responses cost")


def output_by_day(asked: Asked) -> Bars:
    """What each day's responses said, in tokens, by model."""
    return _stacked(asked, "output_tokens", "tokens", "Output tokens", "Tokens that models wrote")


def _stacked(asked: Asked, column: str, unit: str, title: str, told: str) -> Bars:
    rows = asked.dicts("tokens_by_day_and_model")
    columns = columns_of(row["day"] for row in rows)
    sums: dict[str, float] = defaultdict(float)
    for row in rows:
        sums[row["model"] or UNKNOWN_MODEL] += float(row[column] or 0)
    names = sorted(sums, key=lambda name: (-sums[name], name))
    # The largest have colours of their own, the rest share one.
    shown, rest = names[:SERIES_MAX], names[SERIES_MAX:]
    place = {name: min(n, SERIES_MAX) for n, name in enumerate(names)}
    values = [[0.0] * len(columns.names) for _ in range(min(len(names), SERIES_MAX + 1))]
    for row in rows:
        values[place[row["model"] or UNKNOWN_MODEL]][columns.place[row["day"]]] += float(row[column] or 0)
    labels = [*shown, *([f"{len(rest)} others"] if rest else [])]
    series = tuple(Series(name, tuple(of)) for name, of in zip(labels, values, strict=True))
    return Bars(
        f"{title} by {columns.size}", f"{told}, each {columns.size} (UTC), by model.",
        columns.names, series, unit,
    )  # fmt: skip


def cache_by_day(asked: Asked) -> Lines:
    """How much of the input came from a cache."""
    rows = asked.dicts("cache_hit_rate_by_day")
    columns = columns_of(row["day"] for row in rows)
    read, whole = _sums(columns, rows, "cache_read_tokens"), [0.0] * len(columns.names)
    for name in ("input_tokens", "cache_read_tokens", "cache_write_tokens"):
        whole = [one + more for one, more in zip(whole, _sums(columns, rows, name), strict=True)]
    rates = tuple(part / all_ if all_ else None for part, all_ in zip(read, whole, strict=True))
    return Lines(
        f"Cache hit rate by {columns.size}",
        f"Share of input tokens that were read from a cache, each {columns.size} (UTC).",
        columns.names, (Series("hit rate", rates),), "fraction", 1.0,
    )  # fmt: skip


def _sums(columns: Columns, rows: Iterable[dict[str, Any]], name: str) -> list[float]:
    sums = [0.0] * len(columns.names)
    for row in rows:
        sums[columns.place[row["day"]]] += float(row[name] or 0)
    return sums


def cost_by(asked: Asked, what: str) -> Ranking:
    """What each model, agent or tenant cost."""
    rows = asked.dicts(f"tokens_by_{what}")
    unnamed = {"model": UNKNOWN_MODEL, "agent": "no agent named", "tenant": "no tenant"}[what]
    several = len({row.get("tenant") for row in rows}) > 1 and what == "agent"
    bars = []
    for n, row in enumerate(rows[:BARS_MAX]):
        name = row[what] or unnamed
        if several and row["tenant"]:
            name = f"{name} ({row['tenant']})"
        note = f"{figure(row['output_tokens'], 'tokens')} out"
        bars.append(
            RankingRow(name, _float(row["cost_usd"]), note, min(n, SERIES_MAX) if what == "model" else 0)
        )
    return Ranking(
        f"Cost by {what}",
        f"What API responses cost, and tokens of output, of each {what}.",
        tuple(bars),
        "USD",
    )


def cost_by_tree(asked: Asked) -> Ranking:
    """The costliest sessions, with their sub-agents."""
    bars = tuple(
        RankingRow(
            session_name(row),
            _float(row["cost_usd"]),
            _counted(row["sessions"] - 1, "sub-agent") if row["sessions"] > 1 else "",
        )
        for row in asked.dicts("session_tree_cost")[:BARS_MAX]
    )
    return Ranking(
        "Costliest sessions", "What sessions cost together with their sub-agents and theirs.", bars, "USD"
    )


def longest(asked: Asked) -> Ranking:
    """The sessions with the most messages."""
    bars = tuple(
        RankingRow(session_name(row), float(row["messages"]), figure(row["duration"], "seconds"))
        for row in asked.dicts("longest_sessions")[:BARS_MAX]
    )
    return Ranking("Longest sessions", "Messages, and time from the first to the last.", bars, "count")


def compaction(asked: Asked) -> Ranking:
    """What compaction took out of windows."""
    bars = tuple(
        RankingRow(
            session_name(row), _float(row["tokens_saved"]), f"{figure(row['saved'], 'fraction')} of it"
        )
        for row in asked.dicts("compaction_savings")[:BARS_MAX]
        if row["tokens_saved"] is not None
    )
    return Ranking(
        "Compaction savings", "Tokens that compaction took out of the active windows; the archive has them.",
        bars, "tokens",
    )  # fmt: skip


def slow_tools(asked: Asked) -> Ranking:
    """The tools whose calls take longest."""
    bars = tuple(
        RankingRow(str(row["tool"]), row["p95"], _counted(row["calls"], "call"))
        for row in asked.dicts("slowest_tools")[:BARS_MAX]
        if row["p95"] is not None
    )
    return Ranking("Slowest tools", "95 of 100 calls took at most so long.", bars, "seconds")


def failing_tools(asked: Asked) -> Ranking:
    """The tools that fail most often."""
    bars = tuple(
        RankingRow(str(row["tool"]), row["error_rate"], f"{row['errors']:,} of {row['results']:,}", 4)
        for row in asked.dicts("failing_tools")[:BARS_MAX]
    )
    return Ranking("Failing tools", "Share of results that are errors.", bars, "fraction")


def hours(asked: Asked) -> HeatMap:
    """When messages are said."""
    values = [[0.0] * 24 for _ in WEEKDAYS]
    for row in asked.dicts("activity_by_hour"):
        values[row["weekday"] - 1][row["hour"]] = float(row["messages"])
    return HeatMap(
        "Activity by hour", "Messages in each hour of the week (UTC).", WEEKDAYS,
        tuple(f"{hour:02d}" for hour in range(24)), tuple(map(tuple, values)), "count",
    )  # fmt: skip


def anomalies(asked: Asked) -> Ranking:
    """Days unlike the week before them."""
    bars = []
    for row in asked.dicts("anomalies")[:BARS_MAX]:
        unit = "USD" if row["figure"] == "cost_usd" else "number"
        name = f"{row['figure'].removesuffix('_usd').replace('_', ' ')} · {row['day'].isoformat()}"
        note = f"{figure(row['value'], unit)}, usually {figure(row['week_mean'], unit)}"
        bars.append(RankingRow(name, abs(row["score"]), note, 0 if row["score"] > 0 else 1))
    return Ranking(
        "Unusual days", "Distance from the mean of the week before, in standard deviations.",
        tuple(bars), "number",
    )  # fmt: skip


def queue_times(asked: Asked) -> Ranking:
    """Percentiles of waits and runs."""
    bars = tuple(
        RankingRow(f"{row['work']} {row['measure']} · {name}", float(row[column]), "", n)
        for n, row in enumerate(asked.dicts("queue_percentiles"))
        for name, column in (("half within", "p50"), ("9 of 10 within", "p90"), ("99 of 100 within", "p99"))
    )
    return Ranking(
        "Waits and runs", "How long queue items and tasks wait for a worker, and run.", bars, "seconds"
    )


def claims(asked: Asked) -> Ranking:
    """How often items and tasks had to be claimed."""
    # By claims before kind: where there are more bars than fit, those of most claims go, and not all tasks.
    rows = sorted(asked.dicts("retries"), key=lambda row: row["claims"])
    bars = tuple(
        RankingRow(
            f"{row['work']} · {_times(row['claims'])}", float(row["items"]), figure(row["share"], "fraction"),
            ("item", "task").index(row["work"]),
        )
        for row in rows[:BARS_MAX]
    )  # fmt: skip
    return Ranking("Claims", "Queue items and tasks by how often they were claimed.", bars, "count")


def _times(count: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count} times")


def session_name(row: dict[str, Any]) -> str:
    """What to call a session: its title, else its key."""
    title = " ".join(str(row["title"] or "").split())
    return title or str(row["session"])


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def _float(value: Any) -> float | None:
    return None if value is None else float(value)
