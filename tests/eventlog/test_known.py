"""What a process knows of streams: answers are taken, and what they do not change stays."""

from __future__ import annotations

import pytest

from eventlog.batch import StreamState
from eventlog.known import KnownStreams
from tests.support.builders import story

A, B, C = (story(key) for key in "abc")


def state(version: int, confirmed: int = 0) -> StreamState:
    return StreamState(1, version, (), confirmed)


def test_an_answer_that_moves_nothing_keeps_the_state_and_confirms_it():
    """What was looked up on a state stays true for as long as nothing came to its stream."""
    known, was = KnownStreams(), state(3)
    known.remember(A, was)
    known.learn(A, state(3, confirmed=7))
    assert known[A] is was
    assert was.confirmed == 7


@pytest.mark.parametrize(("answered", "kept"), [(2, 3), (3, 3), (4, 4)])
def test_an_answer_never_goes_back_behind_what_was_committed(answered: int, kept: int):
    known = KnownStreams()
    known.remember(A, state(3))
    known.learn(A, state(answered))
    assert known[A].version == kept


def test_the_streams_not_touched_for_longest_are_forgotten_first():
    known = KnownStreams()
    for stream in (A, B, C):
        known.learn(stream, state(1))
    known.learn(A, state(1))
    known.forget_surplus(2)
    assert list(known) == [C, A]
