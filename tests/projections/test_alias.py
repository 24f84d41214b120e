"""Aliases, as examples."""

from __future__ import annotations

from eventlog.events import AliasRemoved, AliasSet
from projections.alias import ALIASES
from tests.projections.given import Example
from tests.support.histories import unreadable

alias = Example(ALIASES)


def test_an_alias_stands_for_what_was_said_last() -> None:
    """And for nothing once it was removed."""
    alias.when(AliasSet("a")).then(session="a")
    alias.given(AliasSet("a")).when(AliasSet("b")).then(session="b")
    alias.given(AliasSet("a")).when(AliasRemoved()).then(session=None)
    alias.given(AliasSet("a")).when(AliasSet("a")).then_nothing_changes()
    alias.given(AliasSet("a")).when(unreadable(AliasSet)).then_nothing_changes()


def test_an_alias_of_what_can_be_no_session_stands_for_nothing() -> None:
    """The column is indexed, and an index refuses long text."""
    alias.when(AliasSet("x" * 1025)).then(session=None)
    alias.when(AliasSet("")).then(session=None)
