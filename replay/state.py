"""What a stream added up to, as data: states, what changed between two of them, and which event changed it.

Written over the registered projections, so every noun comes along. Pure, but for the reading of events
that is passed in.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from eventlog.envelope import Event, StreamId
from eventlog.projection import InlineProjection
from replay.fold_all import FoldAll

VALUE_CHARACTERS_MAX = 300
# What the log itself fills in; that they changed is told by the event.
_PLACES = frozenset({"version", "first_position", "first_time", "last_position", "last_time"})
_IDENTITY = frozenset({"stream_id", "tenant", "key"})


class StreamState(msgspec.Struct, frozen=True):
    """What a stream's events add up to.

    Attributes:
        version: of the last event that counts; 0: there was no such stream.
        tables: by projection table, its rows, each by column.
    """

    stream: StreamId
    version: int
    tables: dict[str, list[dict[str, Any]]]


class Change(NamedTuple):
    """One field that is different. A row that was not there has None before, one that went None after.

    Attributes:
        row: what tells it from other rows of its stream, by column; empty where there is one per stream.
    """

    stream: StreamId
    table: str
    row: dict[str, Any]
    field: str
    before: Any
    after: Any

    def __str__(self) -> str:
        where = "".join(f" {name} {value}" for name, value in self.row.items())
        return f"{self.stream}: {self.table}{where}, {self.field}: {shown(self.before)} → {shown(self.after)}"


class Blame(NamedTuple):
    """Which event last changed a field of a stream's newest row in a table, and what its maker noted."""

    table: str
    field: str
    value: Any
    position: int
    version: int
    type: str
    time: str
    meta: dict[str, Any]


class Step(NamedTuple):
    """One event of a stream, and what it changed."""

    event: Event
    changes: list[Change]


def state_of(fold: FoldAll, stream: StreamId) -> StreamState:
    """Return the state of one stream of a fold."""
    folded = fold.streams.get(stream)
    if folded is None:
        return StreamState(stream, 0, {})
    tables = {}
    for projection in fold.projections_of(stream.kind):
        [found] = fold.rows_json(projection, [(0, stream)])
        rows = [msgspec.json.decode(row) for row in found]
        tables[projection.name] = [
            {name: value for name, value in row.items() if name not in _IDENTITY} for row in rows
        ]
    return StreamState(stream, folded.version, tables)


def changes(before: StreamState, after: StreamState, projections: Sequence[InlineProjection]) -> list[Change]:
    """Return the fields in which two states differ; of two streams of one kind as well, such as a fork's."""
    found: list[Change] = []
    for projection in projections:
        if projection.kind != after.stream.kind:
            continue
        old, new = (_by_key(projection, state) for state in (before, after))
        for key in {**old, **new}:
            row = dict(zip(projection.row_key, key, strict=True))
            one, other = old.get(key, {}), new.get(key, {})
            found += [
                Change(after.stream, projection.name, row, field, one.get(field), other.get(field))
                for field in {**one, **other}
                if field not in _PLACES and one.get(field) != other.get(field)
            ]
    return found


def _by_key(projection: InlineProjection, state: StreamState) -> dict[tuple[Any, ...], dict[str, Any]]:
    rows = state.tables.get(projection.name, [])
    return {tuple(row[name] for name in projection.row_key): row for row in rows}


def blame(projections: Sequence[InlineProjection], stream: StreamId, events: Iterable[Event]) -> list[Blame]:
    """Return, for each field of the stream's newest states, the event that last changed it."""
    last: dict[tuple[str, str], tuple[Any, Event]] = {}
    for event, before, after in _walk(projections, stream, events):
        for projection, old, new in zip(of_kind(projections, stream.kind), before, after, strict=True):
            if new is old:
                continue
            for field in projection.state.__struct_fields__:
                value = getattr(new, field)
                if old is None or getattr(old, field) != value:
                    last[projection.name, field] = (value, event)
    return [
        Blame(
            table, field, msgspec.to_builtins(value, enc_hook=_plain), event.position, event.version,
            event.type, event.time, event.metadata,
        )
        for (table, field), (value, event) in last.items()
    ]  # fmt: skip


async def steps(
    projections: Sequence[InlineProjection], stream: StreamId, blocks: AsyncIterator[Sequence[Event]]
) -> AsyncIterator[Step]:
    """Yield a stream's events, oldest first, each with what it changed."""
    fold = FoldAll(projections)
    before = state_of(fold, stream)
    async for events in blocks:
        for event in events:
            fold.add([event])
            after = state_of(fold, stream)
            yield Step(event, changes(before, after, projections))
            before = after


def of_kind(projections: Sequence[InlineProjection], kind: str) -> list[InlineProjection]:
    """Return the projections of one stream kind, in their order."""
    return [projection for projection in projections if projection.kind == kind]


def _walk(
    projections: Sequence[InlineProjection], stream: StreamId, events: Iterable[Event]
) -> Iterator[tuple[Event, list[Any], list[Any]]]:
    fold = FoldAll(projections)
    before: list[Any] = [None] * len(of_kind(projections, stream.kind))
    for event in events:
        fold.add([event])
        after = fold.streams[stream].states()
        yield event, before, after
        before = after


def _plain(value: Any) -> Any:
    return msgspec.json.decode(bytes(value)) if isinstance(value, msgspec.Raw) else str(value)


def shown(value: Any) -> str:
    """Return a value as text for people: JSON, long ones by their beginning."""
    text = msgspec.json.encode(value, enc_hook=str).decode()
    return text if len(text) <= VALUE_CHARACTERS_MAX else text[:VALUE_CHARACTERS_MAX] + "…"
