"""Keys of several texts: different texts, different keys."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from eventlog.events.keys import join_key

parts = st.lists(st.text(st.sampled_from(":%23A\x00é"), max_size=4), min_size=1, max_size=3)


@given(parts, parts)
@example(["a", "b:c"], ["a:b", "c"])
@example(["a%3A", ""], ["a:", ""])
def test_different_texts_never_make_the_same_key(one: list[str], other: list[str]) -> None:
    """Invariant 10: what belongs to `a` never touches what belongs to `a:b`."""
    assert (join_key(*one) == join_key(*other)) == (one == other)


def test_a_joined_key_can_be_read_by_a_person() -> None:
    """And stays what it is for ever: it is the identity of a stream."""
    assert join_key("telegram", "42") == "telegram:42"
    assert join_key("", "last_seen") == ":last_seen"
    assert join_key("agent:main", "100%") == "agent%3Amain:100%25"
