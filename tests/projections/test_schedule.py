"""Schedules, as examples: what happened, then when the next tick is and whether there is one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from eventlog.events import (
    ScheduleDeleted,
    ScheduleFired,
    SchedulePaused,
    ScheduleResumed,
    ScheduleSet,
    ScheduleSkipped,
    SchedulesReplaced,
    ScheduleTriggered,
    raw,
)
from projections.schedule import SCHEDULE_LISTS, SCHEDULES
from tests.projections.given import Example
from tests.support.histories import unreadable


def at(hours):
    return datetime(2026, 12, 1, tzinfo=UTC) + timedelta(hours=hours)


schedule = Example(SCHEDULES)
SET = ScheduleSet("0 * * * *", raw(1), next_tick=at(1), due_at=at(1.1))
FIRED = ScheduleFired(at(1), "item", at(2), at(2.1))
hourly = schedule.given(SET)


def test_a_tick_moves_the_next_one_and_says_nothing_of_what_the_schedule_is() -> None:
    """Who changed it last, and where that stands, is another question than when it fired."""
    hourly.then(next_tick=at(1), due_at=at(1.1), is_set=True, set_version=1, changed_version=1)
    hourly.when(FIRED).then(
        next_tick=at(2), due_at=at(2.1), last_tick=at(1), last_item="item", fired=1, changed_version=1
    )
    hourly.when(ScheduleSkipped(at(1), at(5), "late", at(6), at(6))).then(
        next_tick=at(6), last_tick=at(5), skipped=1, fired=0, last_item=None
    )
    hourly.when(ScheduleTriggered("now")).then(next_tick=at(1), last_item="now", fired=1, last_tick=None)


def test_a_run_in_flight_never_brings_back_what_was_just_disabled_s2_did() -> None:
    """S2 wrote the whole job back when its run was over."""
    hourly.given(SchedulePaused()).when(FIRED).then(paused=True, due_at=None, next_tick=None, fired=1)
    hourly.given(ScheduleDeleted()).when(FIRED).then(is_set=False, due_at=None, next_tick=None)


def test_a_paused_schedule_has_no_tick_until_it_is_resumed() -> None:
    """Pausing and resuming twice is once."""
    paused = hourly.given(SchedulePaused("why"))
    paused.then(paused=True, due_at=None, changed_version=2)
    paused.when(SchedulePaused("again")).then_nothing_changes()
    paused.when(ScheduleResumed(at(9), at(9))).then(paused=False, next_tick=at(9), changed_version=3)
    hourly.when(ScheduleResumed(at(9), at(9))).then_nothing_changes()
    schedule.when(ScheduleSet("@daily", raw(1), paused=True, next_tick=at(1), due_at=at(1))).then(due_at=None)


def test_setting_it_anew_replaces_everything_but_what_it_did() -> None:
    """How often it fired is part of its life, not of its definition."""
    anew = hourly.given(FIRED, ScheduleDeleted()).when(ScheduleSet("@daily", raw(2)))
    anew.then(cron="@daily", is_set=True, fired=1, last_item="item", set_version=4, next_tick=None)
    hourly.given(ScheduleDeleted()).when(ScheduleDeleted("again")).then_nothing_changes()


def test_a_definition_that_cannot_be_read_leaves_the_one_before() -> None:
    """A later release wrote it, and fires it."""
    hourly.when(unreadable(ScheduleSet)).then_nothing_changes()
    schedule.when(unreadable(ScheduleSet)).then(is_set=False, due_at=None)


def test_the_list_counts_how_often_a_set_was_put_in_place() -> None:
    """Its version is what matters: two that replace at once cannot both have been first."""
    Example(SCHEDULE_LISTS).given(SchedulesReplaced(("a", "b"))).when(SchedulesReplaced(("a",))).then(
        replaced=2, schedules=1
    )
