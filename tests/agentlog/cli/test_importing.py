"""`agentlog import rsclaw`, as somebody types it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.agentlog.cli.conftest import Cli

ROWS = [
    {"table": "kv", "key": "color", "value": "blue"},
    {"table": "messages", "key": "s:0000000000000000", "value": '{"role":"user","content":"hello"}'},
    {"table": "session_meta", "key": "s", "value": json.dumps(
        {"session_key": "s", "message_count": 1, "last_active": 1, "created_at": 1}
    )},
]  # fmt: skip


def test_a_dump_is_imported_once_and_what_was_rejected_is_said(cli: Cli, tmp_path: Path):
    """Status 1 and a line on stderr for what became no event; again is harmless."""
    path = tmp_path / "dump.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))

    first = cli("import", "rsclaw", str(path), "--json")
    again = cli("import", "rsclaw", str(path))
    assert (first.status, first.document["rows"]) == (0, {"kv": 1, "messages": 1, "session_meta": 1})
    assert (again.status, "events_new\t0" in again.out) == (0, True)
    assert [row["content"] for row in cli("sessions", "load", "s", "--json").rows] == ["hello"]

    path.write_text("no row\n")
    wrong = cli("import", "rsclaw", str(path))
    assert wrong.status == 1
    assert "rejected:  line 1: no row of a dump" in wrong.err
    assert cli("import", "rsclaw", str(tmp_path / "nowhere")).status == 2
