"""What the log needs to know of an inline projection: a fold, a table, an upsert. Nothing of its meaning.

An inline projection's rows are written in the transaction that appends the events, so a read
sees one's own writes. The writer folds the events of a batch before the append, when position and
time do not exist yet; the append function adds them. Every projection table therefore starts
with the same columns, filled by the log and not by the fold:

    stream_id       bigint       the stream; with the projection's own key columns the primary key
    version         bigint       stream version of the event that last changed the row
    first_position  bigint       position of the event that made the row
    first_time      timestamptz  when the log accepted that event
    last_position   bigint       position of the event that last changed the row
    last_time       timestamptz  when the log accepted that event
    tenant, key     text         the stream's identity, for people and for listing

followed by the fields of the state, one column per field, same names, same order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol, runtime_checkable

import msgspec
from msgspec import Raw

_BACKSLASH = ord("\\")
# An escaped NUL: its backslash is not itself escaped by one before it.
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")

STANDARD_COLUMNS = (
    "stream_id",
    "version",
    "first_position",
    "first_time",
    "last_position",
    "last_time",
    "tenant",
    "key",
)


class Foldable(Protocol):
    """What a fold may look at: what was said, not where it stands in the log.

    `NewEvent` and `Event` both have these. Position and time are absent on purpose: the inline
    fold runs before they exist, and a fold that used them would differ on a rebuild.
    """

    @property
    def type(self) -> str: ...
    @property
    def schema(self) -> int: ...
    @property
    def id(self) -> str: ...
    @property
    def occurred_at(self) -> str | None: ...
    @property
    def encoding(self) -> str | None: ...
    @property
    def data(self) -> bytes | Raw: ...
    @property
    def said(self) -> Any: ...


class InlineProjection(Protocol):
    """One fold and its table.

    Attributes:
        name: the table; `[a-z][a-z0-9_]*`.
        version: of the fold, from 1 on; a store remembers (name, version) and refuses another set.
        kind: the stream kind it folds. Events of other streams never reach it.
        types: event types that can change the state. Others are skipped unread.
        begins: those of `types` of which only a stream's first event changes anything: where there
            is a state, `evolve` returns that, and may not even be asked.
        state: the Struct that is state and row at once: its fields are the table's columns.
        row_key: fields of the state that complete the primary key after stream_id; empty for one
            row per stream. When an event changes them, the row written before stays as it is.
        table_sql: DDL with `{schema}`, creating the table and its indexes.
        upsert_sql: one statement with `{schema}` for the body of the append function, over its
            variables `rows` (json, those of this table), `stream_ids`, `positions`, `s_tenant`,
            `s_key`, `accepted_at`.
        load_sql: one statement with `{schema}`; $1 bigint[] of stream ids; returns stream_id and
            the newest row of each stream as json text in `state`.
    """

    name: str
    version: int
    kind: str
    types: frozenset[str]
    begins: frozenset[str]
    state: type[msgspec.Struct]
    row_key: tuple[str, ...]
    table_sql: str
    upsert_sql: str
    load_sql: str

    def evolve(self, state: Any, event: Foldable, version: int) -> Any:
        """Return the state after `event`, which has stream version `version`.

        Pure and total: no clock, no I/O, never raises, never changes `state`. Returning the same
        object means nothing changed, and no row is written.
        """
        ...


@runtime_checkable
class Stepping(Protocol):
    """A projection that knows beforehand what events of one type need: a fold of a log asks once per type.

    Attributes:
        unscanned: those of `types` whose `data` it leaves alone when it is given what they `said`.
    """

    unscanned: frozenset[str]

    def step(self, type: str) -> Callable[[Any, Foldable, int], Any]:
        """Return what does the same as `evolve` to events of this type, one of its `types`."""
        ...


def without_nul(text: bytes) -> bytes:
    """Return JSON in which every NUL is U+FFFD, for text columns, which hold none. The log stays exact."""
    # Most rows have no backslash at all, and looking for one byte takes a tenth of the time.
    return _NUL.sub(rb"\1\\ufffd", text) if _BACKSLASH in text and b"\\u0000" in text else text


def signature(projections: Sequence[InlineProjection], unfilled: Collection[str] = ()) -> str:
    """Return the set of inline folds as text, as a store remembers it: `conversations:1,sessions:3`.

    `unfilled` names tables that were made empty and have yet to be rebuilt: `sessions:-3`. Such a text
    is that of no process, so nobody appends to the store until the rebuild has committed.
    """
    return ",".join(sorted(f"{p.name}:{'-' * (p.name in unfilled)}{p.version}" for p in projections))


def versions_of(text: str) -> dict[str, int]:
    """Return versions by name, from the text that `signature` gave; negative where a rebuild is due."""
    parts = [entry.split(":") for entry in text.split(",") if entry]
    return {name: int(version) for name, version in parts}
