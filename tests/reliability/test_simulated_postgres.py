"""The simulated Postgres answers as the real one does: the same commands to both, everything compared.

A simulation on a server that drifted away from the real one would prove nothing. What the log sends
goes through Appender and Reads to both; the real one is the embedded server.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import asyncpg
import pytest

from eventlog.batch import Batch, Pending, StreamState, form_batch
from eventlog.clock import SystemClock
from eventlog.command import Command, with_key_note
from eventlog.embedded.server import EmbeddedPostgres
from eventlog.envelope import StreamId
from eventlog.postgres.append import Appended, Appender
from eventlog.postgres.migrate import migrate
from eventlog.postgres.reads import Reads
from eventlog.postgres.sql import Statements
from eventlog.projection import signature
from eventlog.settings import Settings
from tests.reliability.simulate.commands import Author
from tests.reliability.simulate.server import SCHEMA, Server
from tests.reliability.simulate.tables import Tables
from tests.support.builders import PROJECTIONS, STORY, story

MIRROR = uuid.UUID("33333333-3333-4333-8333-333333333333")
FOLDS = {STORY: PROJECTIONS}


class SteppingClock(SystemClock):
    """A second passes each time that somebody asks: the mirror's position is noted with every batch."""

    def __init__(self) -> None:
        self._now = 0.0

    def monotonic(self) -> float:
        self._now += 1
        return self._now


class Side:
    """One of the two servers, as the log talks to it."""

    def __init__(self, connection: Any, target: Any, schema: str) -> None:
        self.connection = connection
        self.reads = Reads(target, Settings(schema=schema), FOLDS)
        self.appender = self.made(schema)

    def made(self, schema: str, epoch: int = 1) -> Appender:
        return Appender(
            self.connection,
            Statements(schema),
            epoch=epoch,
            projections=signature(PROJECTIONS),
            mirror=MIRROR,
            idempotency_ttl_s=1e6,
            clock=SteppingClock(),
        )


@asynccontextmanager
async def both_sides(
    server: EmbeddedPostgres, schema: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Side, Side]]:
    """A real and a simulated server, each with an empty log and this directory registered."""
    connection = await asyncpg.connect(**server.connection)
    await migrate(connection, schema, PROJECTIONS)
    real = Side(connection, server.connection, schema)
    assert (await real.reads.head())["position"] == 0  # connected: from here on connections are simulated
    simulated = Server(Tables(PROJECTIONS, uuid.uuid4()), Random(1))
    monkeypatch.setattr(asyncpg, "connect", simulated.connect)
    model = Side(await simulated.connect(), {}, SCHEMA)
    try:
        for side in (real, model):
            await side.appender.prepare()
            await side.reads.fetch(side.reads.statements.register_mirror, MIRROR, "/data/segments")
        yield real, model
    finally:
        await real.reads.close()
        await model.reads.close()
        await connection.close()


def batch_of(commands: Sequence[Command], known: dict[StreamId, StreamState]) -> Batch:
    pending = []
    for number, command in enumerate(commands):
        noted = command if command.idempotency_key is None else with_key_note(command)
        future: Any = None
        pending.append(Pending(noted, noted.check(), future, number, True))
        pending[-1].store(lambda data: (False, data))
    return form_batch(pending, known, FOLDS)


def told(found: Appended) -> dict[str, Any]:
    """What a verdict says apart from ids, times and what follows from times."""
    return {
        "first_position": found.first_position,
        "refused": found.refused,
        "stale": sorted((stale.slot, stale.version, stale.id is None) for stale in found.stale),
        "duplicates": sorted((d.key, d.first_position, d.event_count) for d in found.duplicates),
        "known": [id is not None for id in found.stream_ids],
        "moved": found.chain_before != found.chain_after,
    }


async def everything(side: Side) -> dict[str, Any]:
    """All that reads tell of a log, times and ids of streams apart."""
    page = await side.reads.page(0, 10_000, 10_000)
    chain = bytes(32)
    for row in page:
        chain = row.chain_from(chain)
        assert row.chain in (None, chain)
    head = await side.reads.head()
    assert (head["position"], head["chain"]) == (len(page), chain)
    assert [await side.reads.chain_at(n) for n in (0, len(page))] == [bytes(32), chain]
    assert head["time_us"] == max((row.time_us for row in page), default=0)
    streams = [story(f"s{number}") for number in range(6)]
    states = await side.reads.states(streams, 1)
    return {
        "events": [(row.position, row.version, row.event, row.chain is None) for row in page],
        "streams": {stream: (state.version, state.states) for stream, state in states.items()},
        "found": await side.reads.find(
            [s.id for s in states.values() if s.id], [page[0].event.id] * len(states)
        ),
        "stream": [(row.position, row.event.id) for row in await side.reads.stream(streams[0], 1, 5)],
        "mirror": (await side.reads.fetch(side.reads.statements.register_mirror, MIRROR, "/d"))[0][0],
        "keys": [await original(side, f"key-{number}") for number in range(30)],
        "places": (await side.reads.places(1, 2, duplicate=False)).versions,
    }


async def original(side: Side, key: str) -> tuple[Any, ...] | None:
    receipt = await side.reads.original("acme", key)
    return None if receipt is None else (receipt.first_position, receipt.last_position, receipt.versions)


@pytest.mark.parametrize("seed", range(6))
async def test_both_servers_give_the_same_verdicts_and_hold_the_same_rows(
    postgres_server: EmbeddedPostgres, schema_name: str, monkeypatch: pytest.MonkeyPatch, seed: int
):
    """Batches formed on old and on new knowledge: stale stamps, duplicates, groups, lone events."""
    random = Random(f"contract {seed}")
    author = Author(random, 5, 60)
    async with both_sides(postgres_server, schema_name, monkeypatch) as sides:
        knowledge: list[dict[StreamId, StreamState]] = [{}, {}]
        for number in range(25):
            commands = [author.command() for _ in range(random.choice((1, 1, 2, 6)))]
            if random.random() < 0.6:
                for side, known in zip(sides, knowledge, strict=True):
                    known |= await side.reads.states([story(f"s{n}") for n in range(5)], number)
            batches = [batch_of(commands, known) for known in knowledge]
            if not batches[0].entries:
                continue
            verdicts = [
                told(await side.appender.send(batch, number))
                for side, batch in zip(sides, batches, strict=True)
            ]
            assert verdicts[0] == verdicts[1], f"seed={seed} batch={number}"
        real, model = [await everything(side) for side in sides]
        assert real == model
        assert len(real["events"]) > 20


async def test_both_servers_refuse_another_writer_set_alike(
    postgres_server: EmbeddedPostgres, schema_name: str, monkeypatch: pytest.MonkeyPatch
):
    """SQLSTATE AL002, and nothing is appended."""
    async with both_sides(postgres_server, schema_name, monkeypatch) as sides:
        for side, schema in zip(sides, (schema_name, SCHEMA), strict=True):
            stranger = side.made(schema, epoch=2)
            await stranger.prepare()
            with pytest.raises(asyncpg.PostgresError) as refused:
                await stranger.send(batch_of([Author(Random(1), 1, 9).command()], {}), 0)
            assert refused.value.sqlstate == "AL002"
            assert (await side.reads.head())["position"] == 0
