"""`agentlog migrate-from s0`, as somebody types it."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg

from tests.agentlog.cli.conftest import Cli
from tests.support.session_store import SessionStore


def url(where: dict[str, Any]) -> str:
    return f"postgresql://{where['user']}@/{where['database']}?host={where['host']}&port={where['port']}"


async def make_store(where: dict[str, Any]) -> None:
    connection = await asyncpg.connect(**where)
    source = SessionStore(connection, "claude_")
    await source.create()
    await source.insert("sessions", id="s", tenant_id="acme")
    await source.insert("messages", id="m", session_id="s", role="user", content=["hello"])
    await source.insert("queue", session_id="s", operation="enqueue", content="x", status="lost")
    await connection.close()


def test_a_session_store_moves_once_and_tells_what_it_rejected(cli: Cli, postgres_database: dict[str, Any]):
    """All tenants come over; a row that is no event is named on stderr, with status 1."""
    source = url(postgres_database)
    empty = cli("migrate-from", "s0", source)
    assert (empty.status, "no session store with table prefix 'claude_'" in empty.err) == (2, True)
    asyncio.run(make_store(postgres_database))
    first = cli("migrate-from", "s0", source, "--json")
    assert (first.status, first.document["rows"]["messages"]) == (1, 1)
    again = cli("migrate-from", "s0", source)
    assert (again.status, "events_new\t0" in again.out) == (1, True)
    assert "rejected: s0-queue" in again.err
    loaded = cli("--tenant", "acme", "sessions", "load", "s", "--json")
    assert [row["content"] for row in loaded.rows] == [["hello"]]
    assert cli("migrate-from", "s0", "mysql://x").status == 2
