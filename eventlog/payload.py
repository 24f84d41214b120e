"""JSON in, one exact line of bytes out, and back.

`data` is stored as strict UTF-8 JSON on one line. What strict readers trip over (lone
surrogates, numbers beyond a double, nesting deeper than 128) travels as base64 of the exact
bytes, marked by `encoding`, and comes back exactly. Nothing here knows what a payload means.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from typing import Any, NamedTuple

import msgspec

from eventlog.errors import BadPayload

MAX_NESTING = 128
BASE64 = "base64"

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()


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
        value: anything msgspec can encode: dict, list, str, int of any size, finite float,
            bool, None, datetime, UUID, Struct. `msgspec.Raw` is taken as JSON text handed in.
    Raises:
        BadPayload: NaN or infinity anywhere, an unsupported type, or invalid JSON in a Raw.
    """
    if type(value) is msgspec.Raw:
        return encode_json(bytes(value))
    try:
        line = _encoder.encode(value)
    except UnicodeEncodeError:
        return _as_base64(_encode_surrogates(value))
    except RecursionError as error:
        raise BadPayload("data is nested too deeply for Python to encode") from error
    except (TypeError, OverflowError, ValueError, NotImplementedError) as error:
        raise BadPayload(f"data cannot be encoded as JSON: {error}") from error
    # msgspec writes NaN and infinities as null, silently; only then is a look worth its time.
    if b"null" in line:
        _refuse_non_finite(value)
    # A Raw inside `value` is copied by msgspec unread: newlines, escapes of lone surrogates and
    # bytes that are no UTF-8 would reach the line. Their traces are cheap to look for.
    if b"\n" in line or b"\\u" in line or not _is_utf8(line) or _nesting(line) > MAX_NESTING:
        return encode_json(line)
    return Payload(line, None)


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
        strict = _nesting(compact) <= MAX_NESTING
        if strict:
            _decoder.decode(compact)
            return Payload(compact, None)
    except (msgspec.DecodeError, RecursionError):
        pass  # not strict: the slower, laxer parser below decides whether it is JSON at all
    try:
        # Characters, not bytes: given bytes, `json` takes a BOM or NULs for another encoding.
        json.loads(characters, parse_constant=_refuse_constant)
    except RecursionError:
        _check_brackets(text)
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
        pass
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


def _is_utf8(line: bytes) -> bool:
    if line.isascii():
        return True
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _refuse_non_finite(value: Any) -> None:
    """Raise if a float anywhere in `value` is NaN or infinite. Iterative: depth is data."""
    stack = [value]
    while stack:
        item = stack.pop()
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


def _nesting(line: bytes) -> int:
    """Depth of nested arrays and objects; counted only when the brackets could exceed it."""
    if line.count(b"[") + line.count(b"{") <= MAX_NESTING:
        return 0
    return _check_brackets(line)


def _check_brackets(text: bytes) -> int:
    depth = deepest = 0
    in_string = escaped = False
    for byte in text:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in (0x5B, 0x7B):
            depth += 1
            deepest = max(deepest, depth)
        elif byte in (0x5D, 0x7D):
            depth -= 1
            if depth < 0:
                break
    if depth or in_string:
        raise BadPayload("data is not JSON: brackets or quotes do not match")
    return deepest
