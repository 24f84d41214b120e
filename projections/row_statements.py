"""How rows of a projection's table are written and read back: two statements that follow from its columns.

Derived, where all other SQL stands in files of its own: written out, a column stands in four places more
than in its table, and whoever forgets one of them finds out when a row comes back as another. `agentlog
schema print` shows what the append function holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from eventlog.projection import STANDARD_COLUMNS

# Name, type, and whatever else DDL says of a column; four spaces before it, as in all of tables/.
_COLUMN = re.compile(r"^    ([a-z_]+) +(double precision|[a-z]+)\b", re.M)


def columns_of(table_sql: str) -> dict[str, str]:
    """Return the columns of a table that hold the state, with their types, as its DDL has them."""
    columns = table_sql[: table_sql.index("PRIMARY KEY")]
    return {name: kind for name, kind in _COLUMN.findall(columns) if name not in STANDARD_COLUMNS}


def upsert_text(table: str, columns: Mapping[str, str], row_key: Sequence[str] = ()) -> str:
    """Return the statement that writes the rows which one batch changed, as a part of the append function.

    Over its variables (eventlog/projection.py), `rows` being [{"s", "f", "l", "version", …state}]: the
    numbers, from 1 on, of the row's stream, of its first and of its last event. A `positions` that is NULL
    was refused, and its row is not written.
    """
    changed = ["version", "last_position", "last_time", *(name for name in columns if name not in row_key)]
    return f"""\
INSERT INTO {{schema}}.{table} AS t (
{_listed([*STANDARD_COLUMNS, *columns])}
)
SELECT
    stream_ids[r.s], r.version, positions[r.f], accepted_at, positions[r.l], accepted_at,
    s_tenant[r.s], s_key[r.s],
{_listed(f"r.{name}" for name in columns)}
FROM json_to_recordset(rows) AS r (
    s integer, f integer, l integer, version bigint,
{_listed(f"{name} {kind}" for name, kind in columns.items())}
)
WHERE positions[r.l] IS NOT NULL
ON CONFLICT ({", ".join(("stream_id", *row_key))}) DO UPDATE SET
{_listed(f"{name} = excluded.{name}" for name in changed)};
"""


def load_text(table: str, columns: Mapping[str, str], row_key: Sequence[str] = ()) -> str:
    """Return the statement that gives the newest state of each of some streams; $1 bigint[] of their ids.

    A stream without one is absent. The time zone of the connection must not show: times are in UTC.
    """
    newest = ", ".join(f"t.{name} DESC" for name in row_key)
    return f"""\
SELECT wanted.stream_id, to_json(newest)::text AS state
FROM unnest($1::bigint[]) AS wanted (stream_id)
CROSS JOIN LATERAL (
    SELECT
{_listed(_in_utc(name) if kind == "timestamptz" else f"t.{name}" for name, kind in columns.items())}
    FROM {{schema}}.{table} AS t
    WHERE t.stream_id = wanted.stream_id{f" ORDER BY {newest} LIMIT 1" if newest else ""}
) AS newest;
"""


def _in_utc(name: str) -> str:
    return f"""to_char(t.{name} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS {name}"""


def _listed(parts: Iterable[str]) -> str:
    return "    " + ",\n    ".join(parts)
