"""Crashes of simulated machines: python -m tests.reliability.simulate --seed S --states N

Runs follow each other until so many crashed disks were recovered and checked, or until Ctrl-C. Every failure
names its run and its state; --run and --state make that one again and nothing else.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from tests.reliability.report import Report, argument_parser, chosen_seed
from tests.reliability.simulate.explore import Explored, begin_work, explore, keep_quiet

PROGRESS_S = 30.0

# Shown even when there are none.
_COUNTS = (
    "states",
    "lost",
    "phantoms",
    "false_alarms",
    "runs",
    "commands",
    "operations",
    "in_recoveries",
    "torn_tails",
    "damaged_afterwards",
)


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    report = Report("simulate", chosen_seed(options))
    report.counts.update(dict.fromkeys(_COUNTS, 0))
    keep_quiet()
    told_at = time.monotonic()
    try:
        for explored in _explored(options, report):
            _add(report, explored)
            if report.failures and options.stop_at_first:
                break
            if time.monotonic() - told_at > PROGRESS_S:
                told_at = time.monotonic()
                print(f"{report.counts['states']:,} states, {len(report.failures)} failures", file=sys.stderr)
    except KeyboardInterrupt:
        pass  # how a run without limit ends
    except BrokenProcessPool:
        report.failures.append("a worker was killed: what it did is not counted")
    report.counts["states_per_s"] = round(
        int(report.counts["states"]) / max(time.monotonic() - report.started, 0.1)
    )
    return report.finish(as_json=options.json)


def _add(report: Report, explored: Explored) -> None:
    for name, count in explored.counts.items():
        report.counts[name] = int(report.counts.get(name, 0)) + count
    again = f"python -m tests.reliability.simulate --seed {report.seed}"
    for failure in explored.failures:
        report.failures.append(f"seed={report.seed} {failure} | {again} {_flags(failure)}")
        print(f"FAILED {report.failures[-1]}", file=sys.stderr, flush=True)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argument_parser(__doc__ or "")
    parser.add_argument(
        "--states", type=int, default=1_000_000, help="how many crashed disks to check; 0: no limit"
    )
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--stop-at-first", action="store_true", help="end with the first failure")
    parser.add_argument(
        "--share", type=float, default=1.0, help="of the operations, those that are crashed after"
    )
    parser.add_argument("--run", type=int, help="one run alone")
    parser.add_argument("--state", help="of that run, one state alone")
    return parser.parse_args(arguments)


def _flags(failure: str) -> str:
    words = [word for word in failure.split() if word.startswith(("run=", "state="))]
    return " ".join(f"--{word.replace('=', ' ')}" for word in words[:2])


def _explored(options: argparse.Namespace, report: Report) -> Iterator[Explored]:
    """Yield runs in their order, as many as it takes."""
    if options.run is not None:
        yield explore(report.seed, options.run, options.state)
        return
    numbers = iter(range(sys.maxsize))
    if options.workers == 1:
        results = (
            explore(report.seed, number, None, options.stop_at_first, options.share) for number in numbers
        )
        yield from _until_enough(results, options.states)
        return
    with ProcessPoolExecutor(options.workers, get_context("spawn"), begin_work) as pool:
        yield from _until_enough(_in_order(pool, report.seed, options), options.states)
        pool.shutdown(cancel_futures=True)


def _until_enough(results: Iterator[Explored], states: int) -> Iterator[Explored]:
    done = 0
    for explored in results:
        yield explored
        done += explored.counts.get("states", 0)
        if states and done >= states:
            return


def _in_order(pool: ProcessPoolExecutor, seed: int, options: argparse.Namespace) -> Iterator[Explored]:
    """Keep the workers busy; results in the order of their numbers, so that every machine counts alike."""
    ahead: dict[int, Future[Explored]] = {}
    next_number = 0
    for number in range(sys.maxsize):
        while len(ahead) < options.workers * 3:
            arguments = (seed, next_number, None, options.stop_at_first, options.share)
            ahead[next_number] = pool.submit(explore, *arguments)
            next_number += 1
        wait([ahead[number]], return_when=FIRST_COMPLETED)
        yield ahead.pop(number).result()


if __name__ == "__main__":
    sys.exit(main())
