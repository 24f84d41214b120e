"""Opens DuckDB connections over archive files and loads the .sql texts. Knows no rows, locks nothing.

Every connection is in memory and thrown away: there is no DuckDB file that could go stale.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from projections.archive.columns import SUMS, TABLES
from projections.archive.manifest import Manifest, damaged
from projections.archive.prices import read_prices

HERE = Path(__file__).parent
_NAME = re.compile(r"\{(\w+)\}")
SCHEMAS = ("archived", "tail", "whole", "base")
# In order of creation: sessions reads usage and session_totals.
VIEWS = (
    "events",
    "messages",
    "usage",
    "day_totals",
    "session_totals",
    "sessions",
    "tool_calls",
    "generations",
    "compactions",
    "queue_items",
    "tasks",
)
# In the schema `base`: what some of them are made of.
PARTS = ("moment", "stream_key", "work")

_NO_EXTENSIONS = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
}


@cache
def sql(name: str) -> str:
    """Return the text of one .sql file, e.g. `queries/stat`."""
    return (HERE / f"{name}.sql").read_text(encoding="utf-8")


def filled(name: str, **values: str) -> str:
    """Return the text of one .sql file with its `{names}` replaced by SQL text.

    In one pass: a value that holds another name is not looked at again.
    """
    lines = sql(name).splitlines()
    text = "\n".join(line for line in lines if not line.startswith("--"))
    return _NAME.sub(lambda found: values.get(found[1], found[0]), text)


def quoted(text: str) -> str:
    """Return a SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def quoted_list(texts: Sequence[str]) -> str:
    return "[" + ", ".join(map(quoted, texts)) + "]"


def column_list(table: str) -> str:
    return ", ".join(f'"{name}"' for name in TABLES[table].columns)


def column_types(table: str) -> str:
    return ", ".join(f'"{name}" {type}' for name, type in TABLES[table].columns.items())


def column_struct(table: str) -> str:
    """Return columns and types as `read_json` takes them."""
    return "{" + ", ".join(f"{quoted(n)}: {quoted(t)}" for n, t in TABLES[table].columns.items()) + "}"


def parquet(paths: Sequence[Path]) -> str:
    """Return SQL that reads the rows of Parquet files, as a part of a FROM."""
    return f"read_parquet({quoted_list([str(path) for path in paths])})"


def added_up(table: str, messages: str) -> str:
    """Return SQL that adds messages up for a table of sums; `messages` and it are parts of a FROM."""
    return filled(f"queries/{table}", rows=messages)


def open_duckdb(spill: Path, *, memory_limit: str, threads: int) -> duckdb.DuckDBPyConnection:
    """Open an empty in-memory database that may spill to `spill` and loads no extensions."""
    config: dict[str, Any] = {
        **_NO_EXTENSIONS,
        "memory_limit": memory_limit,
        "threads": str(threads),
        "temp_directory": str(spill),
        # Python variables of callers are not tables.
        "python_enable_replacements": "false",
    }
    connection = duckdb.connect(":memory:", config=config)
    connection.execute("set global TimeZone = 'UTC'")  # for cursors too
    # Reading what a file of a million messages has where takes longer than most answers: 25 ms.
    connection.execute("set global parquet_metadata_cache = true")
    # Where Python was started without a script, DuckDB would draw one on stdout, among the answers.
    connection.execute("set enable_progress_bar = false")
    return connection


def create_archived(connection: duckdb.DuckDBPyConnection, directory: Path, manifest: Manifest) -> None:
    """Create the schemas, and `archived.<table>` over the Parquet files of `manifest`."""
    for schema in SCHEMAS:
        connection.execute(f"create schema {schema}")
    for table in TABLES:
        if rows := _archived(directory, manifest, table):
            text = filled("views/table_archived", table=table, columns=column_list(table), rows=rows)
        else:
            text = filled("views/table_archived_empty", table=table, types=column_types(table))
        try:
            connection.execute(text)
        except (duckdb.Error, UnicodeDecodeError) as error:  # it quotes bytes that need not be text
            raise damaged(f"an archive file cannot be read: {error}", "archive") from error


def _archived(directory: Path, manifest: Manifest, table: str) -> str:
    """Return SQL that reads one table of the files of `manifest`; empty if there are none.

    For ranges without a file of sums, their messages are added up.
    """
    parts = []
    if files := manifest.of_table(table):
        parts.append(parquet([directory / file.name for file in files]))
    if table in SUMS and (lacking := manifest.without_sums(table)):
        parts.append(added_up(table, parquet([directory / file.name for file in lacking])))
    if len(parts) < 2:
        return "".join(parts)
    return f"({' union all '.join(f'select {column_list(table)} from {part}' for part in parts)})"


def create_views(connection: duckdb.DuckDBPyConnection, tenant: str | None, prices: Path) -> None:
    """Create what users and prepared queries read; `archived` and `tail` must exist.

    Raises BadInput: `prices` is no price table.
    """
    for table in TABLES:
        connection.execute(filled("views/table_whole", table=table, columns=column_list(table)))
        if tenant is None:
            connection.execute(filled("views/table_base", table=table))
        else:
            connection.execute(filled("views/table_base_of_tenant", table=table, tenant=quoted(tenant)))
    connection.execute(sql("views/prices"))
    if table_of_prices := read_prices(prices):
        connection.executemany(sql("views/prices_fill"), [list(price) for price in table_of_prices])
    for view in (*PARTS, *VIEWS):
        connection.execute(sql(f"views/{view}"))


def lock_down(connection: duckdb.DuckDBPyConnection, paths: Sequence[Path], spill: Path) -> None:
    """Leave the connection only the given files and its spill directory, for good."""
    connection.execute(f"set allowed_paths = {quoted_list([str(path) for path in paths])}")
    connection.execute(f"set allowed_directories = {quoted_list([str(spill)])}")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")
