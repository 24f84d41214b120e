"""Delivery against a set of keys: any operations, in any order, with the store interrupted in between."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from eventlog.envelope import StreamId
from eventlog.events import SESSION, MessageAppended, new, raw
from tests.support.machine import StoreMachine, run_machine


def message(store, text, tenant):
    return new(
        StreamId(tenant, SESSION, "main"), MessageAppended(text, "user", raw(text)), id=store.log.ids.next()
    )


KEYS = st.sampled_from(["a", "a:b", "b"])


class Delivered(StoreMachine):
    """The model: the keys that were used, and what was said under each."""

    def __init__(self) -> None:
        super().__init__()
        self.delivered: dict[str, int] = {}
        self.said: list[str] = []

    @rule(key=KEYS)
    def mark(self, key: str) -> None:
        self.check(key, self.run(self.store.delivery.mark(key, tenant=self.tenant)))

    @rule(key=KEYS, texts=st.lists(st.sampled_from(["x", "y"]), max_size=3), fails=st.booleans())
    def run_once(self, key: str, texts: list[str], fails: bool) -> None:
        async def effect():
            assert key not in self.delivered, "it ran twice"
            if fails:
                raise RuntimeError("not this time")
            return [message(self.store, text, self.tenant) for text in texts]

        running = self.store.delivery.run_once(key, effect, tenant=self.tenant)
        if fails and key not in self.delivered:
            with pytest.raises(RuntimeError):
                self.run(running)
            return
        self.said += [] if key in self.delivered else texts
        self.check(key, self.run(running))

    @rule()
    def cleanup(self) -> None:
        assert self.run(self.store.delivery.cleanup()) == 0

    def check(self, key: str, receipt) -> None:
        assert receipt.duplicate == (key in self.delivered)
        assert self.delivered.setdefault(key, receipt.first_position) == receipt.first_position

    @invariant()
    def what_was_done_is_known_and_stands_once(self) -> None:
        for key in ("a", "a:b", "b", "c"):
            known = self.run(self.store.delivery.is_delivered(key, tenant=self.tenant))
            assert known == (key in self.delivered)
        window = self.run(self.store.conversation.load("main", tenant=self.tenant))
        assert [found.content for found in window] == self.said


def test_effects_are_delivered_as_a_set_of_keys_would_have_it(postgres_server):
    """Invariant 6 besides: at the end of each run the live tables equal a rebuild."""
    run_machine(Delivered, postgres_server)
