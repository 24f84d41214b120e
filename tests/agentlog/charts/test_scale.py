"""Figures for people, and round places on axes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentlog.charts.scale import duration, every, figure, fitted, heights, text_width, ticks, time_ticks


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (None, "USD", "–"), (float("nan"), "USD", "–"), (0, "USD", "$0"), (0.6, "USD", "$0.60"),
        (0.00045, "USD", "$0.00045"), (12.5, "USD", "$12.50"), (1234.5, "USD", "$1,234.50"),
        (2e6, "USD", "$2M"),
        (-3, "USD", "−$3"), (999, "count", "999"), (9999, "count", "9,999"), (12_345, "count", "12.3k"),
        (0.571, "number", "0.571"), (3410, "tokens", "3.41k"), (999_999, "tokens", "1M"),
        (74.5e6, "tokens", "74.5M"),
        (0.968, "fraction", "96.8 %"), (1, "fraction", "100 %"), (0, "fraction", "0 %"),
        (12, "bytes", "12 B"), (1500, "bytes", "1.5kB"), (90, "seconds", "1 min 30 s"),
    ],
)  # fmt: skip
def test_figures_are_short_and_have_their_unit(value, unit, said):
    """Three digits are what people read."""
    assert figure(value, unit) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (0.0123, "12.3 ms"), (59.4, "59.4 s"), (60, "1 min"), (119.6, "2 min"), (3661, "1 h 1 min"),
     (86_400, "1 d"), (90_000, "1 d 1 h")],
)  # fmt: skip
def test_durations_have_their_two_largest_units(seconds, said):
    """Rounded, never 60 s beside a minute."""
    assert duration(seconds) == said


@given(st.floats(1e-9, 1e15))
def test_an_axis_ends_at_or_above_the_highest_value_in_even_steps(top):
    """And not far above it."""
    marks = ticks(top)

    assert marks[0] == 0
    assert top * 0.998 <= marks[-1] <= top * 3
    assert 2 <= len(marks) <= 7
    assert ticks(0) == ticks(float("inf")) == [0.0, 1.0]


moments = st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))


@given(moments, moments, st.integers(2, 12))
def test_marks_of_time_are_within_it_in_order_and_few(one, other, about):
    """Whether it is a second or thirty years."""
    first, last = sorted((one, other))
    marks = [moment for moment, _ in time_ticks(first, last, about)]

    assert marks == sorted(set(marks))
    assert all(first <= mark <= last for mark in marks)
    assert len(marks) <= about + 2


def test_marks_of_time_stand_at_round_moments():
    """Full quarters of an hour, days with their name, first days of months."""
    day = datetime(2026, 11, 1, 22, 50, tzinfo=UTC)

    assert [name for _, name in time_ticks(day, day.replace(day=2, hour=0), 6)] == [
        "23:00", "23:30", "Nov 2", "00:30",
    ]  # fmt: skip
    assert [name for _, name in time_ticks(day, day.replace(year=2027, month=3), 6)] == [
        "Dec 2026", "Jan 2027", "Feb 2027", "Mar 2027",
    ]  # fmt: skip


def test_text_is_cut_to_its_room_and_labels_left_out():
    """Rather than drawn over one another."""
    assert fitted("short", 100) == "short"
    assert fitted("x" * 100, 72) == "xxxxxxxxx…"
    assert text_width("xx") == pytest.approx(14.4)
    assert every(10, 100, 30) == 3
    assert every(1, 0, 30) == 30
    assert heights([None, -1, 2], 4, 100) == [0, 0, 50]
