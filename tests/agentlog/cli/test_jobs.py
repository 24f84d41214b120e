"""`agentlog job`, as somebody types it."""

from __future__ import annotations


def test_a_job_can_be_worked_on_from_a_shell(cli):
    """Enqueue, poll, say how it goes, deliver."""
    assert (
        cli("job", "enqueue", "videos", '{"prompt": "a cat"}', "--id", "1", "--session", "main").out == "1\n"
    )
    assert [row["id"] for row in cli("job", "due", "--json").rows] == ["1"]
    [polled] = cli("job", "poll", "w", "--lease-s", "30", "--json").rows
    assert (polled["id"], polled["request"], polled["polls"]) == ("1", {"prompt": "a cat"}, 1)
    token = str(polled["token"])
    assert (
        cli("job", "polled", "1", token, "--progress", "half", "--poll-in-s", "0").out
        == "id\t1\nchanged\tyes\n"
    )
    token = str(cli("job", "poll", "w", "--json").rows[0]["token"])
    assert cli("job", "complete", "1", token, "--result", '{"url": 1}', "--json").document["changed"]

    stale = cli("job", "fail", "1", str(int(token) - 1))
    assert stale.status == 1
    assert "does not hold it" in stale.err
    [delivery] = cli("job", "deliver", "d", "--json").rows
    assert (delivery["result"], delivery["session"], delivery["deliveries"]) == ({"url": 1}, "main", 1)
    cli("job", "delivered", "1", str(delivery["token"]))
    shown = cli("job", "show", "1", "--json").document
    assert (shown["status"], shown["delivery"], shown["progress"]) == ("completed", "delivered", "half")
    assert "completed\t1" in cli("job", "status").out
    assert cli("job", "ls", "--status", "completed").out.startswith("1\tvideos\tmain\t")
    assert cli("job", "cleanup", "--retention-s", "0", "--json").document == {"deleted": 1}
    assert cli("job", "show", "1").status == 1


def test_a_provider_calls_back_from_a_shell(cli):
    """With the token that was printed; a failure has a reason."""
    made = cli("job", "enqueue", "videos", "text", "--callback", "--json").document
    assert cli("job", "callback", made["callback_token"], "--failed", "refused").out == "changed\tyes\n"
    shown = cli("job", "show", made["id"], "--json").document
    assert (shown["status"], shown["reason"]) == ("failed", "refused")
    assert cli("job", "callback", "guessed").status == 1


def test_jobs_can_be_cancelled_and_deleted_from_a_shell(cli):
    """A delivery that did not arrive is tried again."""
    for id in ("1", "2", "3"):
        cli("job", "enqueue", "videos", "x", "--id", id)
    cli("job", "cancel", "1", "--reason", "no need")
    assert cli("job", "delete", "2").out == "id\t2\nchanged\tyes\n"
    [polled] = cli("job", "poll", "w", "--json").rows
    cli("job", "fail", "3", str(polled["token"]), "--reason", "refused")
    [delivery] = cli("job", "deliver", "d", "--json").rows
    cli("job", "delivered", "3", str(delivery["token"]), "--failed", "offline")
    rows = cli("job", "ls", "--json").rows
    assert [(row["id"], row["status"], row["delivery"]) for row in rows] == [
        ("1", "cancelled", "none"), ("3", "failed", "waiting"),
    ]  # fmt: skip
    assert cli("job", "ls", "--status", "lost").status == 2
