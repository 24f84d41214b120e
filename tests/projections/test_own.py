"""A user's projection: from a fold and a struct to a table, and tested without one."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from eventlog.errors import BadInput
from projections.own import given, own_projection


class Everything(msgspec.Struct, frozen=True):
    count: int = 0
    name: str | None = None
    cost: Decimal = Decimal(0)
    ratio: float = 0.0
    done: bool = False
    when: datetime | None = None
    tags: tuple[str, ...] = ()
    either: int | str = 0


def evolve(state: Everything, said: Any, version: int) -> Everything:
    return msgspec.structs.replace(state, count=state.count + 1, name=said["name"])


OWN = own_projection("own", kind="session", state=Everything, evolve=evolve, types=["named"])


def test_given_events_then_a_state():
    """Others are skipped, what cannot be read changes nothing, and a wrong state is told."""
    given(OWN).then(Everything())
    given(OWN, ("named", {"name": "a"}), ("other", 1), ("named", {"name": "b"})).then(Everything(2, "b"))
    with pytest.raises(AssertionError, match="the state is"):
        given(OWN, ("named", {"name": "a"})).then(Everything())


def test_columns_have_the_types_of_the_fields():
    """What is none of the simple ones is JSON."""
    assert list(OWN.columns.values()) == [
        "bigint", "text", "numeric", "double precision", "boolean", "timestamptz", "jsonb", "jsonb",
    ]  # fmt: skip


class Required(msgspec.Struct):
    count: int


class Standard(msgspec.Struct):
    position: int = 0
    key: str = ""


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "No"}, {"name": "drop table"}, {"kind": "a b"}, {"version": 0}, {"types": []},
        {"state": Required}, {"state": Standard},
        *[{"state": msgspec.defstruct("S", [(field, int, 0)])} for field in ("s", "positions", "lastRole")],
    ],
)  # fmt: skip
def test_what_can_be_no_projection_is_refused(changes: dict[str, Any]):
    """Before a table is made."""
    whole: dict[str, Any] = {
        "name": "own", "kind": "session", "state": Everything, "evolve": evolve, "types": ["named"],
        "version": 1,
    } | changes  # fmt: skip
    with pytest.raises(BadInput):
        own_projection(whole.pop("name"), **whole)
