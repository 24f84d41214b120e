"""Draws races from a seed, runs them on processes that stay, and judges each. Faults are in faults.py.

A series is one log: a schema, one to four hosts (data directories), two to six processes, each with one
or two stores open, some in an event loop of a second thread, with clocks that are wrong. A race is one
round of appending by all agents of all stores while something happens to some of them. After each race
the log is compared with what every client wrote down, and every subscriber must have seen it all; after
a series every host's copies and projections are compared.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from tests.reliability.fencing.crew import Died, Refused, WorkerProcess
from tests.reliability.fencing.faults import FAULTS, Fault
from tests.reliability.fencing.seams import CLOCKS
from tests.support.postgres import fresh_schema

RACES_PER_SERIES = 10
PROCESSES = (2, 2, 2, 3, 3, 4, 6)  # of a series, to draw from: more of them make it slower, not stranger
# No race takes as long as this, whatever happens in it: then something waits for ever.
RACE_S = 120.0


@dataclass
class OpenStore:
    """One store of one worker.

    Attributes:
        arguments: what it is opened with.
    """

    name: str
    worker: WorkerProcess
    data: Path
    arguments: dict[str, Any]

    async def ask(self, operation: str, **request: Any) -> Any:
        return await self.worker.ask(operation, store=self.name, **request)

    async def open(self, **changes: Any) -> None:
        await self.ask("open", **self.arguments | {"data": str(self.data)} | changes)


@dataclass
class Series:
    """One log and those who write to it.

    Attributes:
        stores: those that are open.
        loads: by store, the running load of this race.
        counts: what happened, summed up over all series of a run.
        failures: every broken promise.
        directory_was_away: somebody moved or deleted one, so that whoever reads it is told so.
    """

    folder: Path
    postgres: Mapping[str, Any]
    workers: Sequence[WorkerProcess]
    chance: random.Random
    counts: Counter[str]
    schema: str = field(default_factory=fresh_schema)
    stores: list[OpenStore] = field(default_factory=list)
    loads: dict[str, asyncio.Task[Any]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    directory_was_away: bool = False

    async def begin(self) -> None:
        """Draw who writes where, and open the stores."""
        chance = self.chance
        hosts = [self.folder / f"host{number}" for number in range(chance.choice([1, 1, 2, 2, 4]))]
        size = max(len(hosts), chance.choice(PROCESSES))
        workers = chance.sample(self.workers, min(size, len(self.workers)))
        common = {
            "postgres": dict(self.postgres), "schema": self.schema, "notes": str(self.folder / "notes"),
            "segment_bytes_max": chance.choice([4096, 4096, 16384, 2**26]),
            "cached_streams_max": chance.choice([1, 3, 100_000]),
            "batch_events_max": chance.choice([1, 8, 64]),
            # With the short one a stopped holder of the lock is given up, with the long one waited for.
            "lock_wait_s": chance.choice([0.1, 20.0]),
        }  # fmt: skip
        clocks = chance.choice([["right"], list(CLOCKS)])
        for number, worker in enumerate(workers):
            for twin in range(chance.choice([1, 1, 1, 2])):
                self.stores.append(
                    OpenStore(
                        f"{self.schema}.{number}.{twin}", worker, hosts[(number + twin) % len(hosts)],
                        common | {
                            "clock": chance.choice(clocks), "seed": chance.randrange(2**32),
                            "in_thread": twin == 1 or chance.random() < 0.1, "migrate": False,
                        },
                    )
                )  # fmt: skip
        await self.stores[0].open(migrate=True)
        await asyncio.gather(*(self.open(store) for store in self.stores[1:]))
        self.counts["stores"] += len(self.stores)
        self.counts[f"series of {len(hosts)} hosts"] += 1

    async def open(self, store: OpenStore) -> None:
        """Open a store; again, while somebody was given up who holds the lock."""
        while True:
            try:
                return await store.open()
            except Refused as refused:
                if refused.name != "MirrorUnavailable":
                    raise
                self.counts["openings told MirrorUnavailable"] += 1

    async def race(self) -> str:
        """Run one race; return what happened in it."""
        chance = self.chance
        names = [name for name, fault in FAULTS.items() if fault.fits(self)]
        name = chance.choices(names, [FAULTS[name].weight for name in names])[0]
        fault = FAULTS[name]
        self.loads = {
            store.name: asyncio.create_task(
                store.ask(
                    "load", seed=chance.randrange(2**32), agents=chance.randint(1, 3),
                    steps=chance.randint(2, 4),
                )
            )
            for store in self.stores
        }  # fmt: skip
        for load in self.loads.values():
            load.add_done_callback(lambda done: done.cancelled() or done.exception())  # looked at
        try:
            async with asyncio.timeout(RACE_S):
                await self._run(fault)
                await self.judge()
        except TimeoutError:
            self.failures.append(f"race with {name!r}: not over after {RACE_S:g} s")
            raise
        except (Refused, Died) as error:
            self.failures.append(f"race with {name!r}: {error}")
        return name

    async def _run(self, fault: Fault) -> None:
        await fault.strike(self)
        for result in await asyncio.gather(*self.loads.values(), return_exceptions=True):
            if isinstance(result, Died):
                continue
            if isinstance(result, BaseException):
                raise result
            self.failures += result.pop("complaints")
            self.counts.update(result)

    async def judge(self) -> None:
        away = self.directory_was_away
        followed = asyncio.gather(*(store.ask("followed", directory_was_away=away) for store in self.stores))
        judged = await self.chance.choice(self.stores).ask("judge")
        self.failures += judged["violations"]
        for troubles in await followed:
            self.failures += troubles
        self._events, self._told = judged["events"], judged["told"]

    async def end(self) -> None:
        """Close everything, open each host once more and compare its copies; leave nothing behind."""
        self.counts["events"] += self._events
        self.counts["acknowledged"] += self._told
        await asyncio.gather(*(store.ask("close") for store in self.stores))
        firsts = {store.data: store for store in self.stores}
        for store in firsts.values():
            store.arguments["lock_wait_s"] = 20.0  # nobody is stopped now
        compared = await asyncio.gather(*(self._compare(store) for store in firsts.values()))
        self.counts["copies compared"] += len(firsts)
        self.failures += [line for found in compared for line in found]
        await self.sql(f"DROP SCHEMA {self.schema} CASCADE")

    async def _compare(self, store: OpenStore) -> list[str]:
        await store.open()
        found: list[str] = await store.ask("compare")
        await store.ask("close")
        return found

    async def sql(self, statement: str) -> None:
        connection = await asyncpg.connect(**self.postgres, server_settings={"application_name": "fencing"})
        try:
            await connection.execute(statement)
        finally:
            await connection.close()
