"""From rows to pictures: what is summed up, what is named, what stands below what."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from agentlog.report import figures, lanes
from agentlog.report.asked import QUERIES
from agentlog.report.days import COLUMNS_MAX, columns_of
from agentlog.report.table import cell, html_table
from eventlog.events import SessionCreated
from projections.archive import named_queries
from tests.agentlog.report.reported import asked, busy
from tests.projections.archive.asking import at, said, used
from tests.projections.archive.history import History


@pytest.fixture(scope="module")
def report():
    return asked(busy("x"))


def test_days_become_weeks_and_months_when_there_are_too_many():
    """All of them, also those on which nothing was."""
    first = date(2026, 1, 1)

    for last, size, name in (
        (first, "day", "Jan 1"),
        (first + timedelta(days=COLUMNS_MAX - 1), "day", "Jan 1"),
        (first + timedelta(days=COLUMNS_MAX), "week", "Dec 29"),
        (first + timedelta(days=400), "month", "Jan 2026"),
        (first + timedelta(days=40_000), "month", "Jan 2026"),
    ):
        columns = columns_of([last, first, first])
        assert (columns.size, columns.names[0]) == (size, name)
        assert columns.place == {first: 0, last: len(columns.names) - 1}
    assert columns_of([]).names == ()


def test_what_is_stacked_is_what_was_asked(report):
    """Ten days of $0.50 and $0.25."""
    chart = figures.cost_by_day(report)

    assert (chart.columns[0], chart.columns[-1]) == ("Nov 1", "Nov 10")
    assert {series.name: sum(series.values) for series in chart.series} == {"m1": 5.0, "x": 2.5}
    assert chart.title == "Cost by day"


def test_models_beyond_the_colours_are_added_up():
    """A stack of thirty colours is read by nobody."""
    history = History()
    for n in range(12):
        used(history, "s", at(1), (0, n + 1), str(n + 1), model=f"m{n:02d}")

    chart = figures.cost_by_day(asked(history))
    assert [series.name for series in chart.series][-2:] == ["m05", "5 others"]
    assert sum(series.values[0] for series in chart.series) == sum(range(13))


def test_the_rate_of_a_column_is_that_of_its_sums(report):
    """Not a mean of rates: 520 of 555 on the first days, of 955 on the last."""
    [series] = figures.cache_by_day(report).series

    assert series.values[0] == pytest.approx(520 / 555)
    assert series.values[-1] == pytest.approx(520 / 955)


def test_sub_agents_stand_below_their_session():
    """Also where the parent began later, or parents go in a circle."""
    history = History()
    for key, parent in (("late", None), ("early", "late"), ("x", "y"), ("y", "x"), ("far", "gone")):
        history.say(key, SessionCreated(parent=parent))
    for key, day in (("early", 1), ("late", 2), ("x", 3), ("y", 4), ("far", 5)):
        said(history, key, at(day))

    found = [(lane.name, lane.depth) for lane in lanes.sessions(asked(history)).lanes]
    assert found == [("late", 0), ("early", 1), ("far", 0), ("x", 0), ("y", 1)]


def test_the_costliest_session_is_shown_message_by_message(report):
    """Prompt, call, error, with the child's own lane; another one when it is asked for."""
    chart = lanes.messages(report)

    found = [(lane.name, lane.depth, len(lane.marks)) for lane in chart.lanes]
    assert found == [("x root", 0, 30), ("x child", 1, 10)]
    assert [kind.name for kind in chart.kinds] == ["tool error", "prompt", "answer", "tool call"]
    other = lanes.messages(asked(busy("x"), session="child"))
    assert [lane.name for lane in other.lanes] == ["x child"]


def test_items_and_tasks_stand_side_by_side(report):
    """In one picture of waits and runs, and in one of claims; each kind has a colour of its own there."""
    times, claims = figures.queue_times(report), figures.claims(report)

    halves = {bar.name: bar.value for bar in times.rows if bar.name.endswith("half within")}
    assert halves == {
        "item wait · half within": 9.0, "item run · half within": 51.0,
        "task wait · half within": 2.0, "task run · half within": 298.0,
    }  # fmt: skip
    assert [(bar.name, bar.value, bar.note, bar.series) for bar in claims.rows] == [
        ("item · once", 1.0, "100 %", 0), ("task · once", 1.0, "100 %", 1),
    ]  # fmt: skip


def test_a_period_is_handed_to_every_query_that_takes_one():
    """One page, one period."""
    one = asked(busy("x"), since=date(2026, 11, 2), until=date(2026, 11, 3))

    assert one.dicts("totals")[0]["responses"] == 4
    assert len(one.rows("cache_hit_rate_by_day").rows) == 2
    assert one.rows("queue_percentiles").rows == []
    assert set(QUERIES) <= set(named_queries())


def test_a_table_shows_figures_as_people_read_them():
    """Costs, shares and durations with their unit; unknown is a dash; the rest is counted."""
    rows, units = [("a<b", 1.5, 0.25), ("c", None, 1)], ("text", "USD", "fraction")
    table = html_table(("name", "cost_usd", "share"), rows, units, rows_max=1)

    assert '<td>a&lt;b</td><td class="number">$1.50</td><td class="number">25 %</td>' in table
    assert "… and 1 more" in table
    assert [cell(value) for value in (None, True, 12345, 0.123456, "x" * 300)] == [
        "–", "yes", "12,345", "0.1235", "x" * 200 + "…",
    ]  # fmt: skip
