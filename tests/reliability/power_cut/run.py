"""Recordings, power cuts, checks, until enough were made. The first process of its namespaces (`__main__`).

One recording serves many cuts: a log works on a new file system, then the power is cut at moments of
that recording, in order; every fourth time it is cut again while the log recovers from that cut.
"""

from __future__ import annotations

import bisect
import math
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any, Protocol

from tests.reliability.power_cut.faults import SEGMENT_FAULTS, STORE_FAULTS
from tests.reliability.power_cut.options import Options, options
from tests.reliability.power_cut.recording import PAGE_BYTES, SECTOR_BYTES
from tests.reliability.power_cut.rig import (
    MIB,
    Disk,
    NotMounted,
    make_file_system,
    make_workplace,
    mounted,
    new_disk,
)
from tests.reliability.power_cut.segments import Segments
from tests.reliability.power_cut.stores import Stores
from tests.reliability.report import Report

BASE = Path("/dev/shm")  # a tmpfs that only this run sees
CUTS_PER_RECORDING = 25
CUTS_PER_FAULT = 3


class Workload(Protocol):
    """What works on a disk and knows what must be there after a cut. One object per recording.

    Its notes are what clients handed in and were told: `until(moment_ns)`, `acknowledged`,
    `moments_told_ns()`.
    """

    name: str
    disk_mib: int
    counts: Counter[str]

    def __init__(self, random: Random, disk: Disk) -> None: ...
    def load(self, place: Path) -> Any: ...
    def check(self, place: Path, notes: Any) -> Any: ...


class Run:
    """All recordings of one run, and what came of them."""

    def __init__(self, report: Report, random: Random, keep: Path) -> None:
        self.report, self.random, self.keep = report, random, keep
        self.counts: Counter[str] = Counter()

    def cuts(self, workload: type[Workload], kind: str, cuts: int) -> None:
        """Make so many cuts of one workload on one kind of file system."""
        if cuts == 0:
            return
        what, began, done = f"{workload.name} on {kind}", time.monotonic(), 0
        while done < cuts:
            wanted = min(CUTS_PER_RECORDING, cuts - done)
            with new_disk(BASE, workload.disk_mib * MIB) as disk:
                done += self._recording(workload(self.random, disk), kind, disk, wanted)
            print(f"{what}: {done} of {cuts} cuts, {len(self.report.failures)} failures", file=sys.stderr)
        seconds = round(time.monotonic() - began)
        self.report.counts[what] = f"{cuts} cuts in {seconds} s"

    def rounds(self, workload: type[Workload], kind: str, rounds: int) -> None:
        """Let a fault happen so often, each time on a new file system, and cut the power a few times."""
        if rounds == 0:
            return
        for _ in range(rounds):
            with new_disk(BASE, workload.disk_mib * MIB) as disk:
                self._recording(workload(self.random, disk), kind, disk, CUTS_PER_FAULT)
        self.report.counts[f"{workload.name} on {kind}"] = f"{rounds} times, {rounds * CUTS_PER_FAULT} cuts"

    def _recording(self, workload: Workload, kind: str, disk: Disk, cuts: int) -> int:
        """Record a load on a new file system, then cut it; return how often."""
        make_file_system(disk, kind)
        try:
            with mounted(disk, kind, BASE / "mount") as place:
                notes = workload.load(place)
        except Exception as error:
            self._fail(f"{workload.name} on {kind}, at work: {describe(error)}")
            return cuts
        self.counts["recordings"] += 1
        moments = disk.moments_ns()
        before = self.counts["cuts"]
        for at, nested in self._plan(moments, notes, cuts):
            after = self._cut(workload, kind, disk, 0, moments, at, notes)
            if after is not None and nested:
                moments_after = disk.moments_ns()
                at = self.random.randrange(len(moments_after) + 1)
                self._cut(workload, kind, disk, 1, moments_after, at, after)
                self.counts["cuts_during_recovery"] += 1
        self.counts += workload.counts
        return self.counts["cuts"] - before

    def _plan(self, moments: list[int], notes: Any, cuts: int) -> list[tuple[int, bool]]:
        """Choose after which operations to cut, in order, and which of the recoveries to cut as well.

        Half of them anywhere, half of them about when somebody was told something.
        """
        told, plan = notes.moments_told_ns(), list[tuple[int, bool]]()
        while cuts > 0:
            at = self.random.randrange(len(moments) + 1)
            if told and self.random.random() < 0.5:
                near = bisect.bisect_left(moments, self.random.choice(told)) + self.random.randint(-2, 2)
                at = min(max(near, 0), len(moments))
            nested = cuts > 1 and self.random.randrange(4) == 0
            plan.append((at, nested))
            cuts -= 1 + nested
        return sorted(plan)

    def _cut(
        self, workload: Workload, kind: str, disk: Disk, depth: int, moments: list[int], at: int, notes: Any
    ) -> Any:
        """Cut the power after `at` operations and check; return the notes that hold then, None on failure."""
        seed = self.random.randrange(2**32)
        # Whoever heard before the first operation that is lost was told; nobody heard later.
        known = notes.until(moments[at] if at < len(moments) else math.inf)
        self.counts["cuts"] += 1
        self.counts["acknowledged_events_checked"] += known.acknowledged
        for atom_bytes in (SECTOR_BYTES, PAGE_BYTES) if self.random.randrange(4) == 0 else (PAGE_BYTES,):
            disk.cut(at, seed, depth, atom_bytes)
            try:
                with mounted(disk, kind, BASE / "mount") as place:
                    return workload.check(place, known)
            except Exception as error:
                if isinstance(error, NotMounted) and atom_bytes < PAGE_BYTES:
                    # A block of its own that is torn inside can be too much for a file system, which is
                    # not ours to mend: then the same cut once more, on a disk that writes whole pages.
                    self.counts[f"tears_within_a_page_that_{kind}_refused"] += 1
                    continue
                disk.cut(at, seed, depth, atom_bytes)
                self.keep.mkdir(parents=True, exist_ok=True)
                kept = self.keep / f"power-cut-{self.report.seed}-{self.counts['cuts']}.disk"
                disk.keep(kept)
                self._fail(
                    f"{workload.name} on {kind}, cut after {at} of {len(moments)} operations, depth {depth}, "
                    f"cut seed {seed}, {known.acknowledged} acknowledged: {describe(error)}; disk: {kept}"
                )
                return None
        return None

    def _fail(self, what: str) -> None:
        """Note a failure, and show it at once: a run takes long."""
        self.report.failures.append(what)
        print(what, file=sys.stderr, flush=True)


def describe(error: Exception) -> str:
    """An error in one line, with its place."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {Path(frame.filename).name}:{frame.lineno}: {error}".replace("\n", " ")


def run(chosen: Options) -> Report:
    """Do what was chosen and return the report."""
    report = Report("power-cut", chosen.seed)
    work = Run(report, Random(chosen.seed), chosen.keep)
    for number, kind in enumerate(chosen.segment_file_systems):
        work.cuts(Segments, kind, share(chosen.cuts, len(chosen.segment_file_systems), number))
    for number, kind in enumerate(chosen.both_file_systems):
        work.cuts(Stores, kind, share(chosen.both, len(chosen.both_file_systems), number))
    for kind in chosen.segment_file_systems:
        for fault in SEGMENT_FAULTS:
            work.rounds(fault, kind, chosen.rounds)
    for kind in chosen.both_file_systems:
        for fault in STORE_FAULTS:
            work.rounds(fault, kind, chosen.rounds)
    report.counts |= work.counts
    return report


def share(total: int, parts: int, number: int) -> int:
    """The part with this number of a total that is split as evenly as can be."""
    return total // parts + (number < total % parts)


def main() -> int:
    chosen = options()
    make_workplace(BASE)
    return run(chosen).finish(as_json=chosen.as_json)


if __name__ == "__main__":
    sys.exit(main())
