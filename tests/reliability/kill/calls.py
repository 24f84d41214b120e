"""Kills before every call that changes a log directory, and in the middle of every write, one by one.

A scene is a small piece of work on a prepared log. Victims die at the first call, at the second, and so
on, until one of them comes through alive: then before every call a victim has died, which is also after
the call before it. What "every call" leaves out, straced.py finds.
"""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

from eventlog.segment.format import BLOCK_HEADER_BYTES, FILE_HEADER_BYTES
from tests.reliability.kill.place import Place, new_place
from tests.reliability.kill.victim import fixed, start

HOW = ("before", "middle")
# A place is left for a new one after so many kills: what grows in it makes the work longer.
KILLS_PER_PLACE = 20
SEGMENT_BYTES_MAX = 4096
SEGMENTS_MIN = 3


class Scene(NamedTuple):
    """One piece of work, and what is done to the log before it."""

    name: str
    work: str
    prepare: Callable[[Place], Awaitable[None]]


async def _untouched(place: Place) -> None:
    """Nothing: the log is opened, written over the ends of segments, closed."""


async def _new_directory(place: Place) -> None:
    shutil.rmtree(place.data)


async def _torn(place: Place) -> None:
    place.tear()


async def _frame_damaged(place: Place) -> None:
    place.flip(place.segments()[0], FILE_HEADER_BYTES + BLOCK_HEADER_BYTES + 20)


async def _header_damaged(place: Place) -> None:
    segments = place.segments()
    place.flip(segments[-2], FILE_HEADER_BYTES + 20)


async def _segments_lost(place: Place) -> None:
    place.lose_segments()


async def _schema_lost(place: Place) -> None:
    await place.lose_schema()


SCENES = (
    Scene("append, rotate, seal, close", "fixed", _untouched),
    Scene("a new directory", "fixed", _new_directory),
    Scene("recovery of a torn tail", "fixed", _torn),
    Scene("repair in place", "repair", _frame_damaged),
    Scene("repair by writing anew", "repair", _header_damaged),
    Scene("restore segments", "restore segments", _segments_lost),
    Scene("restore postgres", "restore postgres", _schema_lost),
)


async def ready(place: Place, scene: Scene) -> None:
    """Bring a place to where a scene begins."""
    while len(place.segments()) < SEGMENTS_MIN:  # a repair may have made one of all
        await fixed(place.plan("fixed", segment_bytes_max=SEGMENT_BYTES_MAX))
    await scene.prepare(place)


class CallKills:
    """What was done.

    Attributes:
        counts: kills by scene.
        failures: each names scene, call and how, which repeats it.
    """

    def __init__(self, folder: Path, postgres: dict[str, Any]) -> None:
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []
        self._folder, self._postgres = folder, postgres

    async def every(self, scene: Scene, how: str, *, step: int = 1) -> None:
        """Kill at every call of a scene, or at every so many."""
        at: int | None = 1
        while at is not None and not self.failures:
            async with new_place(self._folder, self._postgres) as place:
                for _ in range(KILLS_PER_PLACE):
                    if not await self._kill(place, scene, how, at):
                        at = None
                        break
                    at += step

    async def _kill(self, place: Place, scene: Scene, how: str, at: int) -> bool:
        """Kill one victim at one call, and judge; False when it came through alive."""
        await ready(place, scene)
        plan = place.plan(scene.work, segment_bytes_max=SEGMENT_BYTES_MAX, kill_at=(how, at))
        process = await start(plan)
        try:
            code = await process.ended()
        finally:
            process.kill()
        found = await place.judge(scene.work)
        if code not in (0, -9):
            found.append(f"the victim failed by itself, exit code {code}")
        self.failures += [f"{scene.name}, {how} call {at}: {line}" for line in found]
        if code == -9:
            self.counts[f"kills at calls: {scene.name}"] += 1
        return code == -9 and not found


async def run_calls(done: CallKills, *, lanes: int = 2) -> None:
    """Kill at every call of every scene."""
    left = [(scene, how) for scene in SCENES for how in HOW]

    async def lane() -> None:
        while left and not done.failures:
            await done.every(*left.pop())

    await asyncio.gather(*(lane() for _ in range(lanes)))
