"""Windows of random histories: kept level by parts, read from where they start, and counted by the fold."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventlog.errors import FormatTooNew
from eventlog.events import (
    ConversationCleared,
    ConversationCompacted,
    GenerationStarted,
    HeadMoved,
    MessageAppended,
    MessageEdited,
    MessagesRemoved,
    TodosReplaced,
    raw,
)
from projections.conversation import CONVERSATIONS
from projections.window import Window
from tests.support.histories import encoded, unreadable

IDS = st.sampled_from("abcdef")
EVENTS = st.one_of(
    st.builds(
        MessageAppended, IDS, st.just("user"), st.just(raw("hi")), st.none() | IDS, sidechain=st.booleans()
    ),
    st.builds(MessageEdited, IDS, content=st.just(raw("edited")), cleared=st.just(("parent_id", "mood"))),
    st.builds(MessagesRemoved, st.lists(IDS, max_size=2).map(tuple), st.none() | IDS),
    st.builds(HeadMoved, st.integers(0, 12), st.integers(0, 3), st.none() | IDS),
    st.just(ConversationCleared()),
    st.just(ConversationCompacted()),
    st.just(GenerationStarted(1, 0)),
    st.just(TodosReplaced(())),
)


def take(window: Window, events: list[Any]) -> Window:
    """Take in events, the next of which has the window's version + 1."""
    for version, event in enumerate(events, window.version + 1):
        made = encoded(event)
        window.take(version, version, version, None, made.type, made.schema, made.encoding, made.data)
    return window


def told(*events: Any) -> list[str]:
    return [message.message_id for message in take(Window(), list(events)).messages]


def said(id: str, **fields: Any) -> MessageAppended:
    return MessageAppended(id, "user", raw(id), **fields)


@settings(max_examples=60, deadline=None)
@given(history=st.lists(EVENTS, max_size=14), cut=st.integers(0, 14))
def test_a_window_is_total_and_the_same_in_whatever_parts_it_was_read(history: list[Any], cut: int) -> None:
    """Also of histories that no handle writes: circles of parents, heads that are nowhere."""
    whole, parts = take(Window(), history), take(take(Window(), history[:cut]), history[cut:])

    assert whole.messages == parts.messages
    assert (whole.head, whole.start, whole.version) == (parts.head, parts.start, parts.version)
    for message in whole.messages:
        assert whole.way_to(message.message_id)
    assert len(whole.heads()) <= len({m.message_id for m in whole.messages} | set(whole.hidden))


def test_the_window_is_that_of_the_fold_of_the_same_events() -> None:
    """Where it starts, how many are in it, and which one is the head."""
    history = [
        said("a"), said("b"), ConversationCompacted(), said("c"), said("d", sidechain=True), said("e"),
        MessagesRemoved(("e",), "c"), said("f"), HeadMoved(1, 2, "b"), said("g"),
    ]  # fmt: skip
    state: Any = None
    window = Window()
    for version, event in enumerate(history, 1):
        take(window, [event])
        state = CONVERSATIONS.evolve(state, encoded(event), version)
        assert (window.start, len(window.messages)) == (state.window_start, state.window_message_count)
        read = take(Window(state.window_start - 1), history[state.window_start - 1 : version])
        assert (read.messages, read.head) == (window.messages, window.head)
    assert [message.message_id for message in window.messages] == ["a", "b", "g"]
    assert state.last_message_id == "g"


def test_a_sidechain_is_in_view_and_is_not_what_the_next_message_follows() -> None:
    """The main thread goes on where it was."""
    window = take(Window(), [said("a"), said("s", sidechain=True), said("b")])
    assert [message.follows for message in window.messages] == [None, "a", "a"]


def test_moving_to_a_message_out_of_view_shows_the_way_to_it() -> None:
    """And hides what was in view, which can be moved to again."""
    history = [said("a"), said("b"), HeadMoved(1, 1, "a"), said("c")]
    assert told(*history) == ["a", "c"]
    assert told(*history, HeadMoved(1, 2, "b"), said("d")) == ["a", "b", "d"]
    assert told(*history, HeadMoved(1, 2, "b"), HeadMoved(1, 2, "c")) == ["a", "c"]


def test_a_removed_message_does_not_come_back() -> None:
    """Unlike one that was only out of view; and a window says when it must be read from further back."""
    window = take(Window(), [said("a"), said("b"), MessagesRemoved(("b",), "a"), HeadMoved(1, 1, "b")])
    assert (window.messages, window.reaches_back) == ([], True)
    assert told(said("a"), said("b"), GenerationStarted(1, 2), HeadMoved(1, 1, "b")) == []


def test_an_event_that_cannot_be_read_is_told() -> None:
    """Leaving it out would be a lie; one that does not concern the window is left out."""
    for kind in (MessageAppended, MessageEdited, HeadMoved):
        made = unreadable(kind)
        with pytest.raises(FormatTooNew, match="position 1"):
            Window().take(1, 1, 1, None, made.type, made.schema, made.encoding, made.data)
    take(Window(), [TodosReplaced(())])
    Window().take(1, 1, 1, None, "todos_replaced", 9, None, None)
