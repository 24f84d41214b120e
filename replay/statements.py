"""The SQL texts of replay, by file name. Holds no statement of its own."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def query(name: str) -> str:
    """Return the text of queries/<name>.sql, `{schema}` and other names still in it."""
    return (files("replay") / "queries" / f"{name}.sql").read_text(encoding="utf-8")


def filled(name: str, **names: str) -> str:
    """Return a query with its names filled in: a checked schema, tables and columns of projections."""
    text = query(name)
    for key, value in names.items():
        text = text.replace("{" + key + "}", value)
    return text
