"""Generations, as examples: what happened, then which generation is current."""

from __future__ import annotations

from eventlog.events import GenerationStarted, MessageAppended, SessionCreated, SessionDeleted, raw
from projections.generations import GENERATIONS, Generation
from tests.projections.given import Example
from tests.support.histories import unreadable

generations = Example(GENERATIONS)
MESSAGE = MessageAppended("1", "user", raw("hi"))


def test_generation_0_begins_with_the_session_or_its_first_message() -> None:
    """Nobody has to start it."""
    for beginning in (SessionCreated("t"), MESSAGE):
        assert generations.when(beginning).state == Generation(0, 0, None)


def test_what_follows_the_beginning_writes_no_row() -> None:
    """A message must not cost a row of `generations`."""
    generations.given(SessionCreated()).when(MESSAGE).then_nothing_changes()
    generations.given(MESSAGE).when(SessionCreated("late")).then_nothing_changes()


def test_a_generation_starts_with_its_number_place_and_reason() -> None:
    """The row of the one before stays as it is."""
    generations.given(MESSAGE).when(GenerationStarted(1, 1, "/new")).then(
        generation=1, first_message=1, reason="/new"
    )


def test_a_session_may_begin_with_a_later_generation() -> None:
    """An import may begin in the middle."""
    assert generations.when(GenerationStarted(7, 3)).state == Generation(7, 3)
    assert generations.when(GenerationStarted(0, 0)).state == Generation(1, 0)


def test_numbers_only_grow() -> None:
    """A number used twice would overwrite a row; a lower one would not be the newest row any more."""
    generations.given(GenerationStarted(5, 10)).when(GenerationStarted(5, 20)).then(
        generation=6, first_message=20
    )
    generations.given(GenerationStarted(5, 10)).when(GenerationStarted(2, 20)).then(
        generation=6, first_message=20
    )


def test_deleting_a_session_leaves_its_generations() -> None:
    """Generations are permanent."""
    generations.given(MESSAGE).when(SessionDeleted()).then(generation=0)


def test_a_start_that_cannot_be_read_changes_nothing() -> None:
    """But shows that the session exists."""
    generations.given(MESSAGE).when(unreadable(GenerationStarted)).then_nothing_changes()
    assert generations.when(unreadable(GenerationStarted)).state == Generation()
