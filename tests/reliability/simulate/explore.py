"""From one run to its crashed disks, each recovered and checked: the unit of work of a simulation.

Counted is honestly: a state is one disk that differs from every other one of its run, or was promised
something else, and that was recovered and checked. Crashes within recoveries are states as well.
"""

from __future__ import annotations

import gc
import logging
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from tests.reliability.simulate.recovery import Recovered, recover
from tests.reliability.simulate.run import simulate
from tests.reliability.simulate.states import Camera, Cut, Past
from tests.support.lossy_disk import Directory, restart_inodes

FATES = 24  # drawn for each operation; those that give a disk seen before are not counted
# Of the states in which the power goes again: how many at each depth, after which share of the
# operations of the recovery, with how many fates.
NESTED_SHARES = (0.06, 0.4, 0.3)
NESTED_CUTS_SHARE = 0.12
NESTED_FATES = 3


@dataclass
class Explored:
    """What came of one run; counts in the order to show."""

    number: int
    counts: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def count(self, name: str, by: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + by


def explore(
    seed: int, number: int, only: str | None = None, stop_at_first: bool = False, share: float = 1.0
) -> Explored:
    """Simulate run `number` and check the states of its crashes.

    Args:
        only: the name of one state: nothing else is checked.
        share: of the operations, those after which it crashes: less of each run leaves time for more runs.
    """
    gc.set_threshold(100_000, 20, 100)  # many small objects, hardly a cycle: a tenth of the time
    run, found = simulate(seed, number), Explored(number)
    found.count("runs")
    found.count("commands", len(run.notes.calls))
    found.failures += [f"run={number} {violation}" for violation in run.violations]
    past = run.past()
    for camera in run.cameras.values():
        found.count("operations", len(camera.cuts))
        explorer = _Explorer(f"{seed}.{number}", past, found, only)
        chance = Random(f"share {seed}.{number}")
        cuts = [cut for cut in camera.cuts if chance.random() < share]
        for _ in explorer.states_of(cuts, 0):
            if found.failures and stop_at_first:
                return found
    return found


def keep_quiet() -> None:
    """What a simulated disk does is no news."""
    logging.disable(logging.CRITICAL)


def begin_work() -> None:
    """Make ready a worker process: a Ctrl-C is for the one that reports."""
    keep_quiet()
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class _Explorer:
    """Goes through the states of one disk, and through crashes of their recoveries."""

    def __init__(self, name: str, past: Past, found: Explored, only: str | None) -> None:
        self._name = name
        self._past = past
        self._found = found
        self._only = only
        self._seen: set[int] = set()

    def states_of(self, cuts: list[Cut], depth: int) -> Iterator[None]:
        """Check every state of these cuts; yields after each."""
        for cut in cuts:
            for number in range(FATES if depth == 0 else NESTED_FATES):
                name = f"{cut.name}.{number}"
                if self._only is not None and not (self._only + ".").startswith(name + "."):
                    continue
                random = Random(f"{self._name} {name}")
                root = cut.crashed(number, random)
                key = hash((root.contents(), number == 0, cut.acknowledged, tuple(cut.mirrors.values())))
                if key not in self._seen:
                    self._seen.add(key)
                    yield from self._state(name, root, cut, random, depth)

    def _state(self, name: str, root: Directory, cut: Cut, random: Random, depth: int) -> Iterator[None]:
        goes_deeper = depth < len(NESTED_SHARES) and random.random() < NESTED_SHARES[depth]
        camera = Camera(name, NESTED_CUTS_SHARE, random) if goes_deeper else None
        # Names of files made here are numbers that no file of the run has.
        restart_inodes(1_000_000 * (depth + 1))
        result = recover(root, cut, self._past, random, camera)
        if self._only in (None, name):
            self._note(name, result, depth)
            yield
        if camera is not None:
            yield from self.states_of(camera.cuts, depth + 1)

    def _note(self, name: str, result: Recovered, depth: int) -> None:
        found = self._found
        found.count("states")
        found.count("in_recoveries", depth > 0)
        found.count("torn_tails", result.torn)
        found.count("damaged_afterwards", result.damaged)
        if result.wrong:
            kind = result.wrong.split()[0].lower()
            found.count({"false": "false_alarms", "phantom": "phantoms", "lost": "lost"}.get(kind, "other"))
            found.failures.append(f"run={found.number} state={name} {result.wrong}")
