"""`agentlog external`, as somebody types it."""

from __future__ import annotations


def test_a_job_can_be_worked_on_from_a_shell(cli):
    """Enqueue, poll, say how it goes, deliver."""
    assert (
        cli("external", "enqueue", "videos", '{"prompt": "a cat"}', "--id", "1", "--session", "main").out
        == "1\n"
    )
    assert [row["id"] for row in cli("external", "due", "--json").rows] == ["1"]
    [polled] = cli("external", "claim-polls", "w", "--lease-s", "30", "--json").rows
    assert (polled["id"], polled["request"], polled["polls"]) == ("1", {"prompt": "a cat"}, 1)
    token = str(polled["token"])
    assert (
        cli("external", "polled", "1", token, "--progress", "half", "--poll-in-s", "0").out
        == "id\t1\nchanged\tyes\n"
    )
    token = str(cli("external", "claim-polls", "w", "--json").rows[0]["token"])
    assert cli("external", "complete", "1", token, "--result", '{"url": 1}', "--json").document["changed"]

    stale = cli("external", "fail", "1", str(int(token) - 1))
    assert stale.status == 1
    assert "is no claim of external job" in stale.err
    [delivery] = cli("external", "claim-deliveries", "d", "--json").rows
    assert (delivery["result"], delivery["session"], delivery["deliveries"]) == ({"url": 1}, "main", 1)
    cli("external", "delivered", "1", str(delivery["token"]))
    shown = cli("external", "show", "1", "--json").document
    assert (shown["status"], shown["delivery"], shown["progress"]) == ("completed", "delivered", "half")
    assert "completed\t1" in cli("external", "status").out
    assert cli("external", "ls", "--status", "completed").lines[0].startswith("1\tvideos\tmain\t")
    assert cli("external", "cleanup", "--retention-s", "0", "--json").document == {"deleted": 1}
    assert cli("external", "show", "1").status == 1


def test_a_provider_calls_back_from_a_shell(cli):
    """With the token that was printed; a failure has a reason."""
    made = cli("external", "enqueue", "videos", "text", "--callback", "--json").document
    assert cli("external", "callback", made["callback_token"], "--failed", "refused").out == "changed\tyes\n"
    shown = cli("external", "show", made["id"], "--json").document
    assert (shown["status"], shown["reason"]) == ("failed", "refused")
    assert cli("external", "callback", "guessed").status == 1


def test_jobs_can_be_cancelled_and_deleted_from_a_shell(cli):
    """A delivery that did not arrive is tried again."""
    for id in ("1", "2", "3"):
        cli("external", "enqueue", "videos", "x", "--id", id)
    cli("external", "cancel", "1", "--reason", "no need")
    assert cli("external", "delete", "2").out == "id\t2\nchanged\tyes\n"
    [polled] = cli("external", "claim-polls", "w", "--json").rows
    cli("external", "fail", "3", str(polled["token"]), "--reason", "refused")
    [delivery] = cli("external", "claim-deliveries", "d", "--json").rows
    cli("external", "delivered", "3", str(delivery["token"]), "--failed", "offline")
    rows = cli("external", "ls", "--json").rows
    assert [(row["id"], row["status"], row["delivery"]) for row in rows] == [
        ("1", "cancelled", "none"), ("3", "failed", "waiting"),
    ]  # fmt: skip
    assert cli("external", "ls", "--status", "lost").status == 2
