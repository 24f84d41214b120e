"""The adapter between the log's inline projections and pure folds over typed events.

A fold is one function `evolve(state, event, version)`; this finds out which event it is, decodes
it, and decides what every fold has in common: what cannot be read changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Raw

from eventlog.errors import BadPayload
from eventlog.events import SCHEMAS, UnknownEvent, decode_event, decoder, event_type
from eventlog.projection import Foldable
from projections.columns import readable_data
from projections.row_statements import columns_of, load_text, upsert_text
from projections.tables import table_text

S = TypeVar("S", bound=msgspec.Struct)
_NUL = b"\\u0000"  # as JSON escapes it
Step = Callable[[S | None, Foldable, int], S | None]


class Fold(Generic[S]):
    """One inline projection (eventlog/projection.py has the protocol and what each attribute is).

    Args:
        name: the table, and the file that makes it.
        version: of the fold: raise it when the same history gives other states, and tables are rebuilt.
        kind: the stream kind.
        state: the Struct that is state and row.
        evolve: the fold. It sees events of the classes in `folds`, decoded, and never None where
            there is an `initial` state.
        folds: event classes that can change the state.
        initial: state of a stream before its first event. The first event of any type in `folds`
            or `begins` makes a row of it, readable or not: it shows that the thing exists.
            None: only `evolve` makes rows.
        begins: event classes that are told apart by type only, and never decoded.
        unscanned: event classes that are not looked through for NUL, which takes 1 us per KB and half a
            microsecond for a short one: their `evolve` passes texts through `columns.text`.
        row_key: fields that complete the primary key.
    """

    def __init__(
        self,
        name: str,
        *,
        version: int,
        kind: str,
        state: type[S],
        evolve: Callable[[Any, Any, int], S | None],
        folds: tuple[type[Any], ...],
        initial: S | None = None,
        begins: tuple[type[Any], ...] = (),
        unscanned: tuple[type[Any], ...] = (),
        row_key: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.version = version
        self.kind = kind
        self.state: type[msgspec.Struct] = state
        self.initial = initial
        self.begins = frozenset(map(event_type, begins))
        self.unscanned = frozenset(map(event_type, unscanned))
        self.types = self.begins | frozenset(map(event_type, folds))
        self.row_key = row_key
        self.table_sql = table_text(name)
        columns = columns_of(self.table_sql)
        self.upsert_sql = upsert_text(name, columns, row_key)
        self.load_sql = load_text(name, columns, row_key)
        self._evolve = evolve
        self._steps: dict[str, Step[S]] = {}

    def __repr__(self) -> str:
        return f"<fold {self.name}:{self.version} of {self.kind} streams>"

    def evolve(self, state: S | None, event: Foldable, version: int) -> S | None:
        """Return the state after `event`; the same object when it changed nothing."""
        return self.step(event.type)(state, event, version)

    def step(self, type: str) -> Step[S]:
        """Return `evolve` for events of one type: what they need is looked up once, and not per event."""
        step = self._steps.get(type)
        if step is None:
            step = self._steps[type] = self._begin if type in self.begins else self._folding(type)
        return step

    def _begin(self, state: S | None, event: Foldable, version: int) -> S | None:
        return self.initial if state is None else state

    def _folding(self, type: str) -> Step[S]:
        initial, evolve, scanned, read = self.initial, self._evolve, type not in self.unscanned, self._read
        decode, present = decoder(type), SCHEMAS[type]

        def step(state: S | None, event: Foldable, version: int) -> S | None:
            known = initial if state is None else state
            said = event.said
            if scanned and _NUL in bytes(event.data):
                said = read(event)
            elif said is None:
                if event.encoding is None and event.schema == present:
                    try:
                        said = decode(event.data)
                    except (ValueError, RecursionError):
                        return known
                else:
                    said = read(event)
            return known if said is None else evolve(known, said, version)

        return step

    def _read(self, event: Foldable) -> Any:
        """Decode what the event says; None when this release cannot read it."""
        data: bytes | Raw = event.data
        if event.encoding is not None or (event.type not in self.unscanned and _NUL in bytes(data)):
            try:
                data = readable_data(event)
            except BadPayload:
                return None
        said = decode_event(event.type, event.schema, data, None)
        return None if said.__class__ is UnknownEvent else said
