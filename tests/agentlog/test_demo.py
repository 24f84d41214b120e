"""The demo, as a newcomer meets it."""

from __future__ import annotations

import json
import shlex

from agentlog.cli import main
from agentlog.cli.application import app, is_command
from agentlog.cli.arguments import global_options_last
from agentlog.cli.demonstration import next_commands


def test_the_demo_does_the_main_job_and_says_so(tmp_path, monkeypatch, capfd):
    """On a machine with nothing but the package: its own Postgres, the bundled sample, verified."""
    monkeypatch.chdir(tmp_path)
    # A demo must not end up in somebody's log.
    monkeypatch.setenv("AGENTLOG_POSTGRES", "postgresql://production.example/agents")
    monkeypatch.setenv("AGENTLOG_DATA", str(tmp_path / "real"))

    assert main(["demo"]) == 0
    told = capfd.readouterr()
    assert main(["demo", "--json"]) == 0
    again = json.loads(capfd.readouterr().out)

    for word in ("sessions", "messages", "generations", "events", "verified\tyes", "Next:", "sessions ls"):
        assert word in told.out
    assert "demo-data" in told.err
    assert [path.name for path in tmp_path.iterdir()] == ["demo-data"]
    assert (again["events_new"], again["verified"]) == (0, True)
    assert again["sessions"] >= 2
    assert again["generations"] >= again["sessions"]
    assert again["usage"][0]["output"] > 0
    assert again["replay_events_per_s"] > 0


def test_the_commands_it_suggests_can_be_typed():
    """A suggestion that fails is worse than none."""
    for postgres in (None, "postgresql://ann:secret@db/agents"):
        suggestions = next_commands("/a b/data", ["key; rm -rf"], postgres)
        assert len(suggestions) == 3
        assert "secret" not in " ".join(suggestions)
        for suggestion in suggestions:
            words = shlex.split(suggestion)
            start = words.index("--data")
            app.parse_args(global_options_last(words[start:], is_command), exit_on_error=False)
