"""Content in any shape becomes readable columns."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from eventlog.events import raw
from projections.archive.columns import CallPart, ResultPart
from projections.archive.content import Content, read_content

BLOCKS = [
    {"type": "text", "text": "first"},
    {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
    {"type": "redacted_thinking", "data": "xx"},
    {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "ls"}},
    {"type": "text", "text": "second"},
    {"type": "tool_use", "id": "t2", "name": "Read", "input": {"path": "a b"}},
]


def test_blocks_are_told_apart_and_joined_in_order() -> None:
    """A reader wants the text apart from what the model thought and which tools it called."""
    assert read_content(raw(BLOCKS)) == Content(
        text="first\nsecond",
        thinking="hm",
        tool="Bash,Read",
        tool_input='{"command":"ls"}\n{"path":"a b"}',
        calls=[CallPart("t1", "Bash", 16), CallPart("t2", "Read", 14)],
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("plain", Content(text="plain")),
        ("", Content(text="")),
        (None, Content()),
        ([], Content()),
        (42, Content(text="42")),
        ({"type": "text", "text": "alone"}, Content(text="alone")),
        (["a", {"type": "input_text", "text": "b"}], Content(text="a\nb")),
        ([[1, 2]], Content(text="[1,2]")),
        ([{"type": "image", "source": {"data": "…"}}, {"type": "document"}], Content(attachments=2)),
        ([{"type": "of_tomorrow", "text": "seen"}], Content(text="seen", attachments=1)),
        ([{"text": "typeless"}], Content(text="typeless", attachments=1)),
        ([{"type": "text"}], Content(text="")),
        ([{"type": "tool_use"}], Content(tool="", tool_input="", calls=[CallPart(None, "", 0)])),
        ([{"type": ["list"], "text": {"not": "text"}}], Content(attachments=1)),
        (
            [{"type": "function_call", "name": "f", "arguments": '{"a":1}'}],
            Content(tool="f", tool_input='{"a":1}', calls=[CallPart(None, "f", 7)]),
        ),
        (
            [{"type": "function_call_output", "output": "done"}],
            Content(tool_result="done", tool_error=False, results=[ResultPart(None, False, 4)]),
        ),
        (
            [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "why"}]}],
            Content(thinking="why"),
        ),
    ],
)
def test_each_shape_of_content_has_its_columns(content: Any, expected: Content) -> None:
    """Sources differ in what they call content; none may be lost."""
    assert read_content(raw(content)) == expected


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"content": "out"}, Content(tool_result="out", tool_error=False)),
        ({"content": "no", "is_error": True}, Content(tool_result="no", tool_error=True)),
        (
            {"content": [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]},
            Content(tool_result="a\nb", tool_error=False, attachments=1),
        ),
        ({}, Content(tool_result="", tool_error=False)),
        ({"content": {"rows": 3}}, Content(tool_result='{"rows":3}', tool_error=False)),
    ],
)
def test_a_tool_result_is_text_however_it_was_given(result: dict[str, Any], expected: Content) -> None:
    """A string, or blocks with images among them."""
    found = read_content(raw([{"type": "tool_result", "tool_use_id": "t", **result}]))
    assert found._replace(results=None) == expected
    assert found.results == [ResultPart("t", bool(expected.tool_error), len(expected.tool_result or ""))]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(("type", "text", "content", "name", "input", "is_error", "thinking")),
            inner | st.sampled_from(("text", "tool_use", "tool_result", "thinking", "image")),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_reading_content_is_total_and_gives_text_that_utf8_can_hold(value: Any) -> None:
    """One odd message must not stop an archive."""
    for part in read_content(raw(value)):
        if isinstance(part, str):
            part.encode()


def test_content_that_python_cannot_build_is_shown_as_json() -> None:
    """Nesting beyond the recursion limit is kept by the log, so it reaches us."""
    deep = b"[" * 100_000 + b"]" * 100_000
    assert read_content(Raw(deep)) == Content(text=deep.decode())
