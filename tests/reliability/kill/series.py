"""Kills at random instants: series of victims in one directory, judged after each. Draws all from a seed."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.reliability.kill.place import LINES, SESSIONS, Place, new_place
from tests.reliability.kill.victim import Victim, import_transcripts, start

KILLS_PER_SERIES = 10
MENDING = ("repair", "restore segments")
# By the share of kills. What is not about appending alone has agents append as well, where it can.
WORKS = {
    "append": 50, "reopen": 15, "verify": 7, "rebuild": 7, "repair": 8, "restore segments": 6, "import": 7,
}  # fmt: skip
# Most are killed under load, after their first append; the others at any instant from their start on.
UNDER_LOAD = 0.7
DELAY_MAX_S = 0.4


class Kills:
    """What the series of a run did.

    Attributes:
        counts: kills by what was killed, and what was found on the way.
        failures: each with the seed of its series, which repeats it as far as instants can be.
    """

    def __init__(self, folder: Path, postgres: dict[str, Any]) -> None:
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []
        self._folder, self._postgres = folder, postgres

    async def series(self, seed: int, kills: int, works: Mapping[str, int] = WORKS) -> None:
        """Kill so many times in one directory.

        Args:
            works: what the victims do, and how often one does.
        """
        chance = random.Random(seed)
        async with new_place(self._folder, self._postgres) as place:
            for number in range(kills):
                work = chance.choices(list(works), list(works.values()))[0]
                found = await self._kill(place, work, chance, last=number == kills - 1)
                if found:
                    self.failures += [f"series {seed}, kill {number} ({work}): {line}" for line in found]
                    break
            self.counts["acknowledged commands"] += place.acknowledged()
            torn = place.data / "quarantine"
            self.counts["files in quarantine"] += len(list(torn.iterdir())) if torn.exists() else 0

    async def _kill(self, place: Place, work: str, chance: random.Random, *, last: bool) -> list[str]:
        """Let one to three processes do the work of one directory, kill them, and judge."""
        if work == "repair":
            place.spoil(chance)
        elif work == "restore segments":
            place.lose_segments()
        elif work == "import":
            place.write_transcripts()
        before, noted = place.acknowledged(), place.notes.stat().st_size
        processes = []
        for _ in range(chance.choice([1, 1, 1, 2, 3]) if work in ("append", "reopen") else 1):
            agents = chance.choice([1, 2, 8, 24, 64])
            size = chance.choice([4096, 16_384, 65_536])
            plan = place.plan(work, seed=chance.randrange(2**32), agents=agents, segment_bytes_max=size)
            processes.append(await start(plan))
        found = []
        try:
            for process in processes:
                if work not in MENDING and chance.random() < UNDER_LOAD:
                    await until_noted(place, noted, process)
                await asyncio.sleep(DELAY_MAX_S * chance.random())
                process.kill()
                found += self._count(work, await process.ended())
        finally:
            for process in processes:
                process.kill()
                await process.ended()
        if place.acknowledged() == before:
            self.counts["before anything was acknowledged"] += 1
        found += await place.judge(work, last=last)
        if work == "import" and not found:
            found += await _import_again(place)
        return found

    def _count(self, work: str, exit_code: int) -> list[str]:
        if exit_code == -9:
            self.counts["kills"] += 1
            self.counts[f"in {work}"] += 1
            return []
        self.counts["were done before"] += 1
        return [] if exit_code == 0 else [f"the victim failed by itself, exit code {exit_code}"]


async def until_noted(place: Place, noted: int, process: Victim) -> None:
    """Wait until a victim has written its first note, or has ended."""
    while place.notes.stat().st_size == noted and process.running:  # noqa: ASYNC110 - its file
        await asyncio.sleep(0.005)


async def _import_again(place: Place) -> list[str]:
    """What was killed in the middle is imported whole by doing it again, and nothing twice."""
    again = await import_transcripts(place.plan("import"))
    there = again.events_new + again.events_present
    if there != SESSIONS * (LINES + 1):
        return [f"an import that was killed and repeated has {there} events"]
    once_more = await import_transcripts(place.plan("import"))
    return [f"imported {once_more.events_new} events twice"] if once_more.events_new else []


async def run_series(done: Kills, *, seed: int, kills: int, lanes: int = 2) -> None:
    """Kill at least so many processes, in series side by side."""
    seeds = random.Random(seed)

    async def lane() -> None:
        while done.counts["kills"] < kills and not done.failures:
            left = kills - done.counts["kills"]
            await done.series(seeds.randrange(2**32), min(KILLS_PER_SERIES, left))

    await asyncio.gather(*(lane() for _ in range(lanes)))
