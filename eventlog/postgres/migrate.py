"""The database schema: ordered migrations, their text for other tools, and what is applied.

Connecting never changes a schema; `migrate` does, when asked. Migrations are only ever added.
The append functions are remade from the registered projections whenever their set changes. A projection
table whose fold changed is derived from the log (replay/fill.py makes and fills it). Until that has
committed the head remembers that it is due, whatever happens to this process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import NamedTuple

import asyncpg

from eventlog.errors import FormatTooNew, ProjectionMismatch, SchemaMismatch
from eventlog.postgres.sql import FUNCTIONS, check_schema, functions_mark, functions_sql, gate_key, text
from eventlog.projection import InlineProjection, signature, versions_of

_MARK = "agentlog: an append-only event log and its projections"


class Migration(NamedTuple):
    """One file of migrations/: its number, its name and its text with `{schema}`."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


class Migrated(NamedTuple):
    """What `migrate` did: names of migrations applied, and tables that need a rebuild before any append."""

    applied: list[str]
    rebuild: list[str]


def migrations() -> list[Migration]:
    """Return all migrations of this release, in order."""
    found = []
    for file in files("eventlog.postgres").joinpath("migrations").iterdir():
        if file.name.endswith(".sql"):
            number, name = file.name.removesuffix(".sql").split("_", 1)
            found.append(Migration(int(number), name, file.read_text()))
    return sorted(found)


def print_sql(schema: str, projections: Sequence[InlineProjection], extra_sql: Sequence[str] = ()) -> str:
    """Return everything `migrate` would run on an empty database, for external tools."""
    check_schema(schema)
    parts = [text("queries", "create_schema")]
    for migration in migrations():
        parts.append(f"-- migration {migration.number}: {migration.name}\n{migration.sql}")
        parts.append(_record_sql(migration))
    parts += [projection.table_sql for projection in projections]
    parts += list(extra_sql)
    parts = [part.replace("{schema}", schema) for part in parts]
    parts.append(functions_sql(schema, projections))
    parts.append(f"REVOKE ALL ON ALL FUNCTIONS IN SCHEMA {schema} FROM PUBLIC;")
    parts.append(f"UPDATE {schema}.head SET projections = '{signature(projections)}';")
    return "\n\n".join(part.rstrip().rstrip(";") + ";" for part in parts) + "\n"


async def migrate(
    connection: asyncpg.Connection,
    schema: str,
    projections: Sequence[InlineProjection],
    extra_sql: Sequence[str] = (),
) -> Migrated:
    """Bring the schema up to this release, in one transaction under the gate.

    Args:
        extra_sql: DDL that must be run again whenever tables changed (views), idempotent.
    Raises:
        SchemaMismatch: a schema of that name holds something else, or an applied migration was altered.
        FormatTooNew: a newer release migrated it.
    """
    check_schema(schema)
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", gate_key(schema))
        await _refuse_foreign(connection, schema)
        await connection.execute(text("queries", "create_schema").replace("{schema}", schema))
        applied = await _apply(connection, schema)
        rebuild = await _install(connection, schema, projections, extra_sql)
    return Migrated(applied, rebuild)


async def check(
    connection: asyncpg.Connection,
    schema: str,
    projections: Sequence[InlineProjection],
    *,
    unfilled: bool = False,
) -> None:
    """Refuse a schema this process cannot work with. Reads three small rows, changes nothing.

    Args:
        unfilled: accept tables that have yet to be rebuilt: for the rebuild itself.
    Raises: SchemaMismatch, FormatTooNew, ProjectionMismatch.
    """
    check_schema(schema)
    await _refuse_foreign(connection, schema)
    if await connection.fetchval("SELECT to_regclass($1)", f"{schema}.migrations") is None:
        raise SchemaMismatch(
            f"schema {schema!r} does not exist in this database",
            hint="run `agentlog schema migrate`, or open with migrate=True",
            schema=schema,
        )
    pending = await _pending(connection, schema)
    if pending:
        raise SchemaMismatch(
            f"schema {schema!r} lacks migration {pending[0].number} ({pending[0].name})",
            hint="run `agentlog schema migrate`",
            schema=schema,
        )
    stored = await connection.fetchval(f"SELECT projections FROM {schema}.head")
    late = due(stored, projections)
    if late and not unfilled:
        raise ProjectionMismatch(
            f"the tables {', '.join(late)} have yet to be folded anew for this release:"
            " a rebuild is under way or was interrupted",
            hint="run `agentlog schema migrate`, which fills them from the log",
            stored=stored,
        )


def due(stored: str, projections: Sequence[InlineProjection]) -> list[str]:
    """Return the tables that have yet to be rebuilt, of a store that remembers its folds as `stored`.

    Raises:
        ProjectionMismatch: its folds are not those of this process.
    """
    kept = versions_of(stored)
    if {name: abs(version) for name, version in kept.items()} != {p.name: p.version for p in projections}:
        raise ProjectionMismatch(
            f"the store folds {stored or 'nothing'}, this process {signature(projections)}",
            hint="use the release the store was migrated with, or run `agentlog schema migrate`",
            stored=stored,
        )
    return sorted(name for name, version in kept.items() if version < 0)


async def _refuse_foreign(connection: asyncpg.Connection, schema: str) -> None:
    row = await connection.fetchrow(
        "SELECT obj_description(n.oid, 'pg_namespace') AS mark, to_regclass($2) IS NOT NULL AS ours,"
        " EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid) AS used"
        " FROM pg_namespace n WHERE n.nspname = $1",
        schema,
        f"{schema}.migrations",
    )
    if row is not None and row["mark"] != _MARK and (row["used"] or row["ours"]):
        raise SchemaMismatch(
            f"schema {schema!r} exists and holds something that is not an agentlog log",
            hint="choose another schema name; nothing was changed",
            schema=schema,
        )


async def _pending(connection: asyncpg.Connection, schema: str) -> list[Migration]:
    known = {migration.number: migration for migration in migrations()}
    rows = await connection.fetch(f"SELECT number, name, checksum FROM {schema}.migrations")
    for row in rows:
        migration = known.pop(row["number"], None)
        if migration is None:
            raise FormatTooNew(
                f"schema {schema!r} has migration {row['number']} ({row['name']}), unknown to this release",
                hint="use the newer agentlog that made it",
            )
        if migration.checksum != row["checksum"]:
            raise SchemaMismatch(
                f"migration {row['number']} ({row['name']}) of schema {schema!r} is not this release's"
            )
    return sorted(known.values())


async def _apply(connection: asyncpg.Connection, schema: str) -> list[str]:
    applied = []
    for migration in await _pending(connection, schema):
        await connection.execute(migration.sql.replace("{schema}", schema))
        await connection.execute(_record_sql(migration).replace("{schema}", schema))
        applied.append(migration.name)
    return applied


def _record_sql(migration: Migration) -> str:
    return (
        "INSERT INTO {schema}.migrations (number, name, checksum)"
        f" VALUES ({migration.number}, '{migration.name}', '{migration.checksum}')"
    )


async def _install(
    connection: asyncpg.Connection,
    schema: str,
    projections: Sequence[InlineProjection],
    extra_sql: Sequence[str],
) -> list[str]:
    """Make the projection tables and the append functions; return tables that must be rebuilt.

    What they hold is left for readers until then (replay/fill.py makes them anew, with the views): it is what
    the older fold says, and nobody appends meanwhile.
    """
    stored = await connection.fetchrow(f"SELECT projections, position FROM {schema}.head")
    assert stored is not None
    before = versions_of(stored["projections"])
    rebuild = []
    for projection in projections:
        table = f"{schema}.{projection.name}"
        there = await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", table)
        if before.pop(projection.name, None) == projection.version and there:
            continue
        if stored["position"]:
            rebuild.append(projection.name)
            continue
        await connection.execute(f"DROP TABLE IF EXISTS {table} CASCADE")
        await connection.execute(projection.table_sql.replace("{schema}", schema))
    for name in before:
        await connection.execute(f"DROP TABLE IF EXISTS {schema}.{name} CASCADE")
    for statement in () if rebuild else extra_sql:
        await connection.execute(statement.replace("{schema}", schema))
    mark = await connection.fetchval("SELECT obj_description(to_regproc($1), 'pg_proc')", f"{schema}.append")
    # What is there is left alone: made anew, functions lose the rights that roles were given on them.
    if mark != functions_mark(schema, projections):
        for name in FUNCTIONS:  # OUT columns may change between releases: replace cannot
            await connection.execute(f"DROP FUNCTION IF EXISTS {schema}.{name}")
        await connection.execute(functions_sql(schema, projections))
        await connection.execute(f"REVOKE ALL ON ALL FUNCTIONS IN SCHEMA {schema} FROM PUBLIC")
    folds = signature(projections, rebuild)
    await connection.execute(f"UPDATE {schema}.head SET projections = $1", folds)
    return rebuild
