"""Lanes, as examples: what is left of a rate limit is what the last turn left."""

from __future__ import annotations

from datetime import UTC, datetime

from eventlog.events import TurnTaken
from projections.lane import TASK_LANES, TaskLane
from tests.projections.given import Example

lane = Example(TASK_LANES)
AT = datetime(2026, 11, 28, tzinfo=UTC)


def test_a_turn_leaves_what_it_says() -> None:
    """Who claims computed it from what was there, under the lane's version."""
    lane.given(TurnTaken(("a",), "claimed", 5.0, AT)).when(TurnTaken(("b",), "claimed", 4.0, AT)).then(
        tokens=4.0, at=AT
    )


def test_a_turn_without_a_limit_leaves_none() -> None:
    """And neither does one that says half of it."""
    assert (
        lane.given(TurnTaken(("a",), "claimed", 5.0, AT)).when(TurnTaken((), "claimed")).state == TaskLane()
    )
    lane.given(TurnTaken((), "claimed")).when(TurnTaken((), "claimed", 5.0)).then_nothing_changes()
