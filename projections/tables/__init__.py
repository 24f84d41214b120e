"""The tables of the projections, by file name: `<name>.sql` makes one. `views.sql` is for people.

How their rows are written and read back follows from their columns: projections/row_statements.py.
"""

from __future__ import annotations

from importlib.resources import files


def table_text(name: str) -> str:
    """Return the text of `<name>.sql`, `{schema}` still in it."""
    return (files("projections.tables") / f"{name}.sql").read_text(encoding="utf-8")
