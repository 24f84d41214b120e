"""`agentlog access`, as somebody types it."""

from __future__ import annotations

import asyncio

import agentlog


def test_an_operator_lets_peers_in_and_out(cli):
    """By the code a peer shows, or by vouching for it; and the log says who did it."""

    async def ask():
        async with agentlog.open() as store:
            await store.access.request_pairing("telegram", "42", "7Q4")

    asyncio.run(ask())
    [pending] = cli("access", "pairings", "telegram", "--status", "pending", "--json").rows
    assert (pending["peer"], pending["code"]) == ("42", "7Q4")
    assert cli("access", "approve", "telegram", "42", "--code", "wrong").status == 1
    assert cli("access", "approve", "telegram", "42", "--code", "7Q4", "--actor", "ada").status == 0
    cli("access", "approve", "telegram", "43")
    assert [row["peer"] for row in cli("access", "pairings", "telegram", "--json").rows] == ["42", "43"]
    assert cli("access", "pairings", "telegram", "-n", "1", "--after", "42").lines[0].startswith("43\t")
    answer = cli("access", "remove", "telegram", "42", "--reason", "left", "--actor", "bob", "--json")
    assert answer.document["changed"]
    rows = cli("access", "pairing", "telegram", "42", "--json").rows
    assert [(row["type"], row["actor"]) for row in rows] == [
        ("pairing_requested", None), ("pairing_approved", "ada"), ("pairing_removed", "bob"),
    ]  # fmt: skip


def test_permissions_are_granted_and_revoked_from_a_shell(cli):
    """With details, for a while, by somebody."""
    cli("access", "grant", "main", "browser", "allow_always", "--details", '{"n": 1}', "--actor", "ada")
    cli("access", "grant", "main", "mail", "allow", "--ttl-s", "0")
    cli("access", "grant", "other", "mail", "deny", "--ttl-s", "3600")

    rows = cli("access", "permissions", "--json").rows
    assert [(row["agent"], row["app"], row["decision"], row["details"]) for row in rows] == [
        ("main", "browser", "allow_always", {"n": 1}), ("other", "mail", "deny", None),
    ]  # fmt: skip
    assert [row["app"] for row in cli("access", "permissions", "main", "--json").rows] == ["browser"]
    assert cli("access", "revoke", "main", "browser", "--reason", "enough", "--json").document["changed"]
    assert cli("access", "revoke", "main", "browser").out.endswith("changed\tno\n")
    rows = cli("access", "permission", "main", "browser", "--json").rows
    assert [(row["type"], row["actor"]) for row in rows] == [
        ("permission_granted", "ada"), ("permission_revoked", None),
    ]  # fmt: skip
