"""Random histories over all nouns: whichever copy is folded, the tables come out as they stand."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventlog.command import Command
from eventlog.embedded.server import EmbeddedPostgres
from eventlog.envelope import StreamId
from eventlog.errors import BadInput
from eventlog.events import AgentEvent, new
from replay.rebuild import compare, rebuild
from replay.verify import verify
from tests.replay.support import Spoiled
from tests.support.histories import events, kind_of
from tests.support.postgres import fresh_schema

# Keys that a prefix or a separator would confuse, and several events to one command.
keys = st.sampled_from(["a", "a:b", "b"])
commands = st.lists(st.tuples(keys, events), min_size=1, max_size=4)
histories = st.lists(commands, min_size=1, max_size=10)


async def append_all(spoiled: Spoiled, history: list[list[tuple[str, AgentEvent]]], reopen_at: int) -> None:
    """Append commands; open the log afresh in the middle, so that states are read back from the tables."""
    for number, command in enumerate(history):
        if number == reopen_at:
            await spoiled.close()
        made = []
        for key, event in command:
            stream = StreamId("acme", kind_of(event), key)
            try:
                made.append(new(stream, event, id=spoiled.ids.next()))
            except BadInput:
                continue  # what the log refuses is no part of a history
        if made:
            await (await spoiled.log()).append(Command(made))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories, reopen_at=st.integers(0, 9))
def test_a_rebuild_from_either_copy_equals_the_live_tables(
    postgres_server: EmbeddedPostgres, history: list[list[tuple[str, AgentEvent]]], reopen_at: int
):
    """Invariants 4 and 6 together, with reopening, and with what columns and JSON find hard."""

    async def run(data: Path, postgres: dict[str, Any]) -> None:
        spoiled = Spoiled(data, postgres, fresh_schema())
        try:
            await append_all(spoiled, history, reopen_at)
            log = await spoiled.log()
            live = await spoiled.tables()
            assert await compare(log, source="segments") == []
            assert await compare(log, source="postgres") == []
            assert await verify(log, schema_check=False) == []
            for source in ("segments", "postgres"):
                await spoiled.sql(*[f"DELETE FROM {{schema}}.{name}" for name in live])
                await rebuild(log, source=source)
                assert await spoiled.tables() == live
        finally:
            await spoiled.close()
            await spoiled.sql("DROP SCHEMA IF EXISTS {schema} CASCADE")

    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(run(Path(directory) / "data", postgres_server.connection))
