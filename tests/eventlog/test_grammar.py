"""The grammar of JSON: the same verdict as other parsers, at any depth."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eventlog.grammar import check_json, nesting

TOKENS = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    '"a"',
    '"\\u12"',
    '"\\ud800"',
    '"',
    "\\",
    "true",
    "null",
    "fals",
    "NaN",
]
NUMBERS = ["1", "-", "0", "1.", ".5", "1e5", "E", "+", "01"]
SPACES = [" ", "\n", "\t", "\r", "\x0b", "\u00a0", "\ufeff", "é", "\x01"]
PIECES = st.lists(st.sampled_from([*TOKENS, *NUMBERS, *SPACES]), max_size=12).map("".join)


def refuse(constant: str) -> None:
    raise ValueError(constant)


def is_json(text: str) -> bool:
    try:
        json.loads(text, parse_constant=refuse)
    except ValueError:
        return False
    return True


@given(PIECES)
@example("[1,]")
@example('{"a":1,}')
@example("[-0,0.0,1e-400]")
@example('["\\/","\\x"]')
@example("1 2")
@example("")
def test_a_text_is_json_exactly_when_the_standard_library_says_so(text: str):
    try:
        check_json(text)
        verdict = True
    except ValueError:
        verdict = False
    assert verdict == is_json(text)


@pytest.mark.parametrize("depth", [1, 128, 129, 5_000, 100_000])
def test_any_depth_is_judged(depth: int):
    """Parsers that build values give up at about a thousand."""
    check_json("[" * depth + "1" + "]" * depth)
    check_json('{"a":' * depth + "1" + "}" * depth)
    assert nesting(b"[" * depth + b"]" * depth, 0) == depth
    for broken in ("[" * depth, "[" * depth + "x" + "]" * depth, "[" * depth + "]" * (depth - 1) + "}"):
        with pytest.raises(ValueError, match="unexpected"):
            check_json(broken)


def test_the_place_of_a_mistake_is_named():
    with pytest.raises(ValueError, match="unexpected 'nope' at character 6"):
        check_json('{"a": nope')
    with pytest.raises(ValueError, match="unexpected the end at character 6"):
        check_json('{"a":1')


@pytest.mark.parametrize(
    "line",
    [
        b'["[[[[","{{{{"]',
        b'["\\"[[[",[]]',
        b'{"a\\\\":[1]}',
        b'["\\\\","[[["]',
    ],
)
def test_brackets_inside_strings_are_no_nesting(line: bytes):
    """Source code in a message is full of them."""
    assert nesting(line, 0) == len(deepest(json.loads(line)))


def deepest(value: object) -> list[object]:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    if children is None:
        return []
    return [value, *max((deepest(child) for child in children), key=len, default=[])]


def test_nesting_is_not_counted_when_it_cannot_be_over_the_limit():
    """Counting looks at every string; nearly no payload has so many brackets."""
    assert nesting(b"[[[]]]", 3) == 0
    assert nesting(b"[[[]]]", 2) == 3
