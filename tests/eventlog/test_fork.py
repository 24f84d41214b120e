"""An open log belongs to the process that opened it; a forked child is told so before anything is sent."""

from __future__ import annotations

from eventlog.errors import Closed
from eventlog.log import Log
from tests.support.builders import assert_whole, saying, story
from tests.support.forking import true_in_a_child

A = story("a")


async def test_a_forked_child_is_told_to_open_a_log_of_its_own(log: Log):
    """On its parent's connections it would talk into the middle of what the parent says."""
    await log.append(saying(A, "before"))

    def refused() -> bool:
        try:
            log.append(saying(A, "child")).send(None)
        except Closed as error:
            return "before a fork" in str(error)
        return False

    assert true_in_a_child(refused)
    await log.append(saying(A, "after"))
    assert [event.value["text"] for event in await assert_whole(log)] == ["before", "after"]
