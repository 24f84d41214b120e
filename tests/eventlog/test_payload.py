"""Payloads: exact both ways, always strict JSON on one line, and refused before anything is written."""

from __future__ import annotations

import base64
import dataclasses
import json
import math
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Raw

from eventlog.errors import BadPayload
from eventlog.payload import MAX_NESTING, Payload, decode_payload, encode_json, encode_payload, exact_json

TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=30)  # lone surrogates, too
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**40), 10**40),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXT,
)
JSON_VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=15,
)


def is_strict(line: bytes) -> bool:
    """What every JSON reader takes: UTF-8, one line, no lone surrogate."""
    value = json.loads(line.decode(), parse_constant=pytest.fail)
    json.dumps(value, ensure_ascii=False).encode()  # raises at a lone surrogate
    return not {0x0A, 0x0D} & set(line)


def same(one: Any, other: Any) -> bool:
    """Equal, and of the same types: 1 is not 1.0 and not True, 0.0 not -0.0."""
    if isinstance(one, float) and isinstance(other, float):
        return one == other and math.copysign(1, one) == math.copysign(1, other)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    return type(one) is type(other) and one == other


@given(JSON_VALUES)
@example("\x00")
@example("\ud800 and \udfff")
@example(12345678901234567890)
@example("\u2028\u2029\x85\x0b\x0c\x1c")
@example([1.7976931348623157e308, 5e-324, -0.0, 0.1])
@example({"\ud800": {"": [None]}})
@example("\\u0000")
def test_invariant_9_content_comes_back_exactly_from_a_strict_line(value: Any):
    """Content is opaque and exact; the line is what any reader of JSON takes."""
    payload = encode_payload(value)
    assert is_strict(payload.line)
    assert same(decode_payload(payload.line, payload.encoding), value)


@given(JSON_VALUES, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_raw_json_comes_back_as_the_same_value_however_it_was_laid_out(
    value: Any, indent: int | str | None, ascii_only: bool
):
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    payload = encode_json(text.encode("utf-8", "surrogatepass" if ascii_only else "replace"))
    assert is_strict(payload.line)
    assert same(decode_payload(payload.line, payload.encoding), json.loads(text.encode("utf-8", "replace")))


def test_sixteen_mebibytes_of_text_come_back():
    """Tool output has no size of its own. NUL takes six bytes, and the line stays one line."""
    text = "line\n\x00 \u2028" * (16 * 1024 * 1024 // 9)
    payload = encode_payload({"text": text})
    assert b"\n" not in payload.line
    assert decode_payload(*payload) == {"text": text}


@pytest.mark.parametrize("text", [b"1.10", b"1E5", b"-0", b"0.1e-7", b"100000000000000000000", b"1e-400"])
def test_numbers_are_kept_to_the_digit(text: bytes):
    assert encode_json(b"[ " + text + b" ]") == Payload(b"[" + text + b"]", None)


def test_raw_json_is_compacted_to_one_line():
    assert encode_json(b'\r\n{"a" : [1,\n\t2 ] }\n') == Payload(b'{"a":[1,2]}', None)
    assert encode_payload({"a": Raw(b'{\n"b":\r1}')}) == Payload(b'{"a":{"b":1}}', None)


@pytest.mark.parametrize(
    "text",
    [
        b'"\\ud800"',
        b'{"\\udfff":1}',
        b"[1e400]",
        b"-1e999",
        b"[" * (MAX_NESTING + 1) + b"]" * (MAX_NESTING + 1),
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b"9" * 5000,
    ],
    ids=["surrogate", "surrogate key", "1e400", "-1e999", "depth 129", "depth 5000", "5000 digits"],
)
def test_what_strict_readers_cannot_hold_travels_as_base64_of_the_exact_bytes(text: bytes):
    for payload in (encode_json(text), encode_payload(Raw(text))):
        assert payload == Payload(b'"' + base64.b64encode(text) + b'"', "base64")
        assert exact_json(*payload) == text


def test_depth_128_is_still_plain():
    text = b"[" * MAX_NESTING + b"]" * MAX_NESTING
    assert encode_json(text) == Payload(text, None)
    value: Any = []
    for _ in range(MAX_NESTING - 1):
        value = [value]
    assert encode_payload(value) == Payload(text, None)
    assert encode_payload([value]).encoding == "base64"


def test_brackets_in_text_are_no_depth():
    text = "[{" * 1000
    assert encode_payload(text) == Payload(b'"' + text.encode() + b'"', None)


def test_a_raw_inside_of_a_value_is_checked_like_one_handed_in():
    """msgspec copies it unread: a surrogate in it would spoil the line, and the file, for DuckDB."""
    assert encode_payload({"a": Raw(b'"\\ud800"')}) == encode_json(b'{"a":"\\ud800"}')
    assert encode_payload([Raw(b"1e400"), 1]).encoding == "base64"
    assert encode_payload({"a": Raw(b"1.10")}) == Payload(b'{"a":1.10}', None)
    for broken in (b"nope", b"", b"[1", b"NaN", b"01", b'"\xff"', b'"\xed\xa0\x80"'):
        with pytest.raises(BadPayload):
            encode_payload({"a": Raw(broken)})


@dataclasses.dataclass
class Score:
    value: float


class Measured(msgspec.Struct):
    scores: list[float]


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_nan_and_infinities_are_refused_wherever_they_stand(number: float):
    """msgspec writes null for them, silently."""
    for value in (
        number,
        [number],
        {"a": {"b": (1, number)}},
        Score(number),
        Measured([number]),
        {"k": {number}},
    ):
        with pytest.raises(BadPayload, match="JSON"):
            encode_payload(value)


def test_a_null_beside_finite_numbers_is_no_reason_to_refuse():
    assert encode_payload({"a": None, "b": 1.5, "c": Score(1.0)}) == Payload(
        b'{"a":null,"b":1.5,"c":{"value":1.0}}', None
    )


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"nope",
        b"{",
        b"1 2",
        b"[1,]",
        b"NaN",
        b"[Infinity]",
        b'"\x01"',
        b"{'a':1}",
        b"\xef\xbb\xbf1",
        b'"\xff"',
        b'"\xc3"',
        b'"\xed\xa0\x80"',
        b"[" * 5000,
        b"[" * 3000 + b"x" + b"]" * 3000,
        b"1\x00",
        b"01",
    ],
)
def test_what_is_no_json_is_refused(text: bytes):
    """Invalid UTF-8 and WTF-8 included, at any depth."""
    with pytest.raises(BadPayload, match="data is not"):
        encode_json(text)


def test_what_cannot_be_encoded_is_refused():
    circle: list[Any] = []
    circle.append(circle)
    for value in (object(), {"a": 1j}, circle, {(1, 2): 3}):
        with pytest.raises(BadPayload):
            encode_payload(value)


def test_what_cannot_be_encoded_is_refused_beside_a_lone_surrogate_too():
    """Such a value goes another way, through the standard library, and finds the same answer."""
    for value in (["\ud800", math.nan], ["\ud800", object()], {"\ud800": math.inf}):
        with pytest.raises(BadPayload, match="cannot be encoded"):
            encode_payload(value)


def test_a_null_beside_what_holds_no_number_is_no_reason_to_refuse():
    moment = datetime(2026, 11, 22, 7, 44, 36, tzinfo=UTC)
    assert encode_payload([None, moment, b"\x00"]).line == b'[null,"2026-11-22T07:44:36Z","AA=="]'


def test_what_msgspec_encodes_is_taken_as_it_encodes_it():
    moment = datetime(2026, 11, 22, 7, 44, 36, tzinfo=UTC)
    assert encode_payload({"at": moment}) == Payload(b'{"at":"2026-11-22T07:44:36Z"}', None)
    assert encode_payload({"bytes": b"\x00\xff"}) == Payload(b'{"bytes":"AP8="}', None)


def test_surrogates_do_not_change_how_other_values_are_written():
    """One odd character in a message must not turn a time beside it into something else."""
    moment = datetime(2026, 11, 22, 7, 44, 36, tzinfo=UTC)
    payload = encode_payload({"text": "\ud800", "at": moment, "n": 10**30, "b": b"\x00\xff"})
    assert decode_payload(*payload) == {
        "text": "\ud800",
        "at": "2026-11-22T07:44:36Z",
        "n": 10**30,
        "b": "AP8=",
    }


@pytest.mark.parametrize(
    ("line", "encoding"),
    [(b'"a"', "rot13"), (b'"%%%"', "base64"), (b'"bm9wZQ=="', "base64"), (b"nope", None)],
)
def test_a_stored_payload_that_was_altered_says_so(line: bytes, encoding: str | None):
    with pytest.raises(BadPayload):
        decode_payload(line, encoding)


def test_a_value_too_deep_for_python_can_still_be_read_as_text():
    text = b"[" * 50_000 + b"]" * 50_000
    payload = encode_json(text)
    with pytest.raises(BadPayload, match="cannot be decoded"):
        decode_payload(*payload)
    assert exact_json(*payload) == text
