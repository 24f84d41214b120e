"""Access: nobody is let in who was not, and the log says who did it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from agentlog.access import decide_approve
from agentlog.errors import BadIdentifier, BadInput, BadPayload, NotFound, Refused
from eventlog.events import PairingApproved
from projections.access import Pairing
from tests.support.queries import plan_of

PAST = datetime(2020, 1, 1, tzinfo=UTC)
FUTURE = datetime(2100, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 22, tzinfo=UTC)
APPROVED = PairingApproved("telegram", "42")


def test_a_code_is_good_until_it_expires_and_for_its_own_peer():
    """Without a code somebody vouches; approving twice is approving once."""
    pending = Pairing("telegram", "42", "pending", "7Q4", FUTURE)
    assert decide_approve(APPROVED, "7Q4", NOW, pending) == [APPROVED]
    assert decide_approve(APPROVED, None, NOW, None) == [APPROVED]
    assert decide_approve(APPROVED, "any", NOW, Pairing(status="approved")) == []
    with pytest.raises(Refused, match="code '7q4' is not that of peer '42'") as refused:
        decide_approve(APPROVED, "7q4", NOW, pending)
    assert "7Q4" not in str(refused.value)
    with pytest.raises(Refused, match="expired at 2100"):
        decide_approve(APPROVED, "7Q4", FUTURE, pending)
    for none in (None, Pairing()):
        with pytest.raises(NotFound, match="no pending request"):
            decide_approve(APPROVED, "7Q4", NOW, none)


async def test_a_peer_is_pending_then_approved_then_removed(store):
    """Each step is seen by the next read; who is approved need not ask."""
    access = store.access
    await access.request_pairing("telegram", "42", "7Q4", expires_at=FUTURE)
    pairing = await access.pairing("telegram", "42")
    assert (pairing.status, pairing.code, pairing.expires_at) == ("pending", "7Q4", FUTURE)
    with pytest.raises(Refused):
        await access.approve_pairing("telegram", "42", "wrong")
    assert await access.pairings("telegram") == []

    assert await access.approve_pairing("telegram", "42", "7Q4") is not None
    assert await access.approve_pairing("telegram", "42") is None
    [approved] = await access.pairings("telegram")
    assert approved == await access.pairing("telegram", "42")
    assert (approved.status, approved.code, approved.tenant) == ("approved", None, "")
    with pytest.raises(Refused, match="is approved"):
        await access.request_pairing("telegram", "42", "new")

    assert await access.remove_pairing("telegram", "42", "left") is not None
    assert await access.remove_pairing("telegram", "42") is None
    assert await access.pairing("telegram", "42") is None


async def test_a_request_that_has_expired_is_gone_for_every_reader(store):
    """Without anything having run; the peer may ask again."""
    await store.access.request_pairing("telegram", "42", "7Q4", expires_at=PAST)
    await store.access.request_pairing("telegram", "43", "8Q4", ttl_s=0)
    await store.access.request_pairing("telegram", "44", "9Q4", ttl_s=3600)

    assert [await store.access.pairing("telegram", peer) for peer in ("42", "43")] == [None, None]
    assert [p.peer for p in await store.access.pairings("telegram", status="pending")] == ["44"]
    with pytest.raises(Refused, match="expired"):
        await store.access.approve_pairing("telegram", "42", "7Q4")
    await store.access.request_pairing("telegram", "42", "new")
    await store.access.approve_pairing("telegram", "42", "new")


async def test_a_grant_that_has_expired_or_was_revoked_is_gone_for_every_reader(store):
    """A decision for an hour must not last a day."""
    access = store.access
    await access.grant("main", "browser", "allow_always", details={"granted_at": 1764547200, "n": 10**25})
    await access.grant("main", "mail", "allow", expires_at=PAST)
    await access.grant("main", "shell", "allow", ttl_s=3600)
    await access.grant("other", "browser", "deny")

    found = await access.permission("main", "browser")
    assert (found.decision, found.details) == ("allow_always", {"granted_at": 1764547200, "n": 10**25})
    assert await access.permission("main", "mail") is None
    assert [grant.app for grant in await access.permissions("main")] == ["browser", "shell"]
    assert [(grant.agent, grant.app) for grant in await access.permissions(after=("main", "browser"))] == [
        ("main", "shell"), ("other", "browser"),
    ]  # fmt: skip
    assert await access.revoke("main", "browser", "no longer trusted") is not None
    assert await access.revoke("main", "browser") is None
    assert await access.permission("main", "browser") is None
    assert len(await access.permissions(limit=1)) == 1


async def test_the_log_says_who_granted_what_and_when(store):
    """Also where somebody decided the same again."""
    access = store.access
    await access.grant("main", "browser", "allow", meta={"actor": "ada"})
    receipt = await access.grant("main", "browser", "allow", meta={"agent": "main"})
    await access.revoke("main", "browser", "enough", meta={"actor": "bob", "host": "h"})
    await access.request_pairing("cli", "a", "1")
    await access.approve_pairing("cli", "a", meta={"actor": "ada"})

    history = await access.permission_history("main", "browser")
    assert [(change.type, change.actor) for change in history] == [
        ("permission_granted", "ada"), ("permission_granted", "main"), ("permission_revoked", "bob"),
    ]  # fmt: skip
    assert (history[1].position, history[1].time) == (2, datetime.fromisoformat(receipt.time))
    assert (history[2].data["reason"], history[2].meta["host"]) == ("enough", "h")
    assert [(change.type, change.actor) for change in await access.pairing_history("cli", "a")] == [
        ("pairing_requested", None), ("pairing_approved", "ada"),
    ]  # fmt: skip
    assert await access.pairing_history("cli", "nobody") == []


async def test_a_name_and_its_prefix_never_touch_s2_shared_a_prefix(store):
    """S2 made one text of channel and peer: peers of channel `a:b` were listed with those of `a`."""
    places = [("a", "b:c"), ("a:b", "c"), ("a", "b"), ("a%3Ab", "c")]
    for first, second in places:
        await store.access.approve_pairing(first, second)
        await store.access.grant(first, second, "allow")
    await store.access.approve_pairing("a", "b", tenant="t")
    await store.access.remove_pairing("a", "b")
    await store.access.revoke("a", "b")

    assert [pairing.peer for pairing in await store.access.pairings("a")] == ["b:c"]
    assert [pairing.peer for pairing in await store.access.pairings("a:b")] == ["c"]
    assert [pairing.peer for pairing in await store.access.pairings("a", tenant="t")] == ["b"]
    assert [grant.app for grant in await store.access.permissions("a")] == ["b:c"]
    assert len(await store.access.permissions()) == 3


async def test_approved_peers_are_listed_by_an_index_s2_scanned_everything(store):
    """S2 read every pairing of every channel to list one channel's."""
    arguments = ("", "telegram", "approved", "", 10)
    plan = await plan_of(store.log, "pairings", *arguments)
    assert "using pairings_by_channel" in plan
    assert "Sort" not in plan
    plan = await plan_of(store.log, "grants", "", "main", "main", "", "", 10)
    assert "using grants_by_agent" in plan
    assert "Sort" not in plan


async def test_peers_are_listed_page_by_page(store):
    """In order, each once."""
    peers = [f"p{n}" for n in range(5)]
    for peer in reversed(peers):
        await store.access.approve_pairing("cli", peer)
    first = await store.access.pairings("cli", limit=2)
    rest = await store.access.pairings("cli", after=first[-1].peer)
    assert [pairing.peer for pairing in first + rest] == peers


async def test_invalid_input_is_refused_by_its_name_and_changes_nothing(store):
    """At each entry point."""
    access = store.access
    calls = [
        (lambda: access.request_pairing("", "p", "c"), BadIdentifier, "channel is empty"),
        (lambda: access.request_pairing("c", 42, "c"), BadIdentifier, "peer must be str, not int"),
        (lambda: access.request_pairing("c", "p", ""), BadInput, "code is empty"),
        (lambda: access.request_pairing("c", "p", None), BadIdentifier, "code must be str"),
        (lambda: access.request_pairing("c", "p", "c", ttl_s=-1), BadInput, "-1"),
        (lambda: access.request_pairing("c", "p", "c", expires_at=datetime(2026, 1, 1)), BadInput, "2026"),
        (lambda: access.approve_pairing("c", "p\x00"), BadIdentifier, "NUL"),
        (lambda: access.approve_pairing("c", "p", 7), BadIdentifier, "code must be str"),
        (lambda: access.remove_pairing("c", "x" * 1025), BadIdentifier, "1025"),
        (lambda: access.pairing("c", ""), BadIdentifier, "peer is empty"),
        (lambda: access.pairings("c", status="lost"), BadInput, "'lost'"),
        (lambda: access.pairings("c", limit=0), BadInput, "limit 0"),
        (lambda: access.pairings(""), BadIdentifier, "channel is empty"),
        (lambda: access.grant("", "app", "allow"), BadIdentifier, "agent is empty"),
        (lambda: access.grant("a", "app", ""), BadPayload, "decision"),
        (lambda: access.grant("a", "app", "x" * 64), BadPayload, "63"),
        (lambda: access.grant("a", "app", "allow", details=float("nan")), BadPayload, "nan"),
        (lambda: access.revoke("a", ""), BadIdentifier, "app is empty"),
        (lambda: access.permission(None, "app"), BadIdentifier, "agent must be str"),
        (lambda: access.permissions(""), BadIdentifier, "agent is empty"),
        (lambda: access.permissions(limit=1001), BadInput, "1001"),
        (lambda: access.permissions(after="ab"), BadInput, "'ab'"),
        (lambda: access.pairing_history("c", ""), BadIdentifier, "peer is empty"),
        (lambda: access.permission_history("", "app"), BadIdentifier, "agent is empty"),
    ]
    for call, error, named in calls:
        with pytest.raises(error, match=named):
            await call()
    assert (await store.log.head()).position == 0
