"""Cycles: agents append, something happens to Postgres, the same open store goes on, all is judged.

Two kinds of store: one that was given the server's address, and one that started its own server in its
data directory, which another opener has to start again. After each fault the store must append again
without being opened again, each command in doubt must get its one true answer, and nothing may hang.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import agentlog
from agentlog.store import Store
from eventlog.errors import LogUnavailable
from eventlog.settings import Settings
from tests.reliability.history import check, compare_copies
from tests.reliability.kill.place import new_place
from tests.reliability.kill.series import until_noted
from tests.reliability.kill.victim import start
from tests.reliability.kill_postgres.server import Server
from tests.reliability.load import Load
from tests.reliability.recorder import Recorder, read_calls

CYCLES_PER_SERIES = 8
# Of series: a process and the server that it started die together.
SHARE_TOGETHER = 0.2
RESUME_LIMIT_S = 60.0
JUDGE_ATTEMPTS = 3
# A directory too deep for a socket's address: the server is then reached in another way.
DEEP = "d" * 60

Fault = Callable[[Server, random.Random], Awaitable[None]]


async def _down(chance: random.Random) -> None:
    await asyncio.sleep(chance.choice([0.0, 0.0, 0.3]) * chance.random())


async def _kill(server: Server, chance: random.Random) -> None:
    await server.kill()
    await _down(chance)
    await server.start()


async def _kill_postmaster(server: Server, chance: random.Random) -> None:
    await server.kill_postmaster()
    await _down(chance)
    await server.start()


async def _stop_immediately(server: Server, chance: random.Random) -> None:
    await server.stop(signal.SIGQUIT)
    await _down(chance)
    await server.start()


async def _stop_fast(server: Server, chance: random.Random) -> None:
    await server.stop(signal.SIGINT)
    await _down(chance)
    await server.start()


async def _pause(server: Server, chance: random.Random) -> None:
    await server.pause(chance.choice([0.1, 0.5, 5.0]) * chance.random())


async def _kill_backend(server: Server, chance: random.Random) -> None:
    await server.kill_backend(chance)


async def _terminate(server: Server, chance: random.Random) -> None:
    await server.terminate_backends()


FAULTS: dict[str, Fault] = {
    "kill -9": _kill,
    "kill -9 of the postmaster": _kill_postmaster,
    "immediate stop": _stop_immediately,
    "fast stop": _stop_fast,
    "pause": _pause,
    "kill -9 of a backend": _kill_backend,
    "terminated backends": _terminate,
}
# kill -9 of the server is what the figure counts; the rest is there for company.
WEIGHTS = (50, 20, 6, 6, 6, 6, 6)
KILLS = ("kill -9", "kill -9 of the postmaster")
TOGETHER = "kill -9 of process and server"


class Cycles:
    """What the series of a run did.

    Attributes:
        counts: faults by kind, and what became of commands in doubt.
        failures: each with the seed of its series and the cycle.
        longest_resume_s: from the end of a fault to the first append that was acknowledged.
    """

    def __init__(self, folder: Path) -> None:
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []
        self.longest_resume_s = 0.0
        self._folder = folder

    @property
    def kills(self) -> int:
        return sum(self.counts[kind] for kind in KILLS)

    async def series(self, seed: int, cycles: int, *, embedded: bool) -> None:
        """So many faults to one server under one open store."""
        chance = random.Random(seed)
        deep = DEEP if chance.random() < 0.5 else "s"
        folder = self._folder / f"{seed}" / deep
        folder.mkdir(parents=True)
        folder.parent.chmod(0o755)
        server = Server(folder)
        settings = Settings(
            segment_bytes_max=chance.choice([16_384, 1024 * 1024]),
            unavailable_wait_s=chance.choice([0.0, 5.0]),
            command_timeout_s=chance.choice([3.0, 20.0]),
            connect_timeout_s=chance.choice([3.0, 10.0]),
        )
        found: list[str] = []
        try:
            await server.start()
            data = folder if embedded else folder / "data"
            store = await agentlog.open(
                data, postgres=None if embedded else server.connection, settings=settings, migrate=True
            )
            async with store:
                faults = chance.choices(list(FAULTS), WEIGHTS, k=cycles)
                found = await self._cycles(store, server, faults, chance, folder / "notes")
        except Exception as error:  # whatever it is, its series is what repeats it
            found = [f"{type(error).__name__}: {error}"]
        finally:
            await server.close()
            shutil.rmtree(folder.parent)
        kind = "embedded" if embedded else "given by its address"
        self.failures += [f"series {seed} ({kind}, {deep[:1]}): {line}" for line in found]

    async def _cycles(
        self, store: Store, server: Server, faults: list[str], chance: random.Random, notes: Path
    ) -> list[str]:
        """Go through the faults until one of them shows something wrong; return that."""
        recorder = Recorder(notes)
        load = Load(store, recorder, seed=chance.randrange(2**32), agents=chance.choice([1, 2, 8, 32]))
        task = asyncio.create_task(load.run())
        try:
            for number, fault in enumerate(faults):
                await self._until_appended(load, chance.randrange(1, 60))
                await FAULTS[fault](server, chance)
                self.counts[fault] += 1
                resumed = time.monotonic()
                await self._until_appended(load, 1)
                self.longest_resume_s = max(self.longest_resume_s, time.monotonic() - resumed)
                await load.pause()
                found = load.complaints + await _judge(store, notes, last=number == len(faults) - 1)
                if found:
                    return [f"cycle {number} ({fault}): {line}" for line in found]
                load.go_on()
            return []
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            recorder.close()
            self._count(notes)

    async def together(self, seed: int, cycles: int) -> None:
        """Kill a process and the server that it started, in either order; then open it all again."""
        chance = random.Random(seed)
        async with new_place(self._folder, None) as place:
            for number in range(cycles):
                agents, noted = chance.choice([1, 8, 32]), place.notes.stat().st_size
                process = await start(place.plan("append", seed=seed, agents=agents))
                server = Server(place.data)
                try:
                    await until_noted(place, noted, process)
                    await server.start()  # it runs: this only lets us know it
                    await asyncio.sleep(0.3 * chance.random())
                    if chance.random() < 0.5:
                        process.kill()
                    await server.kill()
                finally:
                    process.kill()
                    await process.ended()
                    await server.close()
                self.counts[TOGETHER] += 1
                found = await place.judge("append", last=number == cycles - 1)
                await server.close()
                if found:
                    self.failures += [f"together {seed}, {number}: {line}" for line in found]
                    return
            self.counts["acknowledged commands"] += place.acknowledged()

    async def _until_appended(self, load: Load, count: int) -> None:
        """Wait until so many more steps were taken. Raises TimeoutError when the store does not resume."""
        goal = load.appended + count
        async with asyncio.timeout(RESUME_LIMIT_S):
            while load.appended < goal:  # noqa: ASYNC110 - counted by many agents
                await asyncio.sleep(0.002)

    def _count(self, notes: Path) -> None:
        calls = read_calls(notes)
        unknown = {call.id for call in calls if call.told and call.told.error == "OutcomeUnknown"}
        told = {call.id for call in calls if call.outcome == "appended"}
        self.counts["acknowledged commands"] += len(told)
        self.counts["told OutcomeUnknown"] += len(unknown)
        self.counts["resolved when handed in again"] += len(unknown & told)


async def _judge(store: Store, notes: Path, *, last: bool) -> list[str]:
    """Return all that is wrong, while nobody appends.

    Reads need a connection within the store's limits, which a busy machine may exceed: up to thrice.
    """
    for attempt in range(JUDGE_ATTEMPTS):
        try:
            events = [event async for block in store.log.read() for event in block]
            return check([read_calls(notes)], events) + await compare_copies(store, thorough=last)
        except LogUnavailable:
            if attempt == JUDGE_ATTEMPTS - 1:
                raise
    raise AssertionError("the last attempt returns or raises")


async def run_cycles(done: Cycles, *, seed: int, kills: int, lanes: int = 2) -> None:
    """Kill the server at least so many times, in series side by side; other faults in between."""
    seeds = random.Random(seed)

    async def lane() -> None:
        while done.kills < kills and not done.failures:
            chance = seeds.random()
            if chance < SHARE_TOGETHER:
                await done.together(seeds.randrange(2**32), 3)
            else:
                await done.series(seeds.randrange(2**32), CYCLES_PER_SERIES, embedded=chance < 0.6)

    await asyncio.gather(*(lane() for _ in range(lanes)))
