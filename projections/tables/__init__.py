"""The SQL of the projections, by file name. Holds no statement of its own.

Per table: `<name>.sql` makes it, `<name>.upsert.sql` writes rows inside of the append function,
`<name>.load.sql` reads states back. `views.sql` is for people.
"""

from __future__ import annotations

from importlib.resources import files


def table_text(name: str) -> str:
    """Return the text of `<name>.sql`, `{schema}` still in it."""
    return (files("projections.tables") / f"{name}.sql").read_text(encoding="utf-8")
