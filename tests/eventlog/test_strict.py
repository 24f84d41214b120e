"""strict_json: strict JSON stays as it is, anything else that is JSON becomes readable."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from eventlog.errors import BadPayload
from eventlog.payload import encode_json
from eventlog.strict import strict_json
from tests.support.histories import json_values

DEEP = 10_000


def is_plain(text: bytes) -> bool:
    try:
        return encode_json(text).encoding is None
    except BadPayload:
        return False


@settings(deadline=None)
@given(json_values, st.booleans(), st.sampled_from([None, 1]))
def test_ordinary_json_is_returned_unchanged(value: Any, ascii_only: bool, indent: int | None) -> None:
    """Byte for byte, whatever the white space and the escapes."""
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode(errors="surrogatepass")
    assume(is_plain(text))  # lone surrogates: the next test has them
    assert strict_json(text) == text


hostile = st.recursive(
    st.sampled_from(
        [
            '"\\ud800"', '"\\udc00\\ud800"', '"\\ud83d\\ude00"', '"\\\\ud800"', '"\\\\\\ud800"',
            '"\\"\\udfff"', "1e400", "-1E+9999", "1" * 400, "0." + "1" * 400, "1e-400", "0e99999999999", "-0",
            "1E5", "{}", "[]", "[" * 200 + "]" * 200, '{"a":' * 130 + '"}]"' + "}" * 130, '"[[[{{{"', "null",
            "true", '"\\/\\b"',
        ]
    ),
    lambda inner: st.lists(inner, max_size=4).map(lambda parts: "[ " + ",".join(parts) + "]")
    | st.dictionaries(st.sampled_from(['"a"', '"\\udbff"', '"]"']), inner, max_size=2).map(
        lambda parts: "{" + ",\n".join(f"{key} : {value}" for key, value in parts.items()) + "}"
    ),
    max_leaves=8,
)  # fmt: skip


@settings(deadline=None)
@given(hostile)
@example("[" * DEEP + "]" * DEEP)
def test_any_json_the_log_keeps_becomes_strict(text: str) -> None:
    """For readers that only need the shape; nothing about the input may make them fail."""
    encode_json(text.encode())  # the log takes it
    strict = strict_json(text.encode())
    msgspec.json.decode(strict)
    assert encode_json(strict).encoding is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"a\\ud800b"', '"a\\ufffdb"'),
        ('"\\ud83d\\ude00"', '"\\ud83d\\ude00"'),
        ('"\\ud83d\\ud83d\\ude00"', '"\\ufffd\\ud83d\\ude00"'),
        ('"\\\\ud800"', '"\\\\ud800"'),
        ('{"\\udc00": 1e999, "b": -1e-999}', '{"\\ufffd": null, "b": -1e-999}'),
        ("12345678901234567890", "12345678901234567890"),
        ("1" * 310, "null"),
        ("[" * 128 + "]" * 128, "[" * 128 + "]" * 128),
        ("[" * 129 + "]" * 129, "[" * 128 + "null" + "]" * 128),
        ("[1," + "[" * 130 + '"]"' + "]" * 130 + ",2]", "[1," + "[" * 127 + "null" + "]" * 127 + ",2]"),
    ],
)
def test_only_what_strict_readers_refuse_is_replaced(text: str, expected: str) -> None:
    """Everything around it stays where it was."""
    assert strict_json(text.encode()) == expected.encode()


@settings(deadline=None)
@given(st.binary(max_size=60) | st.text(alphabet='"\\[]{}u0d8 ', max_size=60).map(str.encode))
def test_text_that_is_no_json_gives_some_text_and_no_error(text: bytes) -> None:
    """The decoder behind it says what is wrong."""
    assert isinstance(strict_json(text), bytes)
