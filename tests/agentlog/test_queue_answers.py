"""A second message while the agent is busy: five answers, decided on where the line stands."""

from __future__ import annotations

import pytest

from agentlog.errors import BadInput, Busy
from agentlog.queue_answers import (
    ENQUEUE,
    INTERRUPT,
    MERGE,
    REJECT,
    ROLLBACK,
    InLine,
    check_answer,
    decide_answer,
)
from eventlog.events import ItemEnqueued, ItemInterrupted, ItemMerged, raw

NEW = ItemEnqueued(raw("new"), "s", priority=1)
WORKING, WAITING = InLine("working", True), InLine("waiting", False, priority=8)


def decided(answer, *line):
    return decide_answer(answer, "s", "new", NEW, line)


@pytest.mark.parametrize("answer", [ENQUEUE, REJECT, MERGE])
def test_an_idle_session_takes_any_message(answer):
    """Nothing is in its way."""
    assert decided(answer) == [("new", NEW)]


@pytest.mark.parametrize("line", [(WORKING,), (WAITING,), (WORKING, WAITING)])
def test_a_busy_session_rejects(line):
    """Also when the other one still waits: two that are sent at once are not both taken."""
    with pytest.raises(Busy) as refused:
        decided(REJECT, *line)
    assert (refused.value.session, refused.value.item) == ("s", line[0].id)


def test_an_interrupting_message_ends_the_claim_and_is_next():
    """Before whatever waits, however urgent; also when nobody works."""
    first = ItemEnqueued(raw("new"), "s", priority=9)
    assert decided(INTERRUPT, WORKING, WAITING) == [("working", ItemInterrupted("new")), ("new", first)]
    assert decided(ROLLBACK, WORKING) == [("working", ItemInterrupted("new", rollback=True)), ("new", NEW)]
    assert decided(INTERRUPT) == [("new", NEW)]
    top = InLine("top", False, priority=2**31 - 1)
    assert decided(INTERRUPT, top)[0][1].priority == 2**31 - 1


def test_a_message_joins_the_one_that_waits():
    """Not the one that is being worked on: that one has been read."""
    assert decided(MERGE, WORKING, WAITING) == [("waiting", ItemMerged(raw("new")))]
    assert decided(MERGE, WORKING) == [("new", NEW)]


def test_an_answer_needs_to_be_known_and_a_line_a_session():
    with pytest.raises(BadInput, match="enqueue, reject"):
        check_answer("ignore", "s")
    with pytest.raises(BadInput, match="session"):
        check_answer(MERGE, None)
    check_answer(ENQUEUE, None)
