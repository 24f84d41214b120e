"""The quick way to read messages gives what the thorough one gives, or leaves them to it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventlog.events import MessageAppended, raw
from projections.archive.content import Content, read_content
from projections.archive.typed import read_typed
from tests.projections.archive.history import History

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
inputs = st.dictionaries(texts, st.integers(-9, 9) | texts | st.booleans(), max_size=2)
parts = st.lists(
    st.fixed_dictionaries({"type": st.sampled_from(("text", "image")), "text": texts}), max_size=2
)
blocks = st.one_of(
    st.fixed_dictionaries({"type": st.just("text")}, optional={"text": texts}),
    st.fixed_dictionaries({"type": st.just("thinking"), "thinking": texts | st.none()}),
    st.fixed_dictionaries(
        {"type": st.just("tool_use"), "name": texts, "input": inputs | texts | st.none()},
        optional={"id": texts | st.integers(), "call_id": texts},
    ),
    st.fixed_dictionaries(
        {"type": st.just("tool_result"), "content": texts | parts | st.none()},
        optional={
            "tool_use_id": texts,
            "is_error": st.booleans() | st.none() | st.just("yes"),
            "output": texts,
        },
    ),
    st.fixed_dictionaries({"type": st.sampled_from(("image", "of_tomorrow", "redacted_thinking"))}),
    texts,
    st.integers(),
)


@given(st.lists(blocks, max_size=4) | texts | st.none())
def test_what_is_read_quickly_is_what_is_read_thoroughly(content: Any) -> None:
    """Two readers with one meaning: a message must not look different because it was simple."""
    event = History().message("s", content, model="m", source=raw({"a": 1}))
    found = read_typed(event.data)
    thorough = read_content(raw(content))
    if found is not None:
        message, quick = found
        assert quick == thorough
        assert (message.model, message.source) == ("m", raw({"a": 1}))


@pytest.mark.parametrize(
    "content",
    [
        "plain",
        [
            {"type": "text", "text": "a"},
            {"type": "tool_use", "id": "t", "name": "Bash", "input": {"x": "é\n"}},
        ],
        [{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "x"}]}],
        [{"type": "thinking", "thinking": "hm", "signature": "c2ln"}],
    ],
)
def test_the_messages_that_most_agents_write_are_read_quickly(content: Any) -> None:
    """Otherwise building keeps up with nobody, and no other test would notice."""
    assert read_typed(History().message("s", content).data) is not None


@pytest.mark.parametrize("input", ["\\u0000", "\\u00e9", "caf\\u00e9 \\ud83d\\ude00"])
def test_an_input_with_escapes_is_shown_by_its_characters(input: str) -> None:
    """Somebody who looks for é finds it, however its agent wrote it."""
    line = b'{"message_id":"m","role":"a","content":[{"type":"tool_use","name":"n","input":{"x":"%b"}}]}'
    assert read_typed(raw(0).__class__(line % input.encode())) is None


def test_fields_of_a_message_are_those_of_the_event() -> None:
    """A field that the event gains and this reader lacks would be lost in silence."""
    assert MessageAppended.__struct_fields__ == read_typed.__globals__["TypedMessage"].__struct_fields__
    assert read_typed(raw({"message_id": 7, "role": "user", "content": "x"})) is None
    assert Content("x") == read_content(raw("x"))
