"""A slice of the simulation, and that it can be believed: it repeats itself, and it sees what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.reliability.simulate.explore import explore
from tests.reliability.simulate.recovery import recover
from tests.reliability.simulate.run import Run, simulate
from tests.reliability.simulate.states import Cut
from tests.support.lossy_disk import Directory, File

SEED = 20261122


@pytest.mark.parametrize("number", range(4))
def test_invariant_2_no_crash_loses_what_was_acknowledged(number: int):
    """Nor invents, nor calls damage: every operation of a run, and crashes within the recoveries."""
    found = explore(SEED, number)
    assert found.failures == [], f"seed={SEED}"
    assert found.counts["states"] > 100


def test_invariant_5_whatever_happens_everybody_is_told_the_truth():
    """Kills, power cuts, lost answers, failing disks and clocks that jump, over many short runs."""
    told: set[str] = set()
    for number in range(40):
        run = simulate(SEED + 1, number)
        assert run.violations == [], f"seed={SEED + 1} run={number}"
        told |= {call.told.error for call in run.notes.calls.values() if call.told}
    assert {"", "Conflict", "NotMirrored", "OutcomeUnknown", "LogUnavailable", "MirrorUnavailable"} <= told


def picture(run: Run) -> list[object]:
    return [
        run.server.tables.events,
        [(cut.name, cut.acknowledged, cut.root.contents()) for cut in run.cameras["a"].cuts],
    ]


def test_a_seed_makes_the_same_run_again():
    """To the last byte: a failure could not be repeated otherwise."""
    first, other = simulate(SEED, 7), simulate(SEED, 8)
    assert picture(simulate(SEED, 7)) == picture(first) != picture(other)


def last_cut(run: Run) -> Cut:
    return next(cut for cut in reversed(run.cameras["a"].cuts) if cut.acknowledged == cut.committed > 3)


def newest_segment(root: Directory) -> File:
    data = root.names["data"]
    assert isinstance(data, Directory)
    segments = data.names["segments"]
    assert isinstance(segments, Directory)
    node = segments.names[max(name for name in segments.names if name.endswith(".zst"))]
    assert isinstance(node, File)
    return node


@pytest.mark.parametrize(
    ("spoil", "wrong"), [("tail", "LOST|FALSE ALARM"), ("extra", "PHANTOM"), ("byte", "FALSE ALARM")]
)
def test_a_disk_that_broke_its_promise_is_seen(spoil: str, wrong: str):
    """An acknowledged tail that is gone, an event nobody committed, a byte that changed."""
    run = simulate(SEED, 3)
    past, cut = run.past(), last_cut(run)
    root = cut.root.copy()
    segment = newest_segment(root)
    if spoil == "tail":
        segment.content = bytes(segment.content)[:-20]
    elif spoil == "byte":
        content = bytearray(segment.content)
        content[300] ^= 1
        segment.content = content
    else:
        cut.committed -= 1
        cut.acknowledged = 0
    found = recover(root, cut, past, run.random)
    assert found.wrong.startswith(tuple(wrong.split("|"))), found.wrong


def said_by(*arguments: str) -> dict[str, int]:
    """What the command says, run by a process of its own: with other hashes of strings."""
    command = [sys.executable, "-m", "tests.reliability.simulate", "--seed", str(SEED), "--json", *arguments]
    told: dict[str, int] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return told


def test_a_failed_state_is_repeated_by_the_command_that_is_printed():
    """One state of one run, by its name."""
    assert said_by("--run", "1", "--state", "a.20.1")["states"] == 1


def test_several_workers_count_what_one_would_count():
    """Runs are counted in their order, whoever is quicker."""
    found = explore(SEED, 0).counts
    assert said_by("--states", "10", "--workers", "2")["states"] == found["states"]
