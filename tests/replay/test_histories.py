"""Random histories over all nouns: whichever copy is folded, the tables come out as they stand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from eventlog.command import Command
from eventlog.embedded.server import EmbeddedPostgres
from eventlog.envelope import NewEvent, StreamId
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


class Shared:
    """A log that many examples are appended to, each for a tenant of its own: making one takes longest.

    After an example that failed the next one begins another log.
    """

    def __init__(self, postgres: dict[str, Any], directory: Path) -> None:
        self._postgres, self._directory = postgres, directory
        self._spoiled: Spoiled | None = None
        self._examples = 0

    @asynccontextmanager
    async def example(self) -> AsyncIterator[tuple[Spoiled, str]]:
        """Give the log, and the tenant of this example."""
        self._examples += 1
        if self._spoiled is None:
            place = self._directory / str(self._examples)
            self._spoiled = Spoiled(place, self._postgres, fresh_schema())
        try:
            yield self._spoiled, f"tenant-{self._examples}"
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the log and drop its schema."""
        spoiled, self._spoiled = self._spoiled, None
        if spoiled is not None:
            await spoiled.close()
            await spoiled.sql("DROP SCHEMA IF EXISTS {schema} CASCADE")


def made_of(spoiled: Spoiled, tenant: str, command: list[tuple[str, AgentEvent]]) -> list[NewEvent]:
    """Return the events of one command, without those that the log refuses."""
    made = []
    for key, event in command:
        with suppress(BadInput):
            made.append(new(StreamId(tenant, kind_of(event), key), event, id=spoiled.ids.next()))
    return made


async def append_all(
    spoiled: Spoiled, tenant: str, history: list[list[tuple[str, AgentEvent]]], reopen_at: int
) -> None:
    """Append commands; open the log afresh in the middle, so that states are read back from the tables."""
    for number, command in enumerate(history):
        if number == reopen_at:
            await spoiled.close()
        if made := made_of(spoiled, tenant, command):
            await (await spoiled.log()).append(Command(made))


def test_a_rebuild_from_either_copy_equals_the_live_tables(postgres_server: EmbeddedPostgres, tmp_path: Path):
    """Invariants 4 and 6 together, with reopening, and with what columns and JSON find hard."""
    with asyncio.Runner() as runner:
        shared = Shared(postgres_server.connection, tmp_path)

        async def run(history: list[list[tuple[str, AgentEvent]]], reopen_at: int) -> None:
            async with shared.example() as (spoiled, tenant):
                await append_all(spoiled, tenant, history, reopen_at)
                log = await spoiled.log()
                live = await spoiled.tables()
                assert await compare(log, source="segments") == []
                assert await compare(log, source="postgres") == []
                assert await verify(log, schema_check=False) == []
                for source in ("segments", "postgres"):
                    await spoiled.sql(*[f"DELETE FROM {{schema}}.{name}" for name in live])
                    await rebuild(log, source=source)
                    assert await spoiled.tables() == live

        @settings(max_examples=15, deadline=None)
        @given(history=histories, reopen_at=st.integers(0, 9))
        def holds(history: list[list[tuple[str, AgentEvent]]], reopen_at: int) -> None:
            runner.run(run(history, reopen_at))

        try:
            holds()
        finally:
            runner.run(shared.close())
