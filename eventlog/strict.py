"""Turn any JSON text the log keeps into strict JSON, for readers that only need its shape.

Lossy on purpose: lone surrogates become U+FFFD; numbers no double can hold, and whatever is nested
deeper than MAX_NESTING, become null. The exact text stays in the log (`payload.exact_json`).
"""

from __future__ import annotations

import math
import re

import msgspec

from eventlog.payload import MAX_NESTING

# Possessive (`++`, `*+`): a string is never tried a second way; and one without an end reaches to the
# end, so that no quote in it is tried as the beginning of one. So the scan is linear.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[{]|[\]}]|-?[0-9][0-9.eE+-]*+', re.DOTALL)
# In this order: a surrogate pair, a surrogate alone, any other escape (so that the `u` after an
# escaped backslash is not taken for one).
_ESCAPE = re.compile(rb"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|(\\u[dD][89a-fA-F]..)|\\.")


def strict_json(text: bytes) -> bytes:
    """Return `text` as JSON that strict readers take, otherwise unchanged.

    Args:
        text: JSON that `payload.encode_json` accepted. Other text gives other text, no error.
    """
    pieces: list[bytes] = []
    kept = 0  # everything before this offset is in `pieces`
    depth = 0
    for token in _TOKEN.finditer(text):
        first = text[token.start()]
        if first in b"[{":
            depth += 1
            if depth == MAX_NESTING + 1:
                pieces += (text[kept : token.start()], b"null")
        elif first in b"]}":
            if depth == MAX_NESTING + 1:
                kept = token.end()  # what was nested too deeply is left out, brackets and all
            depth -= 1
        elif depth <= MAX_NESTING:
            word = token.group()
            strict = _strict_string(word) if first == 0x22 else _strict_number(word)
            if strict is not word:
                pieces += (text[kept : token.start()], strict)
                kept = token.end()
    pieces.append(text[kept:])
    return b"".join(pieces)


def _strict_string(word: bytes) -> bytes:
    if b"\\u" not in word:
        return word
    return _ESCAPE.sub(lambda escape: rb"\ufffd" if escape[1] else escape[0], word)


def _strict_number(word: bytes) -> bytes:
    if len(word) < 19 and word.isdigit():
        return word
    try:
        msgspec.json.decode(word)
        # Integers of any length are JSON to msgspec, but not to DuckDB or JavaScript.
        return b"null" if math.isinf(float(word)) else word
    except ValueError:
        return b"null"
