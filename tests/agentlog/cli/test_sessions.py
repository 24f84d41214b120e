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


def test_messages_are_written_edited_removed_and_saved_from_a_shell(cli, tmp_path):
    """Content is JSON or text; a window goes out as lines and comes back in as lines."""
    assert cli("sessions", "create", "s", "--title", "T", "--json").document == {
        "session": "s",
        "position": 1,
    }
    assert cli("sessions", "create", "s").status == 1
    first = cli("sessions", "append", "s", "hello", "--idempotency-key", "k", "--json").document
    assert (first["generation"], first["seq"], first["duplicate"]) == (0, 0, False)
    assert cli("sessions", "append", "s", "hello", "--idempotency-key", "k", "--json").document["duplicate"]
    cli("sessions", "append", "s", '[{"type": "text", "text": "hi"}]', "--role", "assistant", "--model", "m")
    lines = cli("sessions", "load", "s", "--json").out
    one, two = [row["message_id"] for row in cli("sessions", "load", "s", "--json").rows]

    window = tmp_path / "window.jsonl"
    window.write_text(lines)
    assert cli("sessions", "save", "s", str(window), "--json").document == {"changed": False, "events": 0}
    assert cli("sessions", "edit", "s", one, "hello again").out == "changed\tyes\nevents\t1\n"
    edited = cli("sessions", "load", "s", "--json").out.replace("hello again", "how are you")
    window.write_text(edited + '{"role": "user", "content": "and you"}\n')
    assert cli("sessions", "save", "s", str(window), "--json").document == {"changed": True, "events": 2}
    assert [row["content"] for row in cli("sessions", "load", "s", "--json").rows] == [
        "how are you", [{"type": "text", "text": "hi"}], "and you"
    ]  # fmt: skip
    assert cli("sessions", "remove", "s", one, two, "--reason", "no need").status == 0
    assert cli("sessions", "remove", "s", one).status == 1
    version = cli("sessions", "show", "s", "--json").document["version"]
    window.write_text("")
    cli("sessions", "save", "s", str(window), "--known-version", str(version))
    assert cli("sessions", "load", "s", "--json").rows == []
    assert cli("sessions", "generation", "s", "--json").document == {"session": "s", "generation": 1}


def test_a_file_that_holds_no_messages_is_misuse_and_changes_nothing(cli, tmp_path):
    """It is named, with the line."""
    window = tmp_path / "window.jsonl"
    for text in (
        "[]",
        "not json",
        '{"content": "no role"}',
        '{"role": "user"}\n{"role": "user", "content": NaN}',
    ):
        window.write_text(text)
        assert cli("sessions", "save", "s", str(window)).status == 2
    assert "line 2" in cli("sessions", "save", "s", str(window)).err
    assert cli("sessions", "save", "s", str(tmp_path / "none")).status == 2
    assert cli("sessions", "ls", "--json").rows == []


def test_compactions_and_summaries_are_listed(cli, transcript):
    """As the API has them; of a session that has none, nothing."""
    for command in ("compactions", "summaries"):
        assert cli("sessions", command, "nobody", "--json").rows == []
