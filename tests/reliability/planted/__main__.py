"""Planted bugs: python -m tests.reliability.planted --seed S [--only NAME]

Every suite first passes on a copy without a bug. Then each bug is planted into a copy of its own, and the
suites that should see it run until one fails. A bug that none of them finds is a hole in the suites.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.reliability.planted import disk, gate, mending, recovery, writing
from tests.reliability.planted.bug import SIMULATE, Bug, misses, plant
from tests.reliability.planted.suites import FAILED, HUNG, PASSED, TIMEOUT_S, Result, copied_tree, run_suite
from tests.reliability.report import Report, argument_parser, chosen_seed

BUGS: tuple[Bug, ...] = (*disk.BUGS, *recovery.BUGS, *writing.BUGS, *gate.BUGS, *mending.BUGS)
CONTROL_TIMEOUT_S = 1800.0


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    report = Report("planted", chosen_seed(options))
    chosen = [planted for planted in BUGS if options.only in planted.name]
    counts = ("found", "by_simulation", "by_tests", "hung", "missed")
    report.counts |= {"bugs": len(chosen), **dict.fromkeys(counts, 0)}
    if not chosen:
        report.failures.append(f"no bug has {options.only!r} in its name")
    # One copy to begin with: somebody may be working on the tree meanwhile.
    with copied_tree() as source:
        report.failures += [problem for planted in chosen for problem in misses(source, planted)]
        plantation = _Plantation(source, report, options.states)
        with ThreadPoolExecutor(options.jobs) as pool:
            try:
                if not report.failures:
                    list(pool.map(plantation.control, _controls(chosen)))
                if not report.failures:
                    list(pool.map(plantation.find, chosen))
            except BaseException:
                plantation.stop.set()
                pool.shutdown(cancel_futures=True)
                raise
    return report.finish(as_json=options.json)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argument_parser(__doc__ or "")
    parser.add_argument("--only", default="", help="bugs whose name has this in it")
    parser.add_argument("--states", type=int, default=6_000, help="of a simulation, at most")
    parser.add_argument("--jobs", type=int, default=2, help="copies of the tree at the same time")
    return parser.parse_args(arguments)


def _controls(chosen: Sequence[Bug]) -> list[str]:
    """The suites to be seen passing: the simulation, and all files of tests in two halves."""
    suites = {suite for planted in chosen for suite in planted.suites}
    tests = sorted(suites - {SIMULATE})
    halves = [" ".join(half) for half in (tests[::2], tests[1::2]) if half]
    return ([SIMULATE] if SIMULATE in suites else []) + halves


class _Plantation:
    """Plants bugs, from several threads, and notes in a report who found them.

    Args:
        source: a copy of the tree without a bug.
    Attributes:
        stop: once set, running suites are ended.
    """

    def __init__(self, source: Path, report: Report, states: int) -> None:
        self.stop = threading.Event()
        self._source = source
        self._report = report
        self._states = states
        self._noting = threading.Lock()

    def control(self, suite: str) -> None:
        """See a suite pass on a copy without a bug."""
        with copied_tree(self._source) as copy:
            result = self._run(suite, copy, CONTROL_TIMEOUT_S)
        with self._noting:
            _say(result, "no bug", suite)
            if result.verdict != PASSED:
                self._report.failures.append(f"without a bug: {suite}: {result.verdict}: {result.said}")

    def find(self, planted: Bug) -> None:
        """Plant a bug and run its suites until one fails."""
        results: list[Result] = []
        for suite in planted.suites:
            with copied_tree(self._source) as copy:
                plant(copy, planted)
                results.append(self._run(suite, copy))
            if results[-1].verdict in (FAILED, HUNG):
                break
        with self._noting:
            self._note(planted, results)

    def _run(self, suite: str, copy: Path, timeout_s: float = TIMEOUT_S) -> Result:
        seed = self._report.seed
        return run_suite(suite, copy, seed=seed, states=self._states, timeout_s=timeout_s, stop=self.stop)

    def _note(self, planted: Bug, results: Sequence[Result]) -> None:
        last, counts = results[-1], self._report.counts
        if last.verdict == FAILED:
            kinds = ("found", "by_simulation" if last.suite == SIMULATE else "by_tests")
        elif last.verdict == HUNG:
            # A suite whose own waits have no end has not said what is wrong.
            kinds = ("found", "hung")
        else:
            kinds = ("missed",)
            tried = "; ".join(f"{result.suite}: {result.verdict} {result.said}" for result in results)
            self._report.failures.append(f"{planted.name}: not found by {tried}")
        for kind in kinds:
            counts[kind] = int(counts[kind]) + 1
        seconds = sum(result.seconds for result in results)
        _say(last._replace(seconds=seconds), planted.name, last.suite if "found" in kinds else "nobody")


def _say(result: Result, name: str, suite: str) -> None:
    """One line of the table."""
    said = result.said[:140] if result.verdict == FAILED else ""
    print(
        f"{result.verdict:<7} {result.seconds:>5.0f} s  {result.tried:<12} {name} | {suite} | {said}",
        file=sys.stderr,
        flush=True,
    )


if __name__ == "__main__":
    # Whatever ends a run, its copies and what runs in them go with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))
    sys.exit(main())
