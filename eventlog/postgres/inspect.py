"""Compare the live schema with the one `migrate` would make, and name every difference. Changes nothing.

The expected schema is really made, in a scratch schema, within a transaction that is rolled back;
both are then read from the catalogs in the same words. So whatever Postgres does to a definition,
it does to both. Contents of tables are not looked at.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import asyncpg

from eventlog.postgres.migrate import print_sql
from eventlog.postgres.sql import check_schema, gate_key, text
from eventlog.projection import InlineProjection

_KINDS = {
    "1 table": "table",
    "2 column": "column",
    "3 constraint": "constraint",
    "4 index": "index",
    "5 trigger": "trigger",
    "6 function": "function",
    "7 view": "view",
}


async def differences(
    connection: asyncpg.Connection,
    schema: str,
    projections: Sequence[InlineProjection],
    extra_sql: Sequence[str] = (),
) -> list[str]:
    """Return what differs between the live schema and that of this release; empty when nothing does.

    Args:
        connection: of a role that may create schemas; not inside of a transaction.
        extra_sql: DDL beyond migrations and projections (views), as given to `migrate`.
    Raises:
        asyncpg.InsufficientPrivilegeError: the role may not create the scratch schema.
    """
    check_schema(schema)
    scratch = f"agentlog_scratch_{secrets.token_hex(8)}"
    transaction = connection.transaction()
    await transaction.start()
    try:
        # Definitions then name every schema but pg_catalog, whatever the role's own search path is.
        await connection.execute("SET LOCAL search_path = pg_catalog")
        await connection.execute("SET LOCAL client_min_messages = error")
        live = await _snapshot(connection, schema)
        await connection.execute(print_sql(scratch, projections, extra_sql))
        expected = await _snapshot(connection, scratch)
    finally:
        await transaction.rollback()
    return _compare(live, {key: _renamed(value, scratch, schema) for key, value in expected.items()})


async def _snapshot(connection: asyncpg.Connection, schema: str) -> dict[tuple[str, str], str]:
    """Return every object of a schema: its definition by (kind, name)."""
    rows = await connection.fetch(text("queries", "describe_schema"), schema)
    return {(row["kind"], row["name"]): row["definition"] for row in rows}


def _renamed(definition: str, scratch: str, schema: str) -> str:
    return definition.replace(scratch, schema).replace(str(gate_key(scratch)), str(gate_key(schema)))


def _compare(live: dict[tuple[str, str], str], expected: dict[tuple[str, str], str]) -> list[str]:
    found = []
    # What belongs to a table that is missing, or is not ours, goes without saying.
    missing = {name for kind, name in expected.keys() - live.keys() if kind == "1 table"}
    surplus = {name for kind, name in live.keys() - expected.keys() if kind == "1 table"}
    for key in sorted(live.keys() | expected.keys()):
        kind, name = key
        owner = name.split(".", 1)[0]
        if kind != "1 table" and owner in missing | surplus:
            continue
        if key not in live:
            found.append(f"{_KINDS[kind]} {name} is missing")
        elif key not in expected:
            found.append(f"{_KINDS[kind]} {name} is none of this release's")
        elif live[key] != expected[key]:
            found.append(_difference(_KINDS[kind], name, live[key], expected[key]))
    return found


def _difference(kind: str, name: str, live: str, expected: str) -> str:
    """Say what differs: the whole definition when it is short, else the first lines that do."""
    if "\n" not in live and "\n" not in expected:
        return f"{kind} {name} is {live}, expected {expected}"
    ours, theirs = live.split("\n"), expected.split("\n")
    at = next(
        (n for n, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs))
    )
    found = ours[at].strip() if at < len(ours) else "nothing"
    wanted = theirs[at].strip() if at < len(theirs) else "nothing"
    return f"{kind} {name} differs from line {at + 1} on: it has {found!r}, expected {wanted!r}"
