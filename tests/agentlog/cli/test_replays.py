"""`agentlog replay …` and `agentlog sessions fork`, as somebody types them."""

from __future__ import annotations

import pytest


@pytest.fixture
def told(cli, transcript):
    """A log with an imported session; returns the command line and the session's key."""
    assert cli("import", "claude-code", str(transcript)).status == 0
    return cli, cli("sessions", "ls", "--json").rows[0]["key"]


def test_the_past_is_shown_by_position_and_by_time(told):
    """State, blame, diff, step: for people, plain and as JSON."""
    cli, key = told
    head = cli("status", "--json").document
    state = cli("replay", "state", "session", key, "--at", "1", "--json").document
    assert state["version"] == 1
    now = cli("replay", "state", "session", key, "--at", head["time"], "--json").document
    assert now["version"] == head["position"]
    assert cli("replay", "state", "session", key).out.startswith("version\t")
    blamed = cli("replay", "blame", key, "--json").rows
    assert {row["table"] for row in blamed} >= {"sessions", "conversations"}
    assert cli("replay", "blame", key).status == 0
    changed = cli("replay", "diff", "1", "--json")
    assert (changed.status, changed.rows != []) == (1, True)
    assert cli("replay", "diff", "1", head["time"], "--key", key, "--json").rows == changed.rows
    assert cli("replay", "diff", "1", "1").status == 0
    steps = cli("replay", "step", key, "--json").rows
    assert [row["event"]["version"] for row in steps] == list(range(1, head["position"] + 1))
    assert "→" in cli("replay", "step", key, "--after", "1").out


def test_a_session_is_forked_and_compared_with_its_origin(told):
    """At a position, by its key."""
    cli, key = told
    forked = cli("sessions", "fork", key, "fork", "--at", "2", "--json").document
    assert forked["session"] == "fork"
    different = cli("replay", "diff", "2", "--key", key, "--other", "fork", "--json")
    assert [row["field"] for row in different.rows] == ["parent"]
    assert cli("sessions", "fork", key, "fork").status == 1


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("replay", "state", "session", "KEY", "--at", "99"), 2),
        (("replay", "state", "session", "KEY", "--at", "1999-01-01T00:00:00Z"), 2),
        (("replay", "state", "session", "KEY", "--at", "yesterday"), 2),
        (("replay", "state", "spoon", "KEY"), 2),
        (("replay", "state", "session", "nobody"), 1),
        (("replay", "blame", "nobody"), 1),
        (("replay", "diff", "2", "1"), 2),
        (("replay", "step", "nobody"), 1),
        (("sessions", "fork", "nobody", "fork"), 1),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, tuple) else "",
)
def test_what_cannot_be_shown_is_told_and_changes_nothing(told, words, status):
    """2 for misuse, 1 for what is not there."""
    cli, key = told
    before = cli("status", "--json").document["position"]
    answer = cli(*(key if word == "KEY" else word for word in words))
    assert (answer.status, answer.out) == (status, "")
    assert answer.err.startswith("agentlog: ")
    assert cli("status", "--json").document["position"] == before


def test_a_part_is_rebuilt_and_the_shapes_of_events_are_listed(told):
    """Of one session, of one tenant; nothing differed."""
    cli, key = told
    part = cli("replay", "rebuild", "--key", key, "--json")
    assert (part.status, part.document["differences"]) == (0, [])
    assert cli("replay", "rebuild", "sessions", "--only-tenant", "--json").document["rows"] == {"sessions": 1}
    assert cli("replay", "rebuild", "--key", "nobody").status == 2
    assert {row["reading"] for row in cli("schema", "events", "--json").rows} == {"read"}
