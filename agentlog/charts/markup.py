"""Writes elements of SVG and HTML as text, with everything that is not markup escaped. Pure.

The one place where text becomes markup: what is not made by `element` or `escaped` is not put into a
page. Content comes from agents and from whoever wrote to them, so it may be markup itself, or hold
characters that XML cannot have at all; those are shown as U+FFFD.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# What XML 1.0 has no way to write, lone surrogates included; and marks that turn text around.
_IMPOSSIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]"
)
_ESCAPES = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord('"'): "&quot;", ord("'"): "&#39;"}
_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]*\Z")


class Markup(str):
    """Text that is markup already. Everything else is escaped."""

    __slots__ = ()


def escaped(text: object) -> Markup:
    """Return `text` as the content of an element or an attribute."""
    return Markup(_IMPOSSIBLE.sub("\ufffd", str(text)).translate(_ESCAPES))


def element(name: str, *children: object, **attributes: object) -> Markup:
    """Return one element. Children that are no Markup are escaped; so is every attribute's value.

    Attributes with None are left out; `class_` is class, and `_` in a name is `-`. Numbers are rounded to
    a tenth: finer than that no screen shows.
    """
    assert _NAME.match(name), name
    parts = [f"<{name}"]
    for key, value in attributes.items():
        if value is None:
            continue
        written = key.rstrip("_").replace("_", "-")
        assert _NAME.match(written), key
        parts.append(f' {written}="{escaped(number(value) if isinstance(value, float) else value)}"')
    inner = joined(children)
    if not inner and name in _EMPTY:
        return Markup("".join(parts) + "/>")
    return Markup("".join(parts) + f">{inner}</{name}>")


# SVG elements without content, which may close themselves (HTML has others; nothing here uses them).
_EMPTY = frozenset(("rect", "line", "circle", "path", "meta"))


def joined(children: Iterable[object]) -> Markup:
    """Return markup and text one after the other; None is nothing."""
    return Markup(
        "".join(
            child if isinstance(child, Markup) else escaped(child) for child in children if child is not None
        )
    )


def number(value: float) -> str:
    """Return a coordinate, in pixels, to a tenth."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text
