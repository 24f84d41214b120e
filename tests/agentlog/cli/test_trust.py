"""`agentlog receipt` and `agentlog verify`, as somebody types them."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import asyncpg


def test_a_receipt_on_disk_proves_a_log_until_somebody_changes_it(cli, tmp_path: Path, postgres_server):
    """Exit status 1, and the position, when somebody did."""
    assert cli("queue", "enqueue", "a", "work").status == 0
    given = cli("receipt", "--marks", "5")
    path = tmp_path / "receipt.json"
    path.write_text(given.out)
    assert given.document["position"] == 1
    assert cli("queue", "enqueue", "a", "more").status == 0
    for depth in ("quick", "full"):
        assert cli("verify", "--depth", depth, "--against", str(path)).status == 0

    async def change() -> None:
        connection = await asyncpg.connect(**postgres_server.connection)
        schema = os.environ["AGENTLOG_SCHEMA"]
        await connection.execute(f"ALTER TABLE {schema}.events DISABLE TRIGGER USER")
        await connection.execute(f"UPDATE {schema}.events SET meta = '{{}} ' WHERE position = 1")
        await connection.execute(f"ALTER TABLE {schema}.events ENABLE TRIGGER USER")
        await connection.close()

    asyncio.run(change())
    assert cli("verify", "--depth", "quick").status == 0
    found = cli("verify", "--depth", "quick", "--against", str(path), "--json")
    assert found.status == 1
    assert [(one["area"], one["first_position"]) for one in found.document["findings"]] == [("postgres", 1)]


def test_what_is_no_receipt_is_misuse(cli, tmp_path: Path):
    """And is told before anything is opened."""
    assert cli("queue", "enqueue", "a", "work").status == 0
    for path in (tmp_path / "nowhere", tmp_path):
        answer = cli("verify", "--against", str(path))
        assert answer.status == 2
        assert "agentlog receipt" in answer.err
    assert cli("receipt", "--marks", "-1").status == 2
