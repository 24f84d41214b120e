"""Refuses user SQL that is not one SELECT over the archive's views. Runs nothing.

DuckDB 2 takes COPY, INSERT and other writes inside of a WITH, and lets a query write any file it
may read. So its own locks are not enough: the parsed query is walked, and whatever is not on the
lists below is refused. The tree is DuckDB's own (`json_serialize_sql`), the lists are of what is
allowed, so that a construct of a later DuckDB is refused until somebody looked at it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from typing import Any

import duckdb
import msgspec

from eventlog.errors import BadInput

ALLOWED_VIEWS = frozenset(
    (
        *("events", "messages", "tool_calls", "sessions", "generations"),
        *("compactions", "queue_items", "tasks", "usage", "session_totals", "day_totals"),
    )
)
ALLOWED_TABLE_FUNCTIONS = frozenset(
    ("range", "generate_series", "unnest", "json_each", "json_tree", "repeat", "repeat_row")
)

# Types of tree nodes that are no expressions. Everything else with a `type` and no `class` is refused.
_QUERY_NODES = frozenset(("SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"))
_TABLE_REFERENCES = frozenset(
    ("BASE_TABLE", "TABLE_FUNCTION", "SUBQUERY", "JOIN", "EXPRESSION_LIST", "EMPTY", "SHOW_REF", "PIVOT")
)
_PARTS = frozenset(
    (
        *("ORDER_MODIFIER", "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER", "DISTINCT_MODIFIER"),
        *("ASCENDING", "DESCENDING", "ORDER_DEFAULT"),
    )
)
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
# Texts that have passed: the verdict hangs on the text alone, and takes 1 ms of the 10 of a quick question.
_PASSED_MAX, _PASSED_CHARACTERS_MAX = 256, 16_384
_passed: dict[str, None] = {}
_passing = threading.Lock()
_HINT = "write one SELECT over " + ", ".join(sorted(ALLOWED_VIEWS))


def check_query(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    """Refuse `query` unless it is one SELECT that reads the archive's views and nothing else.

    Raises:
        BadInput: it is not; the message says what was found.
    """
    if not isinstance(query, str):
        raise BadInput(f"the query is {type(query).__name__}, not text")
    if query in _passed:
        return
    try:
        query.encode()
        statements = connection.extract_statements(query)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            kinds = ", ".join(statement.type.name for statement in statements) or "nothing"
            raise BadInput(f"the query is {kinds}, not one SELECT", hint=_HINT)
        row = connection.execute("select json_serialize_sql(?)", [query]).fetchone()
    except duckdb.Error as error:
        raise BadInput(f"DuckDB cannot parse the query: {error}") from error
    except UnicodeEncodeError as error:
        raise BadInput("the query holds a lone surrogate, which SQL text cannot") from error
    assert row is not None
    try:
        tree = msgspec.json.decode(row[0])
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadInput("the query is nested too deeply to be checked") from error
    if tree["error"]:
        raise BadInput(f"DuckDB cannot read the query: {tree.get('error_message')}", hint=_HINT)
    check_tree(tree["statements"])
    if len(query) <= _PASSED_CHARACTERS_MAX:
        with _passing:
            _passed[query] = None
            if len(_passed) > _PASSED_MAX:
                del _passed[next(iter(_passed))]


def check_tree(tree: Any) -> None:
    """Refuse a parsed query that holds anything but what is allowed."""
    nodes = list(_nodes(tree))
    local = {name.lower() for node in nodes for name in _names_of_ctes(node)}
    for name in local:
        # A name like a path would let the same name elsewhere in the query stand for the file.
        if not _PLAIN_NAME.match(name):
            raise BadInput(f"{name!r} cannot name a part of a query", hint="use letters, digits and _")
    for node in nodes:
        kind = node.get("type")
        if "class" in node or not isinstance(kind, str):
            continue
        if kind == "BASE_TABLE":
            _check_table(node, local)
        elif kind == "TABLE_FUNCTION":
            _check_function(node)
        elif kind not in _QUERY_NODES | _TABLE_REFERENCES | _PARTS and not kind.endswith("_TYPE_INFO"):
            raise BadInput(f"{kind.lower().replace('_', ' ')} is not allowed in a query", hint=_HINT)


def _check_table(node: dict[str, Any], local: set[str]) -> None:
    name = node["table_name"].lower()
    schema = ".".join(part for part in (node["catalog_name"], node["schema_name"]) if part)
    if name in ALLOWED_VIEWS and schema in ("", "main"):
        return
    if name in local and not schema:
        return
    shown = f"{schema}.{name}" if schema else name
    raise BadInput(f"there is no table {shown!r} to be read", hint=_HINT)


def _check_function(node: dict[str, Any]) -> None:
    function = node["function"]
    name = str(function.get("function_name", "")).lower()
    # Some releases name the schema `main` on every function.
    if name not in ALLOWED_TABLE_FUNCTIONS or function.get("schema") not in ("", "main"):
        raise BadInput(f"the table function {name!r} is not allowed in a query", hint=_HINT)


def _names_of_ctes(node: dict[str, Any]) -> Iterator[str]:
    entries = node.get("cte_map")
    if isinstance(entries, dict):
        for entry in entries.get("map", ()):
            yield str(entry["key"])
    for key in ("cte_name", "ctename"):  # of the nodes of recursive and materialized parts
        if isinstance(node.get(key), str):
            yield node[key]


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """All objects of the tree. Iterative: depth is the user's choice."""
    stack = [tree]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            yield item
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
