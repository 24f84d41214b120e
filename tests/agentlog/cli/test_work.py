"""`agentlog queue` and `agentlog task`: work that a person, or a script, claims and ends."""

from __future__ import annotations


def test_tasks_can_be_worked_from_a_shell(cli):
    """Enqueue, claim, fail, claim again, complete, revive, cancel; and what was said is shown."""
    first = cli("task", "enqueue", '["a", {"n": 1}]', "--session", "s", "--json").document["id"]
    assert cli("task", "enqueue", "more", "--session", "s", "--merge").out.strip() == first
    claimed = cli("task", "claim", "worker", "--json").document
    assert (claimed["id"], claimed["messages"]) == (first, ["a", {"n": 1}, "more"])
    assert cli("task", "complete", first, "1").status == 1
    assert cli("task", "fail", first, str(claimed["token"]), "--json").document["status"] == "pending"
    assert cli("task", "cancel", first, "--if-pending").status == 0
    assert cli("task", "revive", first).status == 0
    token = str(cli("task", "claim", "worker", "--json").document["token"])
    assert cli("task", "complete", first, token, "--result", "done").status == 0
    shown = cli("task", "show", first, "--json").document
    assert (shown["status"], shown["result"], shown["attempts"]) == ("completed", "done", 2)
    assert cli("task", "show", "nothing").status == 1
    assert cli("task", "status", "--json").document["completed"] == 1
    assert [row["id"] for row in cli("task", "ls", "--status", "completed", "--json").rows] == [first]


def test_a_queue_can_be_worked_from_a_shell(cli):
    """Enqueue, claim, complete, fail, requeue, cancel, and who may not."""
    first = cli(
        "queue", "enqueue", "main", '{"n": 12345678901234567890}', "--priority", "2", "--json"
    ).document["id"]
    second = cli("queue", "enqueue", "main", "just text", "--id", "two").out.strip()
    assert second == "two"

    claimed = cli("queue", "claim", "worker", "--json").document
    assert (claimed["id"], claimed["body"]) == (first, {"n": 12345678901234567890})
    token = str(claimed["token"])
    shown = cli("queue", "show", first, "--json").document
    assert (shown["status"], shown["bodies"]) == ("claimed", [{"n": 12345678901234567890}])
    assert "no queue item 'nothing'" in cli("queue", "show", "nothing").err
    assert cli("queue", "enqueue", "main", "no", "--when-busy", "reject").status == 1
    assert cli("queue", "complete", first, "1").status == 1
    assert cli("queue", "fail", first, token, "--reason", "no").status == 0
    assert cli("queue", "requeue", first).status == 0
    again = str(cli("queue", "claim", "worker", "--json").document["token"])
    assert cli("queue", "complete", first, token).status == 1
    assert cli("queue", "complete", first, again, "--result", "done").status == 0
    assert cli("queue", "cancel", "two", "--reason", "no need", "--if-pending").status == 0
    assert cli("queue", "cancel", first).status == 1
    assert cli("queue", "claim", "worker", "--json").rows == []
    counts = cli("queue", "status", "--session", "main", "--json").document
    assert {status: count for status, count in counts.items() if count} == {"completed": 1, "cancelled": 1}
    rows = cli("queue", "ls", "--status", "cancelled", "--json").rows
    assert [(row["id"], row["session"]) for row in rows] == [("two", "main")]
