"""Fold the whole log into the rows that every projection table must hold. Pure, no I/O.

The same rules as the writer's (eventlog/batch.py): the same `evolve`; a row is identified by the
projection's `row_key`; it is written when `evolve` returns another object; its first position is
that of the event that made it. What the writer cannot know yet, position and time, is known here.

Memory is bounded by the states, not by the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from eventlog.envelope import Event, StreamId
from eventlog.projection import InlineProjection, without_nul

_encode = msgspec.json.Encoder().encode


class Row:
    """One row as the log has it: the state, and the events that made it and last changed it."""

    __slots__ = ("first_position", "first_time", "last_position", "last_time", "state", "version")

    def __init__(self, event: Event, state: Any) -> None:
        self.first_position = event.position
        self.first_time = event.time
        self.change(event, state)

    def change(self, event: Event, state: Any) -> None:
        self.last_position = event.position
        self.last_time = event.time
        self.version = event.version
        self.state = state

    def copy(self) -> Row:
        """Return a row that can be changed without this one; the state itself never changes."""
        row = Row.__new__(Row)
        for name in Row.__slots__:
            setattr(row, name, getattr(self, name))
        return row

    def to_json(self, stream_id: int, tenant_and_key: bytes) -> bytes:
        """Return the row as one JSON object, its fields named as the columns."""
        return (
            b'{"stream_id":%d,"version":%d,"first_position":%d,"first_time":"%b",'
            b'"last_position":%d,"last_time":"%b",%b%b'
        ) % (
            stream_id,
            self.version,
            self.first_position,
            self.first_time.encode(),
            self.last_position,
            self.last_time.encode(),
            tenant_and_key,
            _encode(self.state)[1:],
        )


class _Step(NamedTuple):
    """What one type of event does on streams of one kind."""

    number: int
    evolve: Any
    row_key: tuple[str, ...]
    begins: bool  # it changes nothing where there is a state


class Folded:
    """A stream after all its events: its version, and its states and rows by projection."""

    __slots__ = ("rows", "states", "steps", "stream", "version")

    def __init__(self, stream: StreamId, projections: int, steps: dict[str, list[_Step]]) -> None:
        self.stream = stream
        self.version = 0
        self.steps = steps  # of its kind, by type of event
        self.states: list[Any] = [None] * projections
        # Per projection: rows by the values of row_key; one row under () where it is empty.
        self.rows: list[dict[tuple[Any, ...], Row]] = [{} for _ in range(projections)]

    def copy(self) -> Folded:
        """Return it as it is now: folding on changes one and not the other."""
        folded = Folded(self.stream, 0, self.steps)
        folded.version, folded.states = self.version, list(self.states)
        folded.rows = [{key: row.copy() for key, row in rows.items()} for rows in self.rows]
        return folded


class FoldAll:
    """The fold of the log so far.

    Attributes:
        position: the last event taken in; 0 at the start.
        events: how many were taken in.
        streams: every stream seen, by identity.
        touched: streams of which a row changed since the set was last emptied.
        version_gaps: (position, stream, version, expected) of events whose version does not follow.
    """

    def __init__(self, projections: Sequence[InlineProjection]) -> None:
        self.position = 0
        self.events = 0
        self.streams: dict[StreamId, Folded] = {}
        self.touched: set[StreamId] = set()
        self.version_gaps: list[tuple[int, StreamId, int, int]] = []
        self.projections = {kind: _of_kind(projections, kind) for kind in {p.kind for p in projections}}
        self._steps: dict[str, dict[str, list[_Step]]] = {
            kind: _steps(folds) for kind, folds in self.projections.items()
        }

    def add(self, events: Iterable[Event]) -> None:
        """Take in events, in order of position."""
        streams = self.streams
        event: Event | None = None
        count = 0
        for event in events:
            count += 1
            stream = event.stream
            # A plain tuple finds what is stored under a StreamId, and is made four times as fast.
            folded = streams.get((event.tenant, stream.kind, stream.key))  # type: ignore[call-overload]
            if folded is None:
                folded = self._new(event.stream_id)
            version = event.version
            if version != folded.version + 1:
                self.version_gaps.append((event.position, folded.stream, version, folded.version + 1))
            folded.version = version
            steps = folded.steps.get(event.type)
            if steps is None:
                continue
            states = folded.states
            for number, evolve, row_key, begins in steps:
                before = states[number]
                if begins and before is not None:
                    continue
                after = evolve(before, event, version)
                if after is before:
                    continue
                states[number] = after
                identity = tuple([getattr(after, name) for name in row_key]) if row_key else ()
                rows = folded.rows[number]
                row = rows.get(identity)
                if row is None:
                    rows[identity] = Row(event, after)
                else:
                    row.change(event, after)
                self.touched.add(folded.stream)
        if event is not None:
            self.position = event.position
            self.events += count

    def put(self, folded: Folded, position: int) -> None:
        """Begin with a stream that was folded up to a position."""
        self.streams[folded.stream] = folded
        self.position = position

    def begin(self, stream: StreamId) -> Folded:
        """Begin with a stream whose states the caller fills in."""
        return self._new(stream)

    def _new(self, stream: StreamId) -> Folded:
        folded = Folded(stream, len(self.projections.get(stream.kind, ())), self._steps.get(stream.kind, {}))
        self.streams[stream] = folded
        return folded

    def count(self, projection: InlineProjection, only: Iterable[StreamId] | None = None) -> int:
        """How many rows a projection has, of all streams or of some."""
        number = self._number(projection)
        return sum(
            len(self.streams[stream].rows[number])
            for stream in (self.streams if only is None else only)
            if stream.kind == projection.kind
        )

    def rows_json(
        self, projection: InlineProjection, streams: Iterable[tuple[int, StreamId]]
    ) -> Iterator[bytes]:
        """Yield a projection's rows of some streams, given with their ids, each as a JSON object."""
        number = self._number(projection)
        for id, stream in streams:
            rows = self.streams[stream].rows[number]
            if not rows:
                continue
            identity = b'"tenant":%b,"key":%b,' % (_encode(stream.tenant), _encode(stream.key))
            for row in rows.values():
                yield without_nul(row.to_json(id, identity))

    def _number(self, projection: InlineProjection) -> int:
        return self.projections[projection.kind].index(projection)


def _of_kind(projections: Sequence[InlineProjection], kind: str) -> tuple[InlineProjection, ...]:
    return tuple(projection for projection in projections if projection.kind == kind)


def _steps(projections: Sequence[InlineProjection]) -> dict[str, list[_Step]]:
    steps: dict[str, list[_Step]] = {}
    for number, projection in enumerate(projections):
        for type in projection.types:
            step = _Step(number, projection.evolve, projection.row_key, type in projection.begins)
            steps.setdefault(type, []).append(step)
    return steps
