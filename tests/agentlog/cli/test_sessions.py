"""What ends sessions, and their other names, typed in a shell."""

from __future__ import annotations


def test_sessions_are_listed_by_type_and_time_ended_deleted_and_cleaned_up(cli, transcript):
    """Each command does what its help says, and says so with its status."""
    cli("import", "claude-code", str(transcript))
    key = cli("sessions", "ls", "--json").document["key"]

    assert cli("sessions", "ls", "--type", "subagent", "--json").rows == []
    assert cli("sessions", "ls", "--created-before", "2000-01-01", "--json").rows == []
    assert len(cli("sessions", "ls", "--created-from", "2000-01-01", "--json").rows) == 1
    assert cli("sessions", "end", key, "--reason", "done").status == 0
    assert cli("sessions", "ls", "--state", "ended", "--json").document["key"] == key
    assert cli("sessions", "cleanup", "--json").document == {"deleted": 0}
    assert cli("sessions", "cleanup", "--retention-days", "0", "--json").document == {"deleted": 1}
    assert cli("sessions", "ls", "--json").rows == []
    assert cli("sessions", "delete", key).status == 0
    assert cli("sessions", "delete", "nobody").status == 1


def test_aliases_are_put_resolved_listed_and_removed(cli):
    """What a migration script needs."""
    assert cli("sessions", "alias", "set", "old", "new").status == 0
    assert cli("sessions", "alias", "resolve", "old").out.strip() == "new"
    assert cli("sessions", "alias", "ls", "--json").document == {"alias": "old", "session": "new"}
    assert cli("sessions", "alias", "remove", "old").status == 0
    assert cli("sessions", "alias", "resolve", "old").status == 1


def test_a_conversation_is_rewound_popped_and_cleared(cli, transcript):
    """And its branches are shown, whatever is in view."""
    cli("import", "claude-code", str(transcript))
    key = cli("sessions", "ls", "--json").document["key"]
    first, second = [row["message_id"] for row in cli("sessions", "load", key, "--json").rows]

    assert cli("sessions", "rewind", key, first, "--reason", "again").status == 0
    assert [row["message_id"] for row in cli("sessions", "load", key, "--json").rows] == [first]
    assert [row["message_id"] for row in cli("sessions", "heads", key, "--json").rows] == [second]
    assert cli("sessions", "rewind", key, "nowhere").status == 1
    assert first in cli("sessions", "pop", key, "-n", "1").out
    assert cli("sessions", "rewind", key, second).status == 0
    assert cli("sessions", "clear", key).status == 0
    assert cli("sessions", "load", key, "--json").rows == []
