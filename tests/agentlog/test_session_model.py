"""Sessions and their aliases against a plain model: any operations, with the store reopened in between."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from agentlog.errors import AlreadyExists, Conflict, NotFound
from eventlog.embedded.server import EmbeddedPostgres
from tests.support.machine import StoreMachine, run_machine

KEYS = st.sampled_from(["a", "a:b", "archive:a", "b"])
TITLES = st.sampled_from([None, "", "t", "u\u2028"])
CONFIGS = st.sampled_from([None, {"a": [1, 0.1]}, 10**30, "x"])
PAST, FUTURE = datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
LIVES = st.sampled_from([None, PAST, FUTURE])
ATTRIBUTES = ("title", "config", "parent", "expires_at", "session_type")

Attributes = dict[str, Any]


class Lives(StoreMachine):
    """The model: attributes and state by key, deleted ones too; versions; aliases."""

    def __init__(self) -> None:
        super().__init__()
        self.sessions: dict[str, Attributes] = {}
        self.states: dict[str, str] = {}
        self.versions: dict[str, int] = {}
        self.aliases: dict[str, str] = {}

    def happened(self, key: str, receipt: Any, events: int = 1) -> None:
        self.versions[key] = self.versions.get(key, 0) + events
        assert max(receipt.versions.values()) >= self.versions[key]

    def living(self, key: str) -> bool:
        return self.states.get(key, "deleted") != "deleted"

    @rule(key=KEYS, parent=st.none() | KEYS, title=TITLES, config=CONFIGS, expires_at=LIVES)
    def create(self, key: str, **given: Any) -> None:
        parent = None if given["parent"] == key else given["parent"]
        given = {name: value for name, value in (given | {"parent": parent}).items() if value is not None}
        creating = self.store.sessions.create(key, tenant=self.tenant, **given)
        if self.living(key):
            with pytest.raises(AlreadyExists):
                self.run(creating)
            return
        self.happened(key, self.run(creating))
        self.sessions[key] = self.sessions.get(key, {}) | given
        self.states[key] = "active"

    @rule(
        key=KEYS, title=TITLES, config=CONFIGS, clear=st.sampled_from([(), ("expires_at",), ("parent",)]),
        state=st.sampled_from([None, "waiting", "active"]), expect=st.sampled_from([None, "right", "wrong"]),
    )  # fmt: skip
    def update(
        self, key: str, title: Any, config: Any, clear: Any, state: str | None, expect: str | None
    ) -> None:
        given = {n: v for n, v in {"title": title, "config": config}.items() if v is not None}
        if not given and not clear and state is None:
            return
        version = self.versions.get(key, 0)
        expected = {None: None, "right": version, "wrong": version + 1}[expect]
        updating = self.store.sessions.update(
            key, clear=clear, state=state, expected_version=expected, tenant=self.tenant, **given
        )
        if not self.living(key):
            with pytest.raises(NotFound):
                self.run(updating)
            return
        if expect == "wrong":
            with pytest.raises(Conflict):
                self.run(updating)
            return
        after = {n: v for n, v in (self.sessions[key] | given).items() if n not in clear}
        became = state or self.states[key]
        receipt = self.run(updating)
        assert (receipt is None) == ((after, became) == (self.sessions[key], self.states[key]))
        self.sessions[key], self.states[key] = after, became
        if receipt is not None:
            self.happened(key, receipt)

    @rule(key=KEYS, title=TITLES, session_type=st.sampled_from([None, "main"]), expires_at=LIVES)
    def save(self, key: str, **given: Any) -> None:
        given = {name: value for name, value in given.items() if value is not None}
        known = self.sessions.get(key, {})
        receipt = self.run(self.store.sessions.save(key, tenant=self.tenant, **given))
        events = (not self.living(key)) + (known != given)
        assert (receipt is None) == (events == 0)
        self.sessions[key] = given
        if not self.living(key):
            self.states[key] = "active"
        if receipt is not None:
            self.happened(key, receipt, events)

    @rule(key=KEYS)
    def end(self, key: str) -> None:
        ending = self.store.sessions.end(key, tenant=self.tenant)
        if not self.living(key):
            with pytest.raises(NotFound):
                self.run(ending)
            return
        receipt = self.run(ending)
        assert (receipt is None) == (self.states[key] == "ended")
        self.states[key] = "ended"
        if receipt is not None:
            self.happened(key, receipt)

    def family(self, key: str, *, spare: bool = False) -> set[str]:
        found, todo = set(), [key]
        while todo:
            at = todo.pop()
            found.add(at)
            for child, attributes in self.sessions.items():
                kept = spare and attributes.get("expires_at") == FUTURE
                if attributes.get("parent") == at and child not in found and not kept:
                    todo.append(child)
        return found

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        deleting = self.store.sessions.delete(key, tenant=self.tenant)
        if key not in self.sessions:
            with pytest.raises(NotFound):
                self.run(deleting)
            return
        gone = {one for one in self.family(key) if self.living(one)}
        receipt = self.run(deleting)
        assert (receipt is None) == (not gone)
        self.deleted(gone)

    def deleted(self, gone: set[str]) -> None:
        for key in gone:
            self.states[key] = "deleted"
            self.versions[key] += 1

    @rule()
    def clean_up(self) -> None:
        due = [
            key for key in self.sessions if self.living(key) and self.sessions[key].get("expires_at") == PAST
        ]
        gone = {one for key in due for one in self.family(key, spare=True) if self.living(one)}
        count = self.run(self.store.sessions.cleanup(retention_days=None, tenant=self.tenant))
        # Families that overlap are deleted side by side: one of them may be left for the next call.
        for _ in due:
            count += self.run(self.store.sessions.cleanup(retention_days=None, tenant=self.tenant))
        assert count == len(gone)
        self.deleted(gone)

    @rule(alias=KEYS, session=KEYS)
    def put_an_alias(self, alias: str, session: str) -> None:
        receipt = self.run(self.store.sessions.aliases.set(alias, session, tenant=self.tenant))
        assert (receipt is None) == (self.aliases.get(alias) == session)
        self.aliases[alias] = session

    @rule(alias=KEYS)
    def remove_an_alias(self, alias: str) -> None:
        receipt = self.run(self.store.sessions.aliases.remove(alias, tenant=self.tenant))
        assert (receipt is None) == (self.aliases.pop(alias, None) is None)

    @invariant()
    def sessions_and_aliases_are_those_of_the_model(self) -> None:
        listed = self.run(self.store.sessions.list(state="*", tenant=self.tenant))
        found = {session.key: session for session in listed}
        assert {key: session.state for key, session in found.items()} == self.states
        for key, session in found.items():
            known = {name: getattr(session, name) for name in ATTRIBUTES}
            assert {n: v for n, v in known.items() if v is not None} == self.sessions[key]
            assert session.version == self.versions[key]
        shown = self.run(self.store.sessions.list(tenant=self.tenant))
        assert {session.key for session in shown} == {key for key in self.states if self.living(key)}
        assert self.run(self.store.sessions.aliases.list(tenant=self.tenant)) == self.aliases


def test_any_operations_on_sessions_leave_what_a_plain_model_has(postgres_server: EmbeddedPostgres) -> None:
    """Live tables equal a rebuild after each history, from either copy."""
    run_machine(Lives, postgres_server)
