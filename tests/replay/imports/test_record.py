"""Taking a line of JSON apart loses nothing, or says so."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.imports.record import Members, NotJson, flag, put_together, take_apart, text

surrogates = st.text(st.characters(codec=None))  # lone surrogates included
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | surrogates,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(surrogates, inner, max_size=3),
    max_leaves=8,
)


def taken(line: bytes) -> Members:
    found = take_apart(line)
    assert found is not None
    return found


@given(st.dictionaries(surrogates, values, max_size=5), st.booleans(), st.sampled_from([None, 1]))
def test_members_put_together_again_are_the_same_value(
    record: Any, escaped: bool, indent: int | None
) -> None:
    """Escaped or not, compact or not, lone surrogates included."""
    line = json.dumps(record, ensure_ascii=escaped, indent=indent)
    try:
        line_bytes = line.encode()
    except UnicodeEncodeError:
        line_bytes = json.dumps(record, indent=indent).encode()
    found = taken(line_bytes)
    assert {name: json.loads(bytes(raw)) for name, raw in found.values.items()} == record
    if found.whole:
        assert json.loads(bytes(put_together(found.values))) == record


@pytest.mark.parametrize("line", [b'{"a":1,"a":2}', b'{ "a" : 1, "b":2, "\\u0061" : 2 }'])
def test_a_name_that_occurs_twice_is_told(line: bytes) -> None:
    """Only the last value is kept by name; the caller must keep the text."""
    found = taken(line)
    assert bytes(found.values["a"]) == b"2"
    assert not found.whole


@pytest.mark.parametrize(
    "line", [b'{ "a" : [1 , 2] }', b'{"\\u0061":1}', b"{}", b' {"a":{}}\r', b'{"a":1e400}']
)
def test_unusual_spelling_alone_is_nothing_lost(line: bytes) -> None:
    """White space and escapes differ in length from the compact form, not in meaning."""
    assert taken(line).whole


def test_a_lone_surrogate_in_a_value_stays_verbatim_and_is_no_text() -> None:
    """Identifiers cannot hold it; the value can."""
    found = taken(b'{"uuid":"\\ud800","type":"user"}')
    assert bytes(found.values["uuid"]) == b'"\\ud800"'
    assert text(found.values, "uuid") is None
    assert text(found.values, "type") == "user"
    assert found.whole


def test_a_lone_surrogate_in_a_name_makes_the_text_necessary() -> None:
    """No UTF-8 encoder can write the name again."""
    assert not taken(b'{"\\ud800":1}').whole


@pytest.mark.parametrize("line", [b"42", b'"a"', b"[1]", b"null", b"true", b'"\\ud800"', b"9" * 5000])
def test_json_that_is_no_object_has_no_members(line: bytes) -> None:
    """It is kept as it is."""
    assert take_apart(line) is None


@pytest.mark.parametrize(
    "line",
    [b"", b"{", b"}", b"tru", b'{"a":NaN}', b'{"a":Infinity}', b'{"a":1}x', b'{"a":1,}', b'{"a" 1}', b"{1:2}",
     b'{"a":01}', b'{"a":"\x01"}', b'{"a":"\xff"}', b"\xff", b"42 43", b'"a', b'{"a":"\\ud800"', b"\x89PNG\r",
     b'{"a":"\\ud800"}}', b'{"a":"\\ud800",}', b'{"\\ud800":}'],
)  # fmt: skip
def test_what_is_not_json_is_refused(line: bytes) -> None:
    """NaN and Infinity too: Python's own parser would let them through."""
    with pytest.raises(NotJson):
        take_apart(line)


@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,\\ud8e1.-tfn \n', max_size=40).map(str.encode))
def test_any_bytes_are_taken_apart_or_refused(line: bytes) -> None:
    """Nothing else happens, and what is taken apart is what the standard library reads."""
    try:
        found = take_apart(line)
    except NotJson:
        return
    value = json.loads(line)
    if found is None:
        assert not isinstance(value, dict)
    else:
        assert {name: json.loads(bytes(raw)) for name, raw in found.values.items()} == value


def test_nesting_beyond_python_is_kept_whole() -> None:
    """It cannot be looked into, and it is not lost either."""
    assert take_apart(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}") is None


def test_flags_are_true_false_or_absent() -> None:
    """Anything else is no flag."""
    values = taken(b'{"a":true,"b":false,"c":1,"d":null}').values
    assert [flag(values, name) for name in "abcde"] == [True, False, None, None, None]
