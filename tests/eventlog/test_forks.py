"""Forks are noticed: a child must not use what its parent opened."""

from __future__ import annotations

from eventlog.errors import Closed
from eventlog.forks import forks
from eventlog.log import Log
from tests.support.builders import saying, story
from tests.support.forking import true_in_a_child


def test_a_child_counts_one_more_fork_than_its_parent():
    here = forks()
    assert true_in_a_child(lambda: forks() == here + 1)
    assert forks() == here


async def test_a_child_cannot_append_to_its_parents_log(log: Log):
    """Parent and child would use one connection at once."""
    await log.append(saying(story()))

    def is_refused() -> bool:
        append = log.append(saying(story()))
        try:
            append.send(None)  # up to its first wait, without the parent's event loop
        except Closed as error:
            return "fork" in str(error)
        return False

    assert true_in_a_child(is_refused)
    assert (await log.append(saying(story()))).first_position == 2


async def test_a_child_cannot_read_through_its_parents_log(log: Log):
    """Its question would go out on the parent's connection, and the parent would read the answer."""

    def is_refused() -> bool:
        try:
            log.head().send(None)
        except Closed as error:
            return "fork" in str(error)
        return False

    assert true_in_a_child(is_refused)
    assert (await log.head()).position == 0
