"""How much of its rate limit a lane of tasks has left. How many run in it, the tasks themselves say.

One row per `task_lane` stream.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from eventlog.events import TASK_LANE, TurnTaken
from projections.columns import moment
from projections.fold import Fold

_TOKENS_MAX = 1e9


class TaskLane(msgspec.Struct, frozen=True, gc=False):
    """A row of `task_lanes`: claims it may still make at once, as of `at`; None: it has no rate limit."""

    tokens: float | None = None
    at: datetime | None = None


def evolve(lane: TaskLane, event: TurnTaken, version: int) -> TaskLane:
    """Return the lane after a turn: what the last one left."""
    tokens, at = event.tokens, event.at
    if tokens is None or at is None:
        changed = TaskLane()
    else:
        changed = TaskLane(min(max(tokens, -_TOKENS_MAX), _TOKENS_MAX), moment(at))
    return lane if changed == lane else changed


TASK_LANES = Fold(
    "task_lanes",
    version=1,
    kind=TASK_LANE,
    state=TaskLane,
    evolve=evolve,
    folds=(TurnTaken,),
    initial=TaskLane(),
)
