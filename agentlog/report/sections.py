"""What a report shows, and in what order: sections of charts, each with the rows it was drawn from. Pure."""

from __future__ import annotations

from typing import NamedTuple

from agentlog.charts import Chart
from agentlog.charts.scale import figure
from agentlog.report import figures, lanes
from agentlog.report.asked import Asked, Rows


class Tile(NamedTuple):
    """One figure that is read first."""

    name: str
    value: str
    note: str


class Picture(NamedTuple):
    """A chart with its name, which is also its file's, and the answer it shows. `wide`: all of a row."""

    name: str
    chart: Chart
    rows: Rows
    wide: bool = False


class Section(NamedTuple):
    """Pictures that belong together."""

    name: str
    title: str
    pictures: tuple[Picture, ...]


def tiles(asked: Asked) -> list[Tile]:
    """The figures a reader wants before any picture."""
    [totals] = asked.dicts("totals")
    read = totals["cache_read_tokens"]
    whole = totals["input_tokens"] + read + totals["cache_write_tokens"]
    unpriced = totals["unpriced_responses"]
    return [
        Tile(
            "Cost",
            figure(None if totals["cost_usd"] is None else float(totals["cost_usd"]), "USD"),
            f"{unpriced:,} responses of unknown cost" if unpriced else "billed or estimated",
        ),
        Tile("Responses", figure(totals["responses"], "count"), "each counted once"),
        Tile(
            "Output tokens", figure(totals["output_tokens"], "tokens"), f"{figure(whole, 'tokens')} of input"
        ),
        Tile("Cache hit rate", figure(read / whole if whole else None, "fraction"), "of input tokens"),
        Tile("Sessions", figure(totals["sessions"], "count"), f"{totals['sub_agents']:,} of them sub-agents"),
        Tile(
            "Messages", figure(totals["messages"], "count"), f"{totals['tool_messages']:,} of them call tools"
        ),
    ]


def sections(asked: Asked) -> list[Section]:
    """All sections that have something to show."""
    found = []
    for name, title, pictures in (
        ("spending", "Tokens and cost", _spending(asked)),
        ("sessions", "Sessions", _sessions(asked)),
        ("tools", "Tools", _tools(asked)),
        ("rhythm", "Days and hours", _rhythm(asked)),
        ("queue", "Queue and tasks", _queue(asked)),
    ):
        shown = _arranged([picture for picture in pictures if picture.rows.rows])
        if shown:
            found.append(Section(name, title, shown))
    return found


def _arranged(pictures: list[Picture]) -> tuple[Picture, ...]:
    """Give all of its row to a picture that would stand beside nothing."""
    arranged: list[Picture] = []
    alone = False
    for picture in pictures:
        if picture.wide and alone:
            arranged[-1] = arranged[-1]._replace(wide=True)
        alone = not picture.wide and not alone
        arranged.append(picture)
    if alone:
        arranged[-1] = arranged[-1]._replace(wide=True)
    return tuple(arranged)


def _spending(asked: Asked) -> list[Picture]:
    by_day, rate = asked.rows("tokens_by_day_and_model"), asked.rows("cache_hit_rate_by_day")
    pictures = [
        Picture("cost_by_day", figures.cost_by_day(asked), by_day, wide=True),
        Picture("output_by_day", figures.output_by_day(asked), by_day),
        Picture("cache_hit_rate_by_day", figures.cache_by_day(asked), rate),
        Picture("cost_by_model", figures.cost_by(asked, "model"), asked.rows("tokens_by_model")),
    ]
    for what in ("agent", "tenant"):
        rows = asked.rows(f"tokens_by_{what}")
        if len(rows.rows) > 1:  # a ranking of one says nothing
            pictures.append(Picture(f"cost_by_{what}", figures.cost_by(asked, what), rows))
    return pictures


def _sessions(asked: Asked) -> list[Picture]:
    messages, timeline = lanes.messages(asked), lanes.sessions(asked)
    pictures = [
        Picture("session_timeline", timeline, asked.rows("session_timeline"), wide=True),
        Picture("session_messages", messages, asked.rows("session_tree"), wide=True),
        Picture("costliest_sessions", figures.cost_by_tree(asked), asked.rows("session_tree_cost")),
        Picture("longest_sessions", figures.longest(asked), asked.rows("longest_sessions")),
    ]
    compaction = figures.compaction(asked)
    if compaction.rows:
        pictures.append(Picture("compaction_savings", compaction, asked.rows("compaction_savings")))
    return pictures


def _tools(asked: Asked) -> list[Picture]:
    charts = {"slowest_tools": figures.slow_tools(asked), "failing_tools": figures.failing_tools(asked)}
    return [Picture(name, chart, asked.rows(name)) for name, chart in charts.items() if chart.rows]


def _rhythm(asked: Asked) -> list[Picture]:
    return [
        Picture("activity_by_hour", figures.hours(asked), asked.rows("activity_by_hour")),
        Picture("anomalies", figures.anomalies(asked), asked.rows("anomalies")),
    ]


def _queue(asked: Asked) -> list[Picture]:
    return [
        Picture("queue_percentiles", figures.queue_times(asked), asked.rows("queue_percentiles")),
        Picture("retries", figures.claims(asked), asked.rows("retries")),
    ]
