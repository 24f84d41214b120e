"""One line of JSON, taken apart without losing a byte. Which members mean what is not known here.

Values stay verbatim (`Raw`). msgspec reads nearly everything; what it refuses but JSON allows
(lone surrogates) goes through the standard library, which finds where each value ends.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple, NoReturn

import msgspec
from msgspec import Raw

from eventlog.errors import BadInput


class Members(NamedTuple):
    """The members of a JSON object.

    Attributes:
        values: verbatim, by name; of a name that occurs twice the last, as most readers do.
        whole: False when `values` is less than the text says: a name occurs twice, or holds a
            lone surrogate. Whoever keeps `values` must then keep the text as well.
    """

    values: dict[str, Raw]
    whole: bool


class NotJson(BadInput):
    """A line is not UTF-8 or not JSON."""


def take_apart(line: bytes) -> Members | None:
    """Return the members of a JSON object, or None for another JSON value.

    None as well for what is nested deeper than Python goes: it can be kept, not looked into.
    Raises:
        NotJson: the line is not one JSON value in UTF-8 (NaN and Infinity are not JSON).
    """
    try:
        line.decode()
    except UnicodeDecodeError as error:
        raise NotJson(f"not UTF-8: {error.reason} at byte {error.start} of the line") from error
    try:
        values = _values.decode(line)
    except msgspec.ValidationError:
        _check(line)
        return None
    except (msgspec.DecodeError, RecursionError, ValueError):
        return _take_apart_slowly(line.decode())
    return Members(values, _has_no_more(line, values))


def text(values: dict[str, Raw], name: str) -> str | None:
    """Return a member that is a string without lone surrogates."""
    raw = bytes(values.get(name, b""))
    if not raw.startswith(b'"'):
        return None
    try:
        return msgspec.json.decode(raw, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def flag(values: dict[str, Raw], name: str) -> bool | None:
    """Return a member that is true or false."""
    return {b"true": True, b"false": False}.get(bytes(values.get(name, b"")))


def members(values: dict[str, Raw], name: str) -> Members | None:
    """Return the members of a member that is an object."""
    raw = bytes(values.get(name, b""))
    return take_apart(raw) if raw.startswith(b"{") else None


def is_null(values: dict[str, Raw], name: str) -> bool:
    """Whether a member is null or absent."""
    return bytes(values.get(name, b"null")) == b"null"


def put_together(values: dict[str, Raw]) -> Raw:
    """Return the object of these members, each value verbatim."""
    return Raw(msgspec.json.encode(values))


_values = msgspec.json.Decoder(dict[str, Raw])


def _has_no_more(line: bytes, values: dict[str, Raw]) -> bool:
    """Whether no member was lost. A compact line is as long as its members, to the byte."""
    length = len(b"{}") + max(len(values) - 1, 0)
    length += sum(
        len(msgspec.json.encode(name)) + len(b":") + len(bytes(raw)) for name, raw in values.items()
    )
    if length == len(line):
        return True
    found = _take_apart_slowly(line.decode())
    return found is not None and found.whole


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


# Numbers are only skipped: they are never built, so that long ones cost and refuse nothing.
_scanner = json.JSONDecoder(parse_constant=_refuse, parse_int=len, parse_float=len)
_space = re.compile(r"[ \t\r\n]*")
_surrogate = re.compile("[\ud800-\udfff]")


def _check(line: bytes) -> None:
    """Raise NotJson unless the line is one JSON value."""
    try:
        msgspec.json.decode(line, type=Raw)
    except (msgspec.DecodeError, RecursionError, ValueError):
        _take_apart_slowly(line.decode())


def _take_apart_slowly(line: str) -> Members | None:
    """Return the members of an object through the standard library; see `take_apart`."""
    try:
        start = _skip(line, 0)
        if line[start : start + 1] == "{":
            return _scan_object(line, start)
        _, end = _scanner.raw_decode(line, start)
        _expect_end(line, end)
    except RecursionError:
        return None
    except ValueError as error:
        raise NotJson(f"not JSON: {error}") from error
    return None


def _scan_object(line: str, start: int) -> Members:
    values: dict[str, Raw] = {}
    whole = True
    index = _skip(line, start + 1)
    while line[index : index + 1] != "}":
        if values:
            index = _skip(line, _expect(line, index, ","))
        if line[index : index + 1] != '"':
            raise ValueError(f"a name was expected at character {index}")
        name, index = _scanner.raw_decode(line, index)
        index = _skip(line, _expect(line, _skip(line, index), ":"))
        _, end = _scanner.raw_decode(line, index)
        whole = whole and name not in values and not _surrogate.search(name)
        values[name] = Raw(line[index:end].encode())
        index = _skip(line, end)
    _expect_end(line, index + 1)
    return Members(values, whole)


def _skip(line: str, index: int) -> int:
    found = _space.match(line, index)
    assert found is not None
    return found.end()


def _expect(line: str, index: int, character: str) -> int:
    if line[index : index + 1] != character:
        raise ValueError(f"{character!r} was expected at character {index}")
    return index + 1


def _expect_end(line: str, index: int) -> None:
    if _skip(line, index) != len(line):
        raise ValueError(f"more follows at character {index}")
