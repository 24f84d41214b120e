"""Stream keys that are made of several texts: no two lists of texts make the same key.

A stream has one key, and some things have two names: a key in its namespace, a peer on its channel.
Both stand in columns of their own (projections/); nobody takes a joined key apart again.
"""

from __future__ import annotations


def key_part(text: str) -> str:
    """Return `text` without a bare colon: `%` is written `%25` and `:` is written `%3A`."""
    return text.replace("%", "%25").replace(":", "%3A")


def join_key(*parts: str) -> str:
    """Return the parts as one key, a colon between them. Only a joined key holds a bare colon, so
    (`a`, `b:c`) and (`a:b`, `c`) never meet."""
    return ":".join(map(key_part, parts))
