"""`agentlog keyvalue`, as somebody types it."""

from __future__ import annotations


def test_keys_can_be_kept_from_a_shell(cli):
    """Set, get, list, delete; JSON where it is JSON."""
    assert cli("keyvalue", "set", "a", '{"n": 12345678901234567890}', "--json").document == {
        "key": "a", "version": 1, "position": 1,
    }  # fmt: skip
    cli("keyvalue", "set", "ab", "just text")
    cli("keyvalue", "set", "a", "1", "--namespace", "other", "--ttl-s", "3600")

    assert cli("keyvalue", "get", "a").out == '{"n":12345678901234567890}\n'
    assert cli("keyvalue", "get", "ab").out == '"just text"\n'
    entry = cli("keyvalue", "get", "a", "--namespace", "other", "--json").document
    assert (entry["value"], entry["version"], entry["position"]) == (1, 1, 3)
    assert entry["expires_at"] is not None
    assert [row["key"] for row in cli("keyvalue", "ls", "--json").rows] == ["a", "ab"]
    assert [row["value"] for row in cli("keyvalue", "ls", "ab", "--json").rows] == ["just text"]
    assert cli("keyvalue", "ls", "-n", "1", "--after", "a").lines[0].startswith("ab\t")
    assert cli("keyvalue", "set", "a", "2", "--expected-version", "7").status == 1
    assert cli("keyvalue", "delete", "a", "--reason", "no need").out == "key\ta\nchanged\tyes\n"
    assert cli("keyvalue", "get", "a").status == 1


def test_a_value_of_before_can_be_asked_for(cli):
    """By position or by time; a word that is neither is misuse."""
    cli("keyvalue", "set", "a", "1")
    cli("keyvalue", "set", "a", "2")

    assert cli("keyvalue", "get", "a", "--at", "1").out == "1\n"
    assert cli("keyvalue", "get", "a", "--at", "2999-01-01T00:00:00Z").out == "2\n"
    assert cli("keyvalue", "get", "a", "--at", "2000-01-01T00:00:00Z").status == 1
    for wrong in ("3", "yesterday", "2026-01-01T00:00:00"):
        answer = cli("keyvalue", "get", "a", "--at", wrong)
        assert (answer.status, answer.out) == (2, "")
        assert wrong[:10] in answer.err
