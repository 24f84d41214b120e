"""Pairings and grants against plain dicts: any operations, with the store reopened in between."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from agentlog.errors import NotFound, Refused
from tests.support.machine import StoreMachine, run_machine

PAST = datetime(2020, 1, 1, tzinfo=UTC)
PAIRS = [("a", "b"), ("a", "b:c"), ("a:b", "c"), ("b", "%")]
pairs = st.sampled_from(PAIRS)
lives = st.sampled_from([None, PAST, datetime(2100, 1, 1, tzinfo=UTC)])
codes = st.sampled_from(["1", "2"])

Pair = tuple[str, str]


class PairingsAndGrants(StoreMachine):
    """The model: (status, code, expiry) of each pairing, (decision, details, expiry) of each grant."""

    def __init__(self) -> None:
        super().__init__()
        self.pairings: dict[Pair, tuple[str, str | None, datetime | None]] = {}
        self.grants: dict[Pair, tuple[str, Any, datetime | None]] = {}
        self.decided: dict[Pair, list[str]] = {}

    @rule(pair=pairs, code=codes, expires_at=lives)
    def request(self, pair: Pair, code: str, expires_at: datetime | None) -> None:
        asking = self.store.access.request_pairing(*pair, code, expires_at=expires_at, tenant=self.tenant)
        if self.pairings.get(pair, ("",))[0] == "approved":
            with pytest.raises(Refused):
                self.run(asking)
            return
        self.run(asking)
        self.pairings[pair] = ("pending", code, expires_at)

    @rule(pair=pairs, code=st.none() | codes)
    def approve(self, pair: Pair, code: str | None) -> None:
        approving = self.store.access.approve_pairing(*pair, code, tenant=self.tenant)
        status, right, expires_at = self.pairings.get(pair, (None, None, None))
        if status == "approved":
            assert self.run(approving) is None
        elif code is None or ((status, right) == ("pending", code) and expires_at != PAST):
            assert self.run(approving) is not None
            self.pairings[pair] = ("approved", None, None)
        else:
            with pytest.raises(NotFound if status is None else Refused):
                self.run(approving)

    @rule(pair=pairs)
    def remove(self, pair: Pair) -> None:
        receipt = self.run(self.store.access.remove_pairing(*pair, tenant=self.tenant))
        assert (receipt is not None) == (self.pairings.pop(pair, None) is not None)

    @rule(pair=pairs, decision=st.sampled_from(["allow", "deny"]), details=st.sampled_from([None, {"n": 1}]),
          expires_at=lives)  # fmt: skip
    def grant(self, pair: Pair, decision: str, details: Any, expires_at: datetime | None) -> None:
        self.run(
            self.store.access.grant(
                *pair, decision, details=details, expires_at=expires_at, tenant=self.tenant
            )
        )
        self.grants[pair] = (decision, details, expires_at)
        self.decided.setdefault(pair, []).append("permission_granted")

    @rule(pair=pairs)
    def revoke(self, pair: Pair) -> None:
        receipt = self.run(self.store.access.revoke(*pair, tenant=self.tenant))
        assert (receipt is not None) == (self.grants.pop(pair, None) is not None)
        if receipt is not None:
            self.decided[pair].append("permission_revoked")

    @rule(pair=pairs)
    def look_back(self, pair: Pair) -> None:
        history = self.run(self.store.access.permission_history(*pair, tenant=self.tenant))
        assert [change.type for change in history] == self.decided.get(pair, [])

    @invariant()
    def lists_show_what_holds(self) -> None:
        for channel in ("a", "a:b"):
            for status in ("approved", "pending"):
                found = self.run(self.store.access.pairings(channel, status=status, tenant=self.tenant))
                assert {(p.channel, p.peer): (p.status, p.code, p.expires_at) for p in found} == {
                    pair: known for pair, known in self.pairings.items()
                    if pair[0] == channel and known[0] == status and known[2] != PAST
                }  # fmt: skip
        granted = self.run(self.store.access.permissions(tenant=self.tenant))
        assert {(g.agent, g.app): (g.decision, g.details, g.expires_at) for g in granted} == {
            pair: known for pair, known in self.grants.items() if known[2] != PAST
        }


def test_pairings_and_grants_are_what_dicts_would_be(postgres_server):
    """Invariant 6 besides: at the end of each run the live tables equal a rebuild."""
    run_machine(PairingsAndGrants, postgres_server)
