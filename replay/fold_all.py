"""Fold the whole log into the rows that every projection table must hold. Pure, no I/O.

The same rules as the writer's (eventlog/batch.py): the same `evolve`; a row is identified by the
projection's `row_key`; it is written when `evolve` returns another object; its first position is
that of the event that made it. What the writer cannot know yet, position and time, is known here.

Memory is bounded by the states, not by the log: 0.9 kB for a stream of one row. So nothing in here
is tracked by Python's collector that need not be, and equal texts are one object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from sys import intern
from typing import Any, NamedTuple

import msgspec

from eventlog.envelope import Event, StreamId
from eventlog.projection import InlineProjection, Stepping, without_nul

_LONG_AGO = "1970-01-01T00:00:00Z"
_encode = msgspec.json.Encoder().encode


class Row(msgspec.Struct, frozen=True, gc=False):
    """One row as the log has it: the state, and the events that made it and last changed it.

    A changed row is another one: making it takes less time than setting four attributes, and copies share it.
    """

    first_position: int
    first_time: str
    last_position: int
    last_time: str
    version: int
    state: Any

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


# What one type of event does on streams of one kind: number of the projection, its `evolve`, its `row_key`.
# (A plain tuple: a named one takes three times as long to unpack, once per event.)
_Step = tuple[int, Callable[[Any, Any, int], Any], tuple[str, ...]]
Steps = dict[str, tuple[_Step, ...]]


class _Kind(NamedTuple):
    """What is folded of streams of one kind.

    Attributes:
        projections: of that kind; the others below go by their numbers.
        beginning: those that have a row from the first event on, whatever it is.
        first, later: steps by type of event, until these rows are there and from then on. `later` leaves out
            what only begins a row: most events of a log are such to some fold.
    """

    projections: tuple[InlineProjection, ...]
    beginning: tuple[int, ...]
    first: Steps
    later: Steps


class Folded(msgspec.Struct, gc=False):
    """A stream after all its events: its version, and its rows by projection.

    Attributes:
        steps: what the next event does, by its type.
        newest: by projection, the row whose state goes on; None where there is none.
        older: rows of projections with several per stream, by projection and values of `row_key`.
        touched: a row changed since it was last asked.
    """

    stream: StreamId
    steps: Steps
    newest: list[Row | None]
    version: int = 0
    older: dict[tuple[int, tuple[Any, ...]], Row] | None = None
    touched: bool = False

    def copy(self) -> Folded:
        """Return it as it is now: folding on changes one and not the other."""
        older = None if self.older is None else dict(self.older)
        return Folded(self.stream, self.steps, list(self.newest), self.version, older)

    def states(self) -> list[Any]:
        """Return the state of each projection, None where there is none."""
        return [None if row is None else row.state for row in self.newest]

    def rows(self, number: int) -> list[Row]:
        """Return the rows of a projection, the one that goes on last."""
        newest = self.newest[number]
        if newest is None:
            return []
        if self.older is None:
            return [newest]
        return [*(row for (of, _), row in self.older.items() if of == number), newest]


class FoldAll:
    """The fold of the log so far.

    Args:
        closed: fold no stream but those that were begun.
    Attributes:
        projections: what is folded.
        position: the last event taken in; 0 at the start.
        events: how many were taken in.
        streams: every stream seen, by identity.
        version_gaps: (position, stream, version, expected) of events whose version does not follow.
    """

    def __init__(self, projections: Sequence[InlineProjection], *, closed: bool = False) -> None:
        self.projections = tuple(projections)
        self._closed = closed
        self.position = 0
        self.events = 0
        self.streams: dict[StreamId, Folded] = {}
        self.version_gaps: list[tuple[int, StreamId, int, int]] = []
        self._kinds = _by_kind(self.projections)
        self._of_kind: dict[str, list[Folded]] = {}
        self._touched: list[Folded] = []

    def add(self, events: Iterable[Event]) -> None:
        """Take in events, in order of position, or what `fold_lines` decoded of their lines."""
        find, touched, closed = self.streams.get, self._touched, self._closed
        event: Event | None = None
        count = 0
        for event in events:
            count += 1
            stream, version = event.stream, event.version
            # A plain tuple finds what is stored under a StreamId, and is made four times as fast.
            folded = find((event.tenant, stream.kind, stream.key))  # type: ignore[call-overload]
            if folded is None:
                if closed:
                    continue
                folded = self.begin((event.tenant, stream.kind, stream.key))
            if version != folded.version + 1:
                self.version_gaps.append((event.position, folded.stream, version, folded.version + 1))
            folded.version = version
            steps = folded.steps.get(event.type)
            if not steps:
                continue
            newest = folded.newest
            for number, evolve, row_key in steps:
                row = newest[number]
                if row is None:
                    if (state := evolve(None, event, version)) is None:
                        continue
                    position, time = event.position, event.time
                    newest[number] = Row(position, time, position, time, version, state)
                    folded.steps = self._steps(folded)  # maybe `later` from now on
                else:
                    if (state := evolve(row.state, event, version)) is row.state:
                        continue
                    position, time = row.first_position, row.first_time
                    if row_key:
                        position, time = _begun(folded, number, row_key, row, event, state)
                    newest[number] = Row(position, time, event.position, event.time, version, state)
                if not folded.touched:
                    folded.touched = True
                    touched.append(folded)
        if event is not None:
            self.position = event.position
            self.events += count

    def put(self, folded: Folded, position: int) -> None:
        """Begin with a stream that was folded up to a position."""
        self._know(folded)
        self.position = position

    def begin(self, identity: tuple[str, str, str], states: Sequence[Any] = ()) -> Folded:
        """Begin with a stream, and with states that its rows had; where these began is not known then."""
        tenant, kind, key = identity
        stream = StreamId(intern(tenant), intern(kind), key)
        of = self._kinds.get(kind, _NOTHING)
        newest: list[Row | None] = [None] * len(of.projections)
        for number, state in enumerate(states):
            newest[number] = None if state is None else Row(1, _LONG_AGO, 1, _LONG_AGO, 1, state)
        folded = Folded(stream, of.first, newest)
        folded.steps = self._steps(folded)
        self._know(folded)
        return folded

    def _know(self, folded: Folded) -> None:
        self.streams[folded.stream] = folded
        self._of_kind.setdefault(folded.stream.kind, []).append(folded)

    def _steps(self, folded: Folded) -> Steps:
        """Return what the next event of a stream does, by the rows that are there."""
        of, newest = self._kinds.get(folded.stream.kind, _NOTHING), folded.newest
        for number in of.beginning:
            if newest[number] is None:
                return of.first
        return of.later

    def take_touched(self) -> list[StreamId]:
        """Return the streams of which a row changed since this was last asked."""
        found = [folded.stream for folded in self._touched]
        for folded in self._touched:
            folded.touched = False
        self._touched.clear()
        return found

    def count(self, projection: InlineProjection, only: Iterable[StreamId] | None = None) -> int:
        """How many rows a projection has, of all streams or of some."""
        number, kind, streams = self._number(projection), projection.kind, self.streams
        if only is None:
            some: Iterable[Folded] = self._of_kind.get(kind, ())
        else:
            some = [streams[stream] for stream in only if stream.kind == kind]
        return sum([len(one.rows(number)) for one in some if one.newest[number] is not None])

    def projections_of(self, kind: str) -> tuple[InlineProjection, ...]:
        """Return the projections of a kind of streams, in the order of `Folded.newest`."""
        return self._kinds.get(kind, _NOTHING).projections

    def of_kind(self, kind: str) -> Sequence[Folded]:
        """Return the streams of a kind, in the order in which they were begun."""
        return self._of_kind.get(kind, ())

    def rows_json(
        self, projection: InlineProjection, streams: Iterable[tuple[int, StreamId]]
    ) -> Iterator[list[bytes]]:
        """Yield a projection's rows of each of some streams, given with their ids: JSON objects."""
        number, find = self._number(projection), self.streams
        for id, stream in streams:
            folded = find[stream]
            if folded.newest[number] is None:
                yield []
                continue
            identity = b'"tenant":%b,"key":%b,' % (_encode(stream.tenant), _encode(stream.key))
            yield [without_nul(row.to_json(id, identity)) for row in folded.rows(number)]

    def _number(self, projection: InlineProjection) -> int:
        return self.projections_of(projection.kind).index(projection)


def _begun(
    folded: Folded, number: int, row_key: tuple[str, ...], row: Row, event: Event, state: Any
) -> tuple[int, str]:
    """Return where the row of a changed state began: the newest one, an older one, or one made now."""
    before, after = _identity(row.state, row_key), _identity(state, row_key)
    if before != after:
        older = folded.older = folded.older or {}
        older[number, before] = row
        again = older.pop((number, after), None)
        if again is None:
            return event.position, event.time
        row = again
    return row.first_position, row.first_time


def _identity(state: Any, row_key: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple([getattr(state, name) for name in row_key])


_NOTHING = _Kind((), (), {}, {})


@lru_cache(maxsize=32)
def _by_kind(projections: tuple[InlineProjection, ...]) -> Mapping[str, _Kind]:
    """Return what is folded of each kind. Kept: finding it takes as long as 2,000 events."""
    return {
        kind: _kind(tuple(projection for projection in projections if projection.kind == kind))
        for kind in {projection.kind for projection in projections}
    }


def _kind(projections: tuple[InlineProjection, ...]) -> _Kind:
    beginning = tuple(number for number, projection in enumerate(projections) if projection.begins)
    first: Steps = {}
    later: Steps = {}
    for number, projection in enumerate(projections):
        for type in projection.types:
            evolve = projection.step(type) if isinstance(projection, Stepping) else projection.evolve
            step = (number, evolve, projection.row_key)
            first[type] = (*first.get(type, ()), step)
            if type not in projection.begins:
                later[type] = (*later.get(type, ()), step)
    return _Kind(projections, beginning, first, later)
