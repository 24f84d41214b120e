"""Is this text JSON (RFC 8259), and how deeply is it nested? Builds no values, so any depth, any
number and any string is judged; what a value means, and whether Python can hold it, is payload.py's.
"""

from __future__ import annotations

import re

# Possessive (`++`, `*+`): nothing is tried a second way, so every scan is linear.
_STRING = r'"(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+"'
_NUMBER = r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?"
_TOKEN = re.compile(rf"[ \t\n\r]*+(?:({_STRING})|({_NUMBER}|true|false|null)|([\[\]{{}},:]))")
_SPACE = re.compile(r"[ \t\n\r]*+")
# A string without an end reaches to the end: or each quote in it would be tried as the beginning of one.
_BRACKET = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)

# What may come next. After an opening bracket the closing one may, after a comma it may not.
_VALUE, _FIRST_ITEM, _KEY, _FIRST_KEY, _COLON, _AFTER = range(6)


def check_json(text: str) -> None:
    """Raise ValueError, naming the character, unless `text` is one JSON value."""
    opened: list[str] = []
    state, offset = _VALUE, 0
    while not (state == _AFTER and not opened):
        token = _TOKEN.match(text, offset)
        if token is None:
            raise _wrong(text, offset)
        string, scalar, mark = token.groups()
        inside = opened[-1] if opened else ""
        if (string or scalar) and state in (_VALUE, _FIRST_ITEM):
            state = _AFTER
        elif string and state in (_KEY, _FIRST_KEY):
            state = _COLON
        elif mark == ":" and state == _COLON:
            state = _VALUE
        elif mark == "," and state == _AFTER:
            state = _KEY if inside == "{" else _VALUE
        elif mark in ("[", "{") and state in (_VALUE, _FIRST_ITEM):
            opened.append(mark)
            state = _FIRST_KEY if mark == "{" else _FIRST_ITEM
        elif (mark == "]" and inside == "[" and state in (_AFTER, _FIRST_ITEM)) or (
            mark == "}" and inside == "{" and state in (_AFTER, _FIRST_KEY)
        ):
            opened.pop()
            state = _AFTER
        else:
            raise _wrong(text, token.start())
        offset = token.end()
    if (end := _end_of_space(text, offset)) != len(text):
        raise _wrong(text, end)


def nesting(line: bytes, limit: int) -> int:
    """Return how deeply arrays and objects of valid JSON are nested; 0 when that cannot be over `limit`."""
    if line.count(b"[") + line.count(b"{") <= limit:
        return 0
    depth = deepest = 0
    for token in _BRACKET.finditer(line):
        first = line[token.start()]
        if first in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif first in b"]}":
            depth -= 1
    return deepest


def _end_of_space(text: str, offset: int) -> int:
    space = _SPACE.match(text, offset)
    assert space is not None, "it matches nothing at all, too"
    return space.end()


def _wrong(text: str, offset: int) -> ValueError:
    offset = _end_of_space(text, offset)
    found = f"{text[offset : offset + 20]!r}" if offset < len(text) else "the end"
    return ValueError(f"unexpected {found} at character {offset}")
