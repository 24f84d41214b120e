"""JSON in, one exact line of bytes out, and back.

`data` is stored as strict UTF-8 JSON on one line. What strict readers trip over (lone
surrogates, numbers beyond a double, nesting deeper than 128) travels as base64 of the exact
bytes, marked by `encoding`, and comes back exactly. Nothing here knows what a payload means.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import math
from typing import Any, NamedTuple

import msgspec

from eventlog.errors import BadPayload
from eventlog.grammar import check_json, nesting

MAX_NESTING = 128
BASE64 = "base64"

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()
_PLAIN = frozenset((str, int, bool, type(None)))


class Payload(NamedTuple):
    """What goes on the line: JSON bytes without a newline, and how to read them.

    `encoding` is None for plain JSON, or "base64": then `line` is a JSON string that holds the
    base64 of the exact JSON bytes.
    """

    line: bytes
    encoding: str | None


def encode_payload(value: Any) -> Payload:
    """Encode a Python value as msgspec does, keeping what JSON readers cannot hold as base64.

    Args:
        value: anything msgspec can encode: dict, list, str, int, finite float, bool, None, datetime,
            UUID, Struct. `msgspec.Raw` is taken as JSON text handed in.
    Raises:
        BadPayload: NaN or infinity anywhere, an unsupported type, invalid JSON in a Raw, or an int
            of more digits than Python writes (4,300; a Raw may have any number).
    """
    if type(value) is msgspec.Raw:
        return encode_json(bytes(value))
    try:
        line = _encoder.encode(value)
    except UnicodeEncodeError:
        return _as_base64(_encode_surrogates(value))
    except RecursionError as error:
        raise BadPayload("data is nested too deeply for Python to encode") from error
    except (TypeError, OverflowError, ValueError) as error:
        raise BadPayload(f"data cannot be encoded as JSON: {error}") from error
    # Two things msgspec lets through unseen: it writes NaN and infinities as null, and copies a Raw
    # unread. A strict pass over the line (3 us per KB) shows the second, a null asks for the first.
    if b"null" in line:
        _refuse_non_finite(value)
    return Payload(line, None) if is_strict(line) else encode_json(line)


def is_strict(line: bytes) -> bool:
    """Whether `line` is one line of JSON that strict readers take as it is."""
    if b"\n" in line or b"\r" in line:
        return False
    try:
        _decoder.decode(line)
    except (ValueError, RecursionError):
        return False
    return nesting(line, MAX_NESTING) <= MAX_NESTING


def encode_json(text: bytes) -> Payload:
    """Take JSON text as it is: validated, compacted to one line, numbers kept to the digit.

    Raises:
        BadPayload: not UTF-8, not JSON, or NaN/Infinity (which are not JSON).
    """
    try:
        characters = text.decode()
    except UnicodeDecodeError as error:
        raise BadPayload(f"data is not UTF-8: {error.reason} at byte {error.start}") from error
    try:
        compact = msgspec.json.format(text, indent=-1)
        if nesting(compact, MAX_NESTING) <= MAX_NESTING:
            _decoder.decode(compact)
            return Payload(compact, None)
    except (ValueError, RecursionError):
        pass  # not strict, or beyond what Python builds; the grammar decides whether it is JSON at all
    try:
        check_json(characters)
    except ValueError as error:
        raise BadPayload(f"data is not JSON: {error}") from error
    return _as_base64(text)


def decode_payload(line: bytes | msgspec.Raw, encoding: str | None) -> Any:
    """Return the Python value of a payload; the inverse of `encode_payload`.

    Raises:
        BadPayload: the bytes are not what `encoding` says (the log was altered), or the value
            is nested beyond what Python can build (read `exact_json` instead).
    """
    text = exact_json(bytes(line), encoding)
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass  # lone surrogates, 1e400: what the standard library takes and msgspec does not
    try:
        return json.loads(text.decode())
    except (ValueError, RecursionError) as error:
        raise BadPayload(f"stored data cannot be decoded: {error}") from error


def exact_json(line: bytes, encoding: str | None) -> bytes:
    """Return the JSON bytes a payload stands for, exactly as they were accepted."""
    if encoding is None:
        return line
    if encoding != BASE64:
        raise BadPayload(f"data has encoding {encoding!r}; this release knows {BASE64!r}")
    try:
        return base64.b64decode(line[1:-1], validate=True)
    except binascii.Error as error:
        raise BadPayload(f"stored data is not base64: {error}") from error


def _as_base64(text: bytes) -> Payload:
    return Payload(b'"' + base64.b64encode(text) + b'"', BASE64)


def _encode_surrogates(value: Any) -> bytes:
    """Encode through the standard library, which writes lone surrogates as escapes."""
    try:
        plain = msgspec.to_builtins(value, str_keys=True)
        return json.dumps(plain, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise BadPayload(f"data cannot be encoded as JSON: {error}") from error


def _refuse_non_finite(value: Any) -> None:
    """Raise BadPayload for a float anywhere in `value` that is not finite. Iterative: depth is data."""
    stack = [value]
    while stack:
        item = stack.pop()
        if type(item) in _PLAIN:
            continue
        if isinstance(item, float):
            if not math.isfinite(item):
                raise BadPayload(f"data holds {item}, which JSON cannot express")
        elif isinstance(item, dict):
            stack.extend(item)
            stack.extend(item.values())
        elif isinstance(item, (list, tuple, set, frozenset)):
            stack.extend(item)
        elif isinstance(item, msgspec.Struct):
            stack.extend(getattr(item, name) for name in item.__struct_fields__)
        elif dataclasses.is_dataclass(item) or hasattr(item, "__attrs_attrs__"):
            stack.extend(_fields_of(item))


def _fields_of(item: Any) -> list[Any]:
    """Values of a dataclass or attrs object, set fields only, as msgspec encodes them."""
    fields = getattr(item, "__attrs_attrs__", None) or dataclasses.fields(item)
    return [getattr(item, field.name, None) for field in fields]
