"""`agentlog export`, `merge` and `restore export`, as somebody types them."""

from __future__ import annotations

from pathlib import Path

from tests.support.postgres import fresh_schema


def test_a_log_goes_out_and_comes_in_again(cli, tmp_path: Path, monkeypatch):
    """Equal, merged twice, and refused where it cannot be."""
    assert cli("queue", "enqueue", "a", "work").status == 0
    out = cli("export", str(tmp_path / "out"), "--json").document
    assert (out["events"], out["position"]) == (1, 1)
    assert cli("merge", str(tmp_path / "out"), "--json").document == {"events_new": 0, "events_present": 1}
    assert cli("export", str(tmp_path / "out")).status == 2
    assert cli("merge", str(tmp_path / "nowhere")).status == 2
    assert cli("restore", "export", str(tmp_path / "nowhere")).status == 2
    chain = cli("status", "--json").document["chain"]
    monkeypatch.setenv("AGENTLOG_SCHEMA", fresh_schema())
    monkeypatch.setenv("AGENTLOG_DATA", str(tmp_path / "other"))
    assert cli("restore", "export", str(tmp_path / "out"), "--json").document["events"] == 1
    assert cli("status", "--json").document["chain"] == chain
    assert cli("verify").status == 0
    assert cli("restore", "export", str(tmp_path / "out")).status == 2
