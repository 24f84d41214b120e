"""Pairings and grants, as examples: what was decided, then who may do what."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from msgspec import Raw

from eventlog.events import (
    PairingApproved,
    PairingRemoved,
    PairingRequested,
    PermissionGranted,
    PermissionRevoked,
    raw,
)
from projections.access import GRANTS, PAIRINGS, Grant, Pairing
from tests.projections.given import Example
from tests.support.histories import unreadable

pairing = Example(PAIRINGS)
grant = Example(GRANTS)
UNTIL = datetime(2026, 12, 1, tzinfo=UTC)
REQUEST = PairingRequested("telegram", "42", "7Q4", UNTIL)
APPROVED = PairingApproved("telegram", "42")
REMOVED = PairingRemoved("telegram", "42")
GRANTED = PermissionGranted("main", "browser", "allow", raw({"share": 1}), UNTIL)


def test_a_request_is_pending_with_the_last_code() -> None:
    """Whoever asks again shows the new one."""
    assert pairing.when(REQUEST).state == Pairing("telegram", "42", "pending", "7Q4", UNTIL)
    pairing.given(REQUEST).when(PairingRequested("telegram", "42", "new")).then(code="new", expires_at=None)


def test_an_approved_peer_stays_approved_until_it_is_removed() -> None:
    """A request of anybody in its name takes nothing from it; its code is forgotten."""
    pairing.given(REQUEST).when(APPROVED).then(status="approved", code=None, expires_at=None)
    pairing.given(APPROVED).when(REQUEST).then_nothing_changes()
    pairing.given(APPROVED).when(APPROVED).then_nothing_changes()
    pairing.given(APPROVED).when(REMOVED).then(status="removed")
    pairing.given(APPROVED, REMOVED).when(REQUEST).then(status="pending")


def test_a_decision_replaces_the_one_before_with_all_that_went_with_it() -> None:
    """No expiry and no details are left over."""
    assert grant.when(GRANTED).state == Grant("main", "browser", "allow", UNTIL, Raw(b'{"share":1}'))
    grant.given(GRANTED).when(PermissionGranted("main", "browser", "deny")).then(
        decision="deny", expires_at=None, details=Raw(b"null")
    )
    grant.given(GRANTED).when(PermissionRevoked("main", "browser")).then(decision=None, expires_at=None)
    grant.given(GRANTED).when(GRANTED).then_nothing_changes()


def test_what_cannot_be_read_lets_nobody_in_s0_took_the_default() -> None:
    """S0 replaced a permission set it could not read by the default one."""
    assert pairing.when(unreadable(PairingApproved)).state == Pairing()
    assert Pairing().status == "removed"
    assert grant.when(unreadable(PermissionGranted)).state == Grant()
    assert Grant().decision is None
    grant.given(GRANTED).when(unreadable(PermissionGranted)).then_nothing_changes()


def test_names_that_no_index_holds_are_left_out() -> None:
    """The append must not fail; the log keeps the name."""
    pairing.when(msgspec.structs.replace(REQUEST, peer="x" * 5000)).then(channel="telegram", peer="")
    grant.when(msgspec.structs.replace(GRANTED, agent="x" * 5000)).then(agent="", app="browser")
