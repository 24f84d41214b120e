"""Keys and values against a dict: any operations, in any order, with the store reopened in between."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

import agentlog
from agentlog.errors import Conflict, Refused
from tests.support.machine import StoreMachine, run_machine

PLACES = st.sampled_from([("", "a"), ("", "a:b"), ("a", "b"), ("a", "b:c"), ("a:b", "c"), ("", "%")])
VALUES = st.sampled_from(
    [None, 0, 1, True, "", "a\x00b", "\ud800", {"a": [1]}, {"a": [1], "b": None}, 10**30]
)
LIVES = st.sampled_from([None, datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)])

Place = tuple[str, str]


class KeysAndValues(StoreMachine):
    """The model: what has a value, and what each key had after each position."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[Place, Any] = {}
        self.versions: dict[Place, int] = {}
        self.set_ones: set[Place] = set()  # also those that have expired
        self.past: list[tuple[int, dict[Place, Any]]] = []

    def happened(self, place: Place, receipt: Any) -> None:
        self.versions[place] = self.versions.get(place, 0) + 1
        assert list(receipt.versions.values()) == [self.versions[place]]
        self.past.append((receipt.last_position, dict(self.values)))

    def now_has(self, place: Place, value: Any, expires_at: datetime | None) -> None:
        self.values.pop(place, None)
        self.set_ones.add(place)
        if expires_at is None or expires_at.year == 2100:
            self.values[place] = value

    def named(self, place: Place) -> dict[str, str]:
        return {"namespace": place[0], "tenant": self.tenant}

    @rule(place=PLACES, value=VALUES, expires_at=LIVES, expect=st.sampled_from([None, "right", "wrong"]))
    def set(self, place: Place, value: Any, expires_at: datetime | None, expect: str | None) -> None:
        version = self.versions.get(place, 0)
        expected = {None: None, "right": version, "wrong": version + 1}[expect]
        setting = self.store.keyvalue.set(
            place[1], value, expires_at=expires_at, expected_version=expected, **self.named(place)
        )
        if expect == "wrong":
            with pytest.raises(Conflict):
                self.run(setting)
            return
        receipt = self.run(setting)
        self.now_has(place, value, expires_at)
        self.happened(place, receipt)

    @rule(place=PLACES, expected=VALUES | st.just(agentlog.ABSENT), right=st.booleans(), value=VALUES)
    def compare_and_set(self, place: Place, expected: Any, right: bool, value: Any) -> None:
        stands = self.values.get(place, agentlog.ABSENT)
        if right:
            expected = stands
        setting = self.store.keyvalue.compare_and_set(place[1], expected, value, **self.named(place))
        if (type(expected), expected) != (type(stands), stands):
            with pytest.raises(Refused):
                self.run(setting)
            return
        receipt = self.run(setting)
        self.now_has(place, value, None)
        self.happened(place, receipt)

    @rule(place=PLACES)
    def delete(self, place: Place) -> None:
        receipt = self.run(self.store.keyvalue.delete(place[1], **self.named(place)))
        assert (receipt is not None) == (place in self.set_ones)
        self.set_ones.discard(place)
        self.values.pop(place, None)
        if receipt is not None:
            self.happened(place, receipt)

    @rule(namespace=st.sampled_from(["", "a", "a:b"]), prefix=st.sampled_from(["", "a", "a:", "b"]))
    def list_by_prefix(self, namespace: str, prefix: str) -> None:
        found = self.run(self.store.keyvalue.list(prefix, namespace=namespace, tenant=self.tenant))
        expected = {
            key: value for (space, key), value in self.values.items()
            if space == namespace and key.startswith(prefix)
        }  # fmt: skip
        assert {entry.key: entry.value for entry in found} == expected
        assert [entry.key for entry in found] == sorted(expected)

    @precondition(lambda self: self.past)
    @rule(data=st.data(), place=PLACES)
    def look_back(self, data: st.DataObject, place: Place) -> None:
        position, values = data.draw(st.sampled_from(self.past))
        entry = self.run(self.store.keyvalue.get(place[1], at=position, **self.named(place)))
        assert (entry is None) == (place not in values)
        assert entry is None or entry.value == values[place]

    @invariant()
    def every_key_has_its_value(self) -> None:
        for place in [("", "a"), ("", "a:b"), ("a:b", "c")]:
            entry = self.run(self.store.keyvalue.get(place[1], **self.named(place)))
            assert (entry is None) == (place not in self.values)
            assert entry is None or (entry.value, entry.version) == (self.values[place], self.versions[place])


def test_keys_and_values_are_what_a_dict_would_be(postgres_server):
    """Invariant 6 besides: at the end of each run the live tables equal a rebuild."""
    run_machine(KeysAndValues, postgres_server)
