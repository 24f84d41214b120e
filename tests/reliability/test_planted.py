"""Bugs planted on purpose: every one still has its place in the source, and a few are found here and now.

`make planted` plants all of them, one at a time, and wants every one found.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.reliability.planted.__main__ import BUGS, main
from tests.reliability.planted.bug import SIMULATE, Bug, misses, plant
from tests.reliability.planted.suites import BROKE, FAILED, HUNG, PASSED, ROOT, copied_tree, run_suite

SEED = 1


def bug_named(name: str) -> Bug:
    return next(planted for planted in BUGS if planted.name == name)


def test_every_bug_has_its_place_in_the_source_of_today():
    """A text that was rewritten is planted nowhere: whoever rewrites it plants the bug in the new text."""
    assert [problem for planted in BUGS for problem in misses(ROOT, planted)] == []


def test_every_bug_has_a_name_a_thought_and_suites_that_exist():
    """The issue wants 25 bugs at least."""
    assert len({planted.name for planted in BUGS}) == len(BUGS) >= 25
    for planted in BUGS:
        assert planted.thought
        assert planted.suites, planted.name
        for suite in planted.suites:
            assert suite == SIMULATE or (ROOT / suite.partition("::")[0]).exists(), (planted.name, suite)


@pytest.mark.parametrize(
    ("name", "suite"),
    [
        ("segments are not synced", SIMULATE),
        ("a subscriber skips a gap", "tests/eventlog/test_subscription.py"),
        ("an expected version may be surpassed", "tests/eventlog/test_batch.py"),
    ],
)
def test_a_planted_bug_is_found(name: str, suite: str):
    """One by the simulation in its first run, two by the tests of one file; none changes the tree itself."""
    planted = bug_named(name)
    before = [(ROOT / edit.file).read_bytes() for edit in planted.edits]
    with copied_tree() as copy:
        plant(copy, planted)
        result = run_suite(suite, copy, seed=SEED, states=500, timeout_s=120)
    assert result.verdict == FAILED, result
    assert result.tried.split()[0] != "0"
    assert [(ROOT / edit.file).read_bytes() for edit in planted.edits] == before


def test_a_suite_is_judged_by_what_it_says_itself():
    """Passing, having no such tests and having to be stopped: none of these is finding."""
    with copied_tree() as copy:
        assert run_suite("tests/eventlog/test_subscription.py", copy, seed=SEED, states=1).verdict == PASSED
        assert run_suite("tests/no_such_file.py", copy, seed=SEED, states=1).verdict == BROKE
        assert run_suite(SIMULATE, copy, seed=SEED, states=10**9, timeout_s=0.2).verdict == HUNG
    assert not copy.parent.exists()


@pytest.mark.parametrize("arguments", [["--only", "no bug is called like this"]])
def test_a_run_of_no_bug_at_all_does_not_count_as_well(arguments: Sequence[str]):
    """Nothing found out of nothing planted is no good news."""
    assert main([*arguments, "--seed", "1", "--json"]) == 1
