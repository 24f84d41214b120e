"""What becomes of ticks: fired, skipped and why, by each policy."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from agentlog.schedule_ticks import TICKS_MAX, decide_ticks
from eventlog.events import ScheduleFired
from projections.schedule import Schedule


def at(minutes):
    return datetime(2026, 12, 1, tzinfo=UTC) + timedelta(minutes=minutes)


def decided(minutes, *, busy=False, next_minute=60, cron="0 * * * *", **fields):
    """Return what happens at a time: ("fired", minute) and (reason, first, last) since midnight."""
    fields = {"catch_up": "once", "catch_up_max": 10, "late_s": 60.0, "is_set": True} | fields
    known = Schedule(cron, next_tick=at(next_minute), due_at=at(next_minute), **fields)
    outcome = decide_ticks("", "s", known, at(minutes), busy, map(str, itertools.count()).__next__)

    def minute(time):
        return int((time - at(0)).total_seconds() // 60)

    said = [
        ("fired", minute(event.tick))
        if isinstance(event, ScheduleFired)
        else (event.reason, minute(event.first), minute(event.last))
        for event in outcome.events
    ]
    nexts = {(minute(event.next_tick), minute(event.due_at)) for event in outcome.events}
    return said, nexts, outcome.replaces


def test_a_tick_that_is_due_is_fired_and_the_next_one_follows():
    """Not before its time, and not when there is none."""
    assert decided(59.9) == ([], set(), False)
    assert decided(60) == ([("fired", 60)], {(120, 120)}, False)
    assert decided(61) == ([("fired", 60)], {(120, 120)}, False)
    assert decided(60, paused=True)[0] == decided(60, is_set=False)[0] == []


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ({"catch_up": "skip"}, [("late", 60, 300)]),
        ({"catch_up": "once"}, [("late", 60, 240), ("fired", 300)]),
        ({"catch_up": "all"}, [("fired", n) for n in (60, 120, 180, 240, 300)]),
        ({"catch_up": "all", "catch_up_max": 2}, [("late", 60, 180), ("fired", 240), ("fired", 300)]),
        ({"catch_up": "skip", "late_s": 7200}, [("late", 60, 180), ("fired", 240), ("fired", 300)]),
    ],
)
def test_late_ticks_are_caught_up_with_as_the_policy_says(policy, said):
    """Five hours without a host, found at half past five."""
    assert decided(330, **policy) == (said, {(360, 360)}, False)


def test_a_tick_in_time_is_enough_for_once():
    """What was late before it is left out."""
    assert decided(300.5, catch_up="once")[0] == [("late", 60, 240), ("fired", 300)]
    assert decided(300.5, catch_up="skip")[0] == [("late", 60, 240), ("fired", 300)]


@pytest.mark.parametrize(
    ("overlap", "busy", "said", "replaces"),
    [
        ("allow", True, [("fired", 60), ("fired", 120)], False),
        ("skip", True, [("overlap", 60, 120)], False),
        ("skip", False, [("fired", 60), ("overlap", 120, 120)], False),
        ("replace", True, [("overlap", 60, 60), ("fired", 120)], True),
        ("replace", False, [("overlap", 60, 60), ("fired", 120)], False),
    ],
)
def test_ticks_do_not_overlap_unless_they_may(overlap, busy, said, replaces):
    """Also those that are caught up with together: the first is not done when the second comes."""
    assert decided(125, overlap=overlap, busy=busy, catch_up="all") == (said, {(180, 180)}, replaces)


def test_a_year_without_a_host_costs_no_more_than_a_day():
    """Half a million ticks were missed; the newest are fired, and one event says that the others were not."""
    said, nexts, _ = decided(525_600.5, cron="* * * * *", next_minute=1, catch_up="all", catch_up_max=100)
    assert said[0] == ("late", 1, 525_600 - TICKS_MAX)
    assert said[1:] == [("fired", n) for n in range(525_601 - TICKS_MAX, 525_601)]
    assert nexts == {(525_601, 525_601)}


def test_with_jitter_a_tick_waits_for_its_own_moment():
    """And is not late for waiting."""
    fired_at = [n / 10 for n in range(1200) if decided(60 + n / 10, jitter_s=3600.0, late_s=0.1)[0]]
    assert 0 < fired_at[0] < 60
    assert decided(60 + fired_at[0] - 0.1, jitter_s=3600.0)[0] == []
