"""Races of several writers: `python -m tests.reliability.fencing`. Draws all from a seed, counts, judges."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from tests.reliability.fencing.crew import WorkerProcess, crew
from tests.reliability.fencing.scenes import NEEDING, SCENES, play
from tests.reliability.fencing.series import PROCESSES, RACES_PER_SERIES, Series
from tests.reliability.report import Report, argument_parser, chosen_seed
from tests.support.postgres import start_shared_server


def main() -> int:
    parser = argument_parser("Several writers on one log, with faults; what clients were told is compared")
    parser.add_argument("--races", type=int, default=1000, help="default 1000")
    parser.add_argument(
        "--series", type=int, default=None, help="repeat this one alone, as a failure names it"
    )
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # cleans up as Ctrl-C does
    report = Report("fencing", chosen_seed(arguments))
    with start_shared_server() as server, tempfile.TemporaryDirectory(prefix="agentlog-fence-") as folder:
        asyncio.run(run(report, Path(folder), server.connection, arguments.races, arguments.series))
    return report.finish(as_json=arguments.json)


async def run(
    report: Report, folder: Path, postgres: dict[str, Any], races: int, only: int | None = None
) -> None:
    """Run so many races, in series; what was done goes into the report."""
    counts: Counter[str] = Counter()
    series = -(-races // RACES_PER_SERIES)
    async with crew(max(PROCESSES)) as workers:
        if only is None:
            await run_scenes(report, folder, workers, postgres)
        for number in range(series) if only is None else [only]:
            left = races - number * RACES_PER_SERIES if only is None else RACES_PER_SERIES
            place = folder / str(number)
            place.mkdir()
            await run_series(report, counts, number, min(left, RACES_PER_SERIES), place, workers, postgres)
            shutil.rmtree(place)
    report.counts |= {"races": 0, **{name: counts[name] for name in sorted(counts)}}
    report.counts["races"] = sum(count for name, count in counts.items() if name.startswith("races: "))


async def run_scenes(
    report: Report, folder: Path, workers: list[WorkerProcess], postgres: dict[str, Any]
) -> None:
    """Play every scene that can be played here."""
    played = 0
    for scene in (*SCENES, *NEEDING):
        if why := NEEDING.get(scene, lambda: "")():
            report.counts[f"left out: {scene.__name__}"] = why
            continue
        place = folder / scene.__name__
        place.mkdir()
        series = Series(place, postgres, workers, random.Random(report.seed), Counter())
        try:
            report.failures += await play(series, scene)
        except Exception as error:
            report.failures.append(f"{scene.__name__}: {type(error).__name__}: {error}")
            await renew(workers)
        played += 1
    report.counts["scenes"] = played


async def renew(workers: list[WorkerProcess]) -> None:
    """Put others in the place of processes that may be in any state."""
    await asyncio.gather(*(worker.kill() for worker in workers))
    await asyncio.gather(*(worker.start() for worker in workers))


async def run_series(
    report: Report,
    counts: Counter[str],
    number: int,
    races: int,
    folder: Path,
    workers: list[WorkerProcess],
    postgres: dict[str, Any],
) -> None:
    """Run one series; its failures say how it is repeated."""
    one = Series(folder, postgres, workers, random.Random(f"{report.seed} {number}"), counts)
    try:
        await one.begin()
        for _ in range(races):
            counts[f"races: {await one.race()}"] += 1
            if one.failures:
                break
        await one.end()
    except Exception as error:
        one.failures.append(f"{type(error).__name__}: {error}")
    if one.failures:
        await renew(workers)
    for failure in one.failures:
        report.failures.append(f"--seed {report.seed} --series {number}: {failure}")
        print(report.failures[-1], file=sys.stderr, flush=True)  # the run goes on for long


if __name__ == "__main__":
    sys.exit(main())
