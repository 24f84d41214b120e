"""`agentlog report` from a shell."""

from __future__ import annotations

from tests.agentlog.cli.conftest import SESSION


def test_a_report_is_written_where_it_was_asked_for(cli, transcript, tmp_path, monkeypatch):
    """By default in the working directory."""
    cli("import", "claude-code", str(transcript))
    monkeypatch.chdir(tmp_path)

    answer = cli("report", "--json", "--svg", "charts", "--since", "2026-01-01", "--title", "Ours")
    assert answer.status == 0
    assert answer.document["path"] == "report.html"
    assert answer.document["bytes"] == (tmp_path / "report.html").stat().st_size
    assert len(answer.document["charts"]) == len(list((tmp_path / "charts").glob("*.svg"))) > 3
    assert cli("report", str(tmp_path / "other.html"), "--session", SESSION).status == 0
    assert "\x1b" not in (tmp_path / "other.html").read_text()


def test_a_report_that_cannot_be_made_is_explained(cli, transcript, tmp_path):
    """Misuse is 2, a session that is not there 1."""
    cli("import", "claude-code", str(transcript))

    assert cli("report", "--since", "soon").status == 2
    assert cli("report", str(tmp_path / "r.html"), "--session", "nobody").status == 1
    answer = cli("report", str(tmp_path / "missing" / "r.html"))
    assert (answer.status, answer.out) == (2, "")
    assert "missing" in answer.err
