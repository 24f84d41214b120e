"""A series: load, workers that are killed at random, quiet, and then the log is read from its beginning."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
import time
from pathlib import Path

import agentlog
from tests.reliability.workers.judge import Judge
from tests.reliability.workers.worker import LEASE_S

ROOT = Path(__file__).parents[3]
RUNNING_MAX = 3
QUIET_S = 120.0


class Series:
    """Runs workers over one data directory.

    Attributes:
        counts: what was done. failures: what broke a promise.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.counts: dict[str, int | float | str] = {}
        self.failures: list[str] = []
        self._folder = folder
        self._chance = random.Random(seed)
        self._workers: list[asyncio.subprocess.Process] = []
        self._kills = 0

    async def run(self, *, seconds: float, workers: int, pause_s: float) -> None:
        """Enqueue and kill for so many seconds, then let the survivors finish, and judge."""
        async with agentlog.open(self._folder / "data") as store:
            try:
                for _ in range(workers):
                    self._workers.append(await self._start())
                until = time.monotonic() + seconds
                await asyncio.gather(self._load(store, until), self._kill(until, pause_s))
                await self._finish(store)
            finally:
                for worker in self._workers:
                    if worker.returncode is None:
                        worker.send_signal(signal.SIGTERM)
                codes = [await worker.wait() for worker in self._workers]
            # One that was just being started had not yet said what a SIGTERM is to do.
            if set(codes) - {0, -signal.SIGTERM}:
                self.failures.append(f"workers that were told to stop ended with {codes}")
            await self._judge(store)

    async def _start(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.reliability.workers.worker", str(self._folder / "data"),
            str(self._folder / "notes"), str(self._chance.randrange(2**32)), cwd=ROOT,
        )  # fmt: skip

    async def _load(self, store: agentlog.Store, until: float) -> None:
        limits = agentlog.Limits(lane="narrow", running_max=RUNNING_MAX)
        while time.monotonic() < until:
            draw = self._chance.random()
            if draw < 0.5:
                await store.queue.enqueue(f"session {self._chance.randrange(5)}", draw)
            else:
                await store.tasks.enqueue(
                    [draw], retries_max=4, backoff_s=0.05, limits=limits if draw > 0.8 else None
                )
            await asyncio.sleep(self._chance.random() * 0.03)

    async def _kill(self, until: float, pause_s: float) -> None:
        while time.monotonic() < until:
            await asyncio.sleep(self._chance.random() * 2 * pause_s)
            number = self._chance.randrange(len(self._workers))
            self._workers[number].kill()
            await self._workers[number].wait()
            self._workers[number] = await self._start()
            self._kills += 1

    async def _finish(self, store: agentlog.Store) -> None:
        """Wait until nothing waits or runs."""
        until = time.monotonic() + QUIET_S
        while time.monotonic() < until:
            items, tasks = await store.queue.status(), await store.tasks.status()
            if not (items["pending"] or items["claimed"] or tasks["pending"] or tasks["running"]):
                return
            await asyncio.sleep(LEASE_S / 10)
        self.failures.append(f"after {QUIET_S} s there is still work: {items}, {tasks}")

    async def _judge(self, store: agentlog.Store) -> None:
        judge = Judge(RUNNING_MAX)
        async for block in store.log.read():
            judge.read(block)
        told = [line.split(" ") for line in (self._folder / "notes").read_text().splitlines()]
        kinds = {"task": "task", "item": "queue_item"}
        untrue = [
            f"TOLD AND NOT SO {kind} {id} {token}"
            for kind, id, token in told
            if judge.done.get((kinds[kind], id)) != int(token)
        ]
        self.failures += [*judge.wrong, *judge.lost(), *untrue]
        self.failures += [str(finding) for finding in await store.verify()]
        self.counts = {
            "kill -9 of a worker": self._kills,
            "items and tasks enqueued": len(judge.enqueued),
            "claims": judge.claims,
            "claims that returned": judge.released,
            "completions that were told": len(told),
            "lost": len(judge.lost()),
            "double completions": sum("DOUBLE" in line for line in judge.wrong),
        }
