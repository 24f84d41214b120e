"""Cron expressions: right where clocks change, the same backwards as forwards, and refused by name."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentlog.cron import NAMES, check_cron, check_zone, due_at, newest_ticks, next_tick, upcoming
from agentlog.errors import BadInput

BERLIN = "Europe/Berlin"


def local(cron, year, month, day, count):
    """The ticks from the evening of a day on, as the clocks of Berlin show them."""
    from zoneinfo import ZoneInfo

    start = datetime(year, month, day, 22, tzinfo=UTC)
    return [
        tick.astimezone(ZoneInfo(BERLIN)).strftime("%d. %H:%M%z")
        for tick in upcoming(cron, BERLIN, start, count)
    ]


def test_a_tick_in_the_hour_that_is_missing_comes_right_after_it():
    """In the night to 29 March 2026 there is no half past two, and the work is done all the same."""
    assert local("30 2 * * *", 2026, 3, 27, 3) == ["28. 02:30+0100", "29. 03:00+0200", "30. 02:30+0200"]


def test_a_tick_in_the_hour_that_comes_twice_is_one_tick():
    """In the night to 25 October 2026 it is half past two twice; croniter 7 fires twice."""
    assert local("30 2 * * *", 2026, 10, 24, 2) == ["25. 02:30+0200", "26. 02:30+0100"]


def test_steps_go_on_by_real_time_where_clocks_change():
    """Every half hour means every thirty minutes, also in that night."""
    for month, day in ((3, 28), (10, 24)):
        ticks = upcoming("*/30 * * * *", BERLIN, datetime(2026, month, day, 22, tzinfo=UTC), 12)
        assert {after - before for before, after in itertools.pairwise(ticks)} == {timedelta(minutes=30)}


def test_a_schedule_keeps_its_hour_of_the_day_through_the_year():
    """Nine in the morning is nine in the morning, in summer and in winter."""
    assert next_tick("0 9 * * *", BERLIN, datetime(2026, 1, 5, tzinfo=UTC)).hour == 8
    assert next_tick("0 9 * * *", BERLIN, datetime(2026, 7, 5, tzinfo=UTC)).hour == 7


@settings(deadline=None, max_examples=60)
@given(
    cron=st.sampled_from(
        [
            "30 2 * * *",
            "*/7 * * * *",
            "0 */2 * * *",
            "15 1-3 * * *",
            "0 2 * * 0",
            "5 0 L * *",
            "@hourly",
            "59 23 31 12 *",
        ]
    ),
    zone=st.sampled_from(["UTC", BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
    start=st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)),
    hours=st.integers(0, 100),
)
def test_ticks_are_the_same_backwards_as_forwards(cron, zone, start, hours):
    """What was missed is found from its end: a tick that is not in both fires twice or never."""
    first = start.replace(tzinfo=UTC)
    last = first + timedelta(hours=hours)
    forwards = []
    tick = next_tick(cron, zone, first - timedelta(seconds=1))
    while tick is not None and tick <= last:
        forwards.append(tick)
        tick = next_tick(cron, zone, tick)
    forwards = [tick for tick in forwards if tick >= first]
    assert newest_ticks(cron, zone, first, last, 10**6) == forwards
    assert newest_ticks(cron, zone, first, last, 3) == forwards[-3:]


def test_jitter_is_the_same_for_all_hosts_and_spreads_schedules():
    """Never before the tick, never after the jitter, and without it at the tick."""
    tick = datetime(2026, 12, 1, tzinfo=UTC)
    times = [due_at("t", str(n), tick, 60) for n in range(200)]
    assert times == [due_at("t", str(n), tick, 60) for n in range(200)]
    assert all(tick <= time < tick + timedelta(seconds=60) for time in times)
    assert len({time.second // 10 for time in times}) == 6
    assert due_at("t", "1", tick, 0) == tick


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        ("", "has 0 fields and must have 5"),
        ("* * * * * *", "has 6 fields and must have 5"),
        ("61 * * * *", "bad minute"),
        ("* 24 * * *", "bad hour"),
        ("0 0 30 2 *", "bad day-of-month"),
        ("@reboot", "has 1 fields"),
        ("H * * * *", "bad minute"),
        ("*/99999999999999999999 * * * *", "more than 4 digits"),
        ("*/0 * * * *", "bad minute"),
        (5, "must be a text, not int"),
        (None, "must be a text, not NoneType"),
    ],
)
def test_what_is_no_cron_expression_is_refused_by_what_is_wrong_with_it(cron, said):
    """Six fields have the seconds first for some and last for others: neither is guessed."""
    with pytest.raises(BadInput, match=said):
        check_cron(cron)


def test_names_stand_for_expressions():
    """As in Debian's cron."""
    for name in NAMES:
        assert check_cron(name) == name
    assert next_tick("@Daily", "UTC", datetime(2026, 12, 1, 5, tzinfo=UTC)) == datetime(
        2026, 12, 2, tzinfo=UTC
    )


@pytest.mark.parametrize("zone", ["", "Mars", "../etc/passwd", "/etc/localtime", 5, None, "a\x00b"])
def test_what_is_no_time_zone_is_refused(zone):
    """Also what would be a path."""
    with pytest.raises(BadInput, match="there is no time zone"):
        check_zone(zone)
