"""A small language for examples of folds: `given(events).when(event).then(state)`. Holds no test."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from eventlog.envelope import NewEvent
from eventlog.events import AgentEvent
from projections.fold import Fold
from tests.support.histories import encoded


def fold(
    projection: Fold[Any], events: Iterable[AgentEvent | NewEvent], state: Any = None, after: int = 0
) -> Any:
    """Return the state after `events`, the first of which has version after + 1.

    Events that the projection does not name are skipped, as the log does it; they have a version all
    the same.
    """
    for version, event in enumerate(events, start=after + 1):
        said = event if isinstance(event, NewEvent) else encoded(event)
        if said.type in projection.types:
            state = projection.evolve(state, said, version)
    return state


class Example:
    """A fold and what happened so far."""

    def __init__(self, projection: Fold[Any], events: Sequence[AgentEvent | NewEvent] = ()) -> None:
        self.projection = projection
        self.events = tuple(events)

    def given(self, *events: AgentEvent | NewEvent) -> Example:
        return Example(self.projection, self.events + events)

    when = given

    @property
    def state(self) -> Any:
        return fold(self.projection, self.events)

    def then(self, **fields: Any) -> None:
        """The state has these values; of other fields nothing is said."""
        state = self.state
        assert state is not None, "there is no row"
        assert {name: getattr(state, name) for name in fields} == fields

    def then_nothing_changes(self) -> None:
        """The last event left the very same state, so that no row is written."""
        *before, last = self.events
        known = fold(self.projection, before)
        assert fold(self.projection, [last], known, after=len(before)) is known

    def then_there_is_no_row(self) -> None:
        assert self.state is None
