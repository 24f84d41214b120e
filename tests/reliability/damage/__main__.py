"""Damage of every enumerated kind: `python -m tests.reliability.damage --seed S` (`make damage`).

    bits          every single bit of the reference logs flipped, one at a time
    truncations   every segment cut at every byte, with HEAD and with Postgres' row as the witness
    places        sectors, pages, blocks and files lost, zeroed, swapped, doubled, misdirected, stale
    bursts        runs of 1 to 64 random bytes
    kinds         damage of one copy of a real log, found by verify and mended by repair (kinds.py)

The first four run on files in memory in as many processes as there are cores.
"""

from __future__ import annotations

import logging
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from random import Random
from typing import NamedTuple

from tests.reliability.damage import states
from tests.reliability.damage.mending import try_kinds
from tests.reliability.damage.oracle import FOUND, HARMLESS, judge, judge_truncation, opening_refuses
from tests.reliability.damage.reference import HEAD, Reference, large_reference, references
from tests.reliability.report import Report, argument_parser, chosen_seed

PARTS = ("bits", "truncations", "places", "bursts", "kinds")
BITS_AT_ONCE = 4_000
BURSTS = 20_000


class Tally(NamedTuple):
    """What became of some states: how many of each outcome, and the ones that broke a promise."""

    outcomes: Counter[str]
    broken: list[str]


class Task(NamedTuple):
    """States of one log, to be tried in one process. `run` yields (what was done, outcome)."""

    part: str
    log: int
    run: Callable[[list[Reference]], Iterator[tuple[str, str]]]


def tasks(logs: list[Reference], seed: int, parts: list[str], bursts: int) -> Iterator[Task]:
    """Return the work, cut into pieces; the last log is the large one."""
    small = len(logs) - 1
    for number in range(small):
        if "bits" in parts:
            for first in range(0, states.bit_count(logs[number]), BITS_AT_ONCE):
                yield Task("bits", number, partial(_bits, number, first))
        if "truncations" in parts:
            yield Task("truncations", number, partial(_truncations, number))
    for number in range(len(logs)):
        if "places" in parts:
            for size in (512, 4096):
                yield Task("places", number, partial(_sectors, number, size, f"{seed} {number}"))
            yield Task("places", number, partial(_blocks_and_files, number))
        if "bursts" in parts:
            share = bursts // len(logs)
            yield Task("bursts", number, partial(_bursts, number, share, f"{seed} bursts {number}"))


def _bits(number: int, first: int, logs: list[Reference]) -> Iterator[tuple[str, str]]:
    log = logs[number]
    for what, files in states.bits(log, first, first + BITS_AT_ONCE):
        yield what, judge_flip(log, files)


def judge_flip(log: Reference, files: Mapping[str, bytes]) -> str:
    """Judge a flipped bit: what is not found must mean nothing; the newest segment is not even opened."""
    outcome = judge(log, files)
    if outcome == HARMLESS and not means_nothing(log, files):
        return "not noticed"
    newest = log.segments[-1]
    end = states.blocks_end(log, newest)
    if files[newest][:end] != log.files[newest][:end] and not opening_refuses(log, files):
        return "opened although a block of the newest segment is damaged"
    return outcome


def means_nothing(log: Reference, files: Mapping[str, bytes]) -> bool:
    """Return whether only bytes were changed that nobody reads.

    These are the bytes between the slots of HEAD, and what was left of a segment being made.
    """
    (changed,) = [path for path in files if files[path] != log.files[path]]
    before, after = log.files[changed], files[changed]
    gap = changed == HEAD and (before[:68], before[512:]) == (after[:68], after[512:])
    return gap or changed.endswith(".new")


def _truncations(number: int, logs: list[Reference]) -> Iterator[tuple[str, str]]:
    log = logs[number]
    for what, files in states.truncations(log):
        yield what, judge_truncation(log, files)


def _sectors(number: int, size: int, seed: str, logs: list[Reference]) -> Iterator[tuple[str, str]]:
    log = logs[number]
    for what, files in states.sectors(log, Random(seed), size):
        yield what, judge(log, files)


def _blocks_and_files(number: int, logs: list[Reference]) -> Iterator[tuple[str, str]]:
    log = logs[number]
    for part in (states.blocks(log), states.files(log, logs[number - 1])):
        for what, files in part:
            yield what, judge(log, files)


def _bursts(number: int, count: int, seed: str, logs: list[Reference]) -> Iterator[tuple[str, str]]:
    log = logs[number]
    for what, files in states.bursts(log, Random(seed), count):
        yield what, judge(log, files)


_logs: list[Reference] = []


def begin(logs: list[Reference]) -> None:
    """Make a worker process ready: the logs are the same in all of them."""
    _logs[:] = logs
    logging.disable(logging.WARNING)  # of slots of HEAD that were mended, as they should be


def work(task: Task) -> tuple[str, Tally]:
    """Try the states of a task."""
    outcomes: Counter[str] = Counter()
    broken = []
    for what, outcome in task.run(_logs):
        outcomes[outcome if outcome in (FOUND, HARMLESS) else "broken"] += 1
        if outcome not in (FOUND, HARMLESS):
            broken.append(f"{task.part}, log {_logs[task.log].name!r}, {what}: {outcome}")
    return task.part, Tally(outcomes, broken)


def run(report: Report, parts: list[str], bursts: int, workers: int) -> None:
    """Try the parts on files in memory and add them up."""
    logs = [*references(report.seed), large_reference(report.seed)]
    todo = list(tasks(logs, report.seed, parts, bursts))
    with ProcessPoolExecutor(workers, initializer=begin, initargs=(logs,)) as pool:
        for part, tally in pool.map(work, todo):
            for outcome in (FOUND, HARMLESS, "broken"):
                name = f"{part}_{outcome}"
                report.counts[name] = int(report.counts.get(name, 0)) + tally.outcomes[outcome]
            report.failures += tally.broken


def main() -> int:
    """Run from the command line."""
    parser = argument_parser(__doc__ or "")
    parser.add_argument("--only", choices=PARTS, action="append", help="one part; may be repeated")
    parser.add_argument("--bursts", type=int, default=BURSTS)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    report = Report("damage", chosen_seed(arguments))
    parts = arguments.only or list(PARTS)
    run(report, parts, arguments.bursts, arguments.workers)
    if "kinds" in parts:
        try_kinds(report)
    return report.finish(as_json=arguments.json)


if __name__ == "__main__":
    sys.exit(main())
