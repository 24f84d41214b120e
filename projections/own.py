"""A projection that a user writes: a fold and its struct. Table and statements follow from these.

class Length(msgspec.Struct, frozen=True):
    messages: int = 0

def evolve(state, said, version):
    return Length(state.messages + 1)

LENGTHS = own_projection("lengths", kind="session", state=Length, evolve=evolve, types=("message_appended",))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec

from eventlog.envelope import StreamId, check_stream, new_event
from eventlog.errors import BadInput, BadPayload
from eventlog.payload import decode_payload
from eventlog.postgres.sql import check_schema
from eventlog.projection import STANDARD_COLUMNS, Foldable
from projections.row_statements import load_text, upsert_text

_COLUMNS: dict[Any, str] = {
    bool: "boolean",
    int: "bigint",
    float: "double precision",
    str: "text",
    datetime: "timestamptz",
    Decimal: "numeric",
}

# What else the statement that writes the rows calls by a name (row_statements.py).
_TAKEN = ("s", "f", "l", "stream_ids", "positions", "accepted_at", "s_tenant", "s_key")

Evolve = Callable[[Any, Any, int], Any]


class OwnProjection:
    """One fold of a user's, as `eventlog.projection.InlineProjection` wants it. Made by `own_projection`."""

    begins: frozenset[str] = frozenset()

    def __init__(
        self,
        name: str,
        version: int,
        kind: str,
        state: type[msgspec.Struct],
        evolve: Evolve,
        event_types: Sequence[str],
    ) -> None:
        self.name, self.version, self.kind, self.state = name, version, kind, state
        self.types = frozenset(event_types)
        self.row_key: tuple[str, ...] = ()
        self.initial = state()
        self._evolve = evolve
        hints = get_type_hints(state)
        self.columns = {field: _column(name, field, hints[field]) for field in state.__struct_fields__}
        self.table_sql = _table_sql(name, self.columns)
        self.upsert_sql = upsert_text(name, self.columns)
        self.load_sql = load_text(name, self.columns)

    def __repr__(self) -> str:
        return f"<own projection {self.name}:{self.version} of {self.kind} streams>"

    def evolve(self, state: Any, event: Foldable, version: int) -> Any:
        """Return the state after `event`. What cannot be read changes nothing."""
        known = self.initial if state is None else state
        try:
            said = decode_payload(event.data, event.encoding)
        except BadPayload:
            return known
        return self._evolve(known, said, version)


def own_projection(
    name: str,
    *,
    kind: str,
    state: type[msgspec.Struct],
    evolve: Evolve,
    types: Sequence[str],
    version: int = 1,
) -> OwnProjection:
    """Return a projection: one row per stream of a kind, in a table of its own.

    Args:
        name: of the table: `[a-z][a-z0-9_]*`.
        kind: of the streams: "session", "queue_item" …
        state: a frozen Struct whose fields all have defaults: state and row at once. Fields are bool, int,
            float, str, datetime, Decimal, optional or not; anything else becomes jsonb.
        evolve: (state, the event's data as Python values, stream version) → state. Pure and total: no
            clock, no I/O, never raises; the same object when nothing changed.
        types: of events that it sees; others are skipped unread.
        version: raise it when the same history gives other states; it is then folded anew.
    Raises:
        BadInput: a name that no table can have, a field without a default, one that every table has, one
            that no column can have.
    """
    check_schema(name)
    check_stream("", kind, "any")
    if version < 1 or not types:
        raise BadInput(
            f"projection {name!r} has version {version} and {len(types)} types", hint="at least 1 each"
        )
    try:
        state()
    except TypeError as error:
        raise BadInput(f"{state.__name__} has a field without a default: {error}") from error
    for field in state.__struct_fields__:
        if field in STANDARD_COLUMNS:
            raise BadInput(f"{state.__name__} has a field {field!r}, which every table has", hint="rename it")
        if field in _TAKEN or field != field.lower():  # Postgres would call it by its small letters
            raise BadInput(
                f"{state.__name__} has a field {field!r}: a column has small letters alone, and none of"
                f" the names {', '.join(_TAKEN)}",
                hint="rename it",
            )
    return OwnProjection(name, version, kind, state, evolve, types)


def _column(table: str, field: str, hint: Any) -> str:
    optional = get_origin(hint) in (Union, UnionType)
    kinds = [one for one in get_args(hint) if one is not type(None)] if optional else [hint]
    return _COLUMNS.get(kinds[0], "jsonb") if len(kinds) == 1 else "jsonb"


def _table_sql(name: str, columns: dict[str, str]) -> str:
    fields = "".join(f", {column} {kind}" for column, kind in columns.items())
    return (
        f"CREATE TABLE {{schema}}.{name} (stream_id bigint NOT NULL, version bigint NOT NULL,"
        " first_position bigint NOT NULL, first_time timestamptz NOT NULL, last_position bigint NOT NULL,"
        ' last_time timestamptz NOT NULL, tenant text COLLATE "C" NOT NULL, key text COLLATE "C" NOT NULL'
        f"{fields}, PRIMARY KEY (stream_id))"
    )


class given:  # reads as a sentence: given(…).then(…)
    """What happened on one stream, for a test of a projection: (event type, data) pairs, oldest first."""

    def __init__(self, projection: OwnProjection, *events: tuple[str, Any]) -> None:
        self.state: Any = projection.initial
        for version, (type, data) in enumerate(events, 1):
            if type in projection.types:
                said = new_event(StreamId("", projection.kind, "given"), type, data, id=_ID)
                self.state = projection.evolve(self.state, said, version)

    def then(self, state: Any) -> None:
        """Say what the state must be. Raises AssertionError when it is another one."""
        assert self.state == state, f"the state is {self.state}, not {state}"


_ID = "00000000-0000-7000-8000-000000000000"
