"""Named queries from a shell."""

from __future__ import annotations

import pytest

from agentlog.cli import main
from tests.agentlog.cli.conftest import SESSION


def test_the_list_of_queries_needs_no_store(capfd, monkeypatch, tmp_path):
    """What can be asked is part of the program."""
    monkeypatch.setenv("AGENTLOG_DATA", str(tmp_path / "nowhere"))

    assert main(["archive", "queries"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert main(["archive", "queries", "--json"]) == 0
    documents = capfd.readouterr().out.splitlines()

    assert "tokens_by_day\tTokens and cost of each day.\tsince until" in lines
    assert len(documents) == len(lines) - 1
    assert '"unit":"tokens"' in documents[0] + documents[-1]


def test_a_query_is_asked_by_its_name(cli, transcript):
    """With parameters as NAME=VALUE."""
    cli("import", "claude-code", str(transcript))

    [row] = cli("archive", "query", "tokens_by_model", "since=2026-01-02", "--json").rows
    assert (row["model"], row["input_tokens"], row["output_tokens"]) == ("claude-sonnet-4-5", 10, 5)
    assert cli("archive", "query", "tokens_by_model", "since=2026-01-03", "--json").rows == []
    [row] = cli("--json", "archive", "query", "session_tree", f"session={SESSION}").rows
    assert (row["messages"], row["depth"]) == (2, 0)


@pytest.mark.parametrize(
    "words",
    [["no_such"], ["tokens_by_day", "day=1"], ["tokens_by_day", "since"], ["tokens_by_day", "tenant=x"],
     ["tokens_by_day", "since=today"], ["session_tree"]],
    ids=" ".join,
)  # fmt: skip
def test_a_query_that_cannot_be_asked_is_misuse(cli, words):
    """And says what can."""
    answer = cli("archive", "query", *words)

    assert (answer.status, answer.out) == (2, "")
    assert answer.err.startswith("agentlog: ")
