"""`agentlog schedule`, as somebody types it."""

from __future__ import annotations

import json

from agentlog.schedule_text import parse
from tests.agentlog.cli.conftest import start


def test_a_schedule_can_be_kept_from_a_shell(cli):
    """Put, look, pause, have it done now, resume, delete."""
    made = cli(
        "schedule", "set", "nightly", "30 3 * * *", '{"do": 1}', "--session", "main",
        "--time-zone", "Europe/Berlin", "--overlap", "skip", "--json",
    )  # fmt: skip
    assert made.document["id"] == "nightly"
    assert made.document["next_tick"].endswith(("T01:30:00Z", "T02:30:00Z"))
    assert [row["id"] for row in cli("schedule", "ls", "--json").rows] == ["nightly"]
    shown = cli("schedule", "show", "nightly", "--ticks", "2", "--json").document
    assert (shown["body"], shown["overlap"], len(shown["ticks"])) == ({"do": 1}, "skip", 2)
    assert cli("schedule", "fire").lines == []
    assert cli("schedule", "pause", "nightly", "--reason", "why").out == "id\tnightly\nchanged\tyes\n"
    [fired] = cli("schedule", "fire", "nightly", "--json").rows
    assert cli("queue", "ls", "--json").rows[0]["id"] == fired["item"]
    assert cli("schedule", "status", "--json").document == {
        "schedules": 1, "paused": 1, "due": 0, "fired": 1, "skipped": 0,
    }  # fmt: skip
    cli("schedule", "resume", "nightly")
    assert cli("schedule", "delete", "nightly").out == "id\tnightly\nchanged\tyes\n"
    assert cli("schedule", "show", "nightly").status == 1
    for wrong in (("set", "s", "nonsense", "x"), ("set", "s", "@daily", "x", "--time-zone", "Mars")):
        answer = cli("schedule", *wrong)
        assert (answer.status, answer.out) == (2, "")
        assert wrong[-1] in answer.err or wrong[2] in answer.err


def test_a_file_of_schedules_goes_out_and_comes_in(cli, tmp_path):
    """What is wrong in it is said, and nothing of it taken."""
    path = tmp_path / "schedules.json5"
    cli("schedule", "set", "a", "@daily", "x")
    assert cli("schedule", "export", str(path), "--json").document["schedules"] == 1
    assert cli("schedule", "export", str(path)).status == 2
    assert cli("schedule", "import", str(tmp_path / "none")).status == 2
    text = path.read_text()
    path.write_text(text.replace("@daily", "@dayly"))
    answer = cli("schedule", "import", str(path))
    assert answer.status == 2
    assert "@dayly" in answer.err
    path.write_text(text.replace("@daily", "@hourly"))
    assert cli("schedule", "import", str(path), "--json").document == {"changed": 1, "deleted": 0}
    assert cli("schedule", "ls", "--json").rows[0]["cron"] == "@hourly"
    assert parse(path.read_text()).position == 3


def test_what_runs_fires_and_what_watches_writes(cli, tmp_path):
    """Until they are stopped."""
    path = tmp_path / "schedules.json5"
    cli("schedule", "set", "a", "* * * * *", "x", "--late-s", "1000000000")
    process = start("schedule", "watch", str(path))
    try:
        assert process.stdout.readline().startswith("watching ")
        assert set(parse(path.read_text()).schedules) == {"a"}
    finally:
        process.kill()
        process.communicate()
    runner = start("schedule", "run", "--interval-s", "0.2", "--json")
    try:
        assert json.loads(runner.stdout.readline())["schedule"] == "a"
    finally:
        runner.kill()
        runner.communicate()
