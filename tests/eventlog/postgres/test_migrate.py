"""Migrations: once, in order, all or nothing; never over somebody else's tables."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from eventlog.errors import BadIdentifier, FormatTooNew, ProjectionMismatch, SchemaMismatch
from eventlog.postgres.inspect import differences
from eventlog.postgres.migrate import check, migrate, migrations, print_sql
from tests.eventlog.conftest import OpenLog
from tests.support.builders import (
    CHAPTERS,
    PROJECTIONS,
    TALLIES,
    Projection,
    Tally,
    saying,
    story,
    table,
    tally,
)

VIEW = "CREATE OR REPLACE VIEW {schema}.loudest AS SELECT key, count FROM {schema}.tallies"
NEWER_TALLIES = Projection("tallies", Tally, tally, ("said", "spoiled"))
NEWER_TALLIES.version = 2


async def catalog(connection: asyncpg.Connection, schema: str) -> dict[str, Any]:
    """Everything in a schema by its identity in the catalogs: an object made anew has another oid."""
    rows = await connection.fetch(
        """SELECT c.relname || ' ' || c.relkind::text AS name,
                  c.oid::text || coalesce(c.relacl::text, '') AS is
             FROM pg_class c WHERE c.relnamespace = $1::regnamespace
            UNION ALL SELECT p.proname::text, p.oid::text || p.xmin::text || coalesce(p.proacl::text, '')
             FROM pg_proc p WHERE p.pronamespace = $1::regnamespace
            UNION ALL SELECT t.tgname::text, t.oid::text
             FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
            WHERE c.relnamespace = $1::regnamespace""",
        schema,
    )
    return dict(rows)


async def test_migrating_twice_changes_nothing(admin: asyncpg.Connection, schema_name: str):
    first = await migrate(admin, schema_name, PROJECTIONS, [VIEW])
    assert first.applied == [migration.name for migration in migrations()]
    before = await catalog(admin, schema_name)
    second = await migrate(admin, schema_name, PROJECTIONS, [VIEW])
    assert (second.applied, second.rebuild) == ([], [])
    assert await catalog(admin, schema_name) == before
    await check(admin, schema_name, PROJECTIONS)


async def test_rights_given_on_the_functions_survive_a_migration_that_changes_nothing(
    admin: asyncpg.Connection, schema_name: str, role: str
):
    """Every start with migrate=True would lock the writers out."""
    await migrate(admin, schema_name, PROJECTIONS)
    await admin.execute(f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {schema_name} TO {role}")
    await migrate(admin, schema_name, PROJECTIONS)
    arguments = await admin.fetchval("SELECT to_regproc($1)::oid", f"{schema_name}.append")
    assert await admin.fetchval("SELECT has_function_privilege($1, $2::oid, 'execute')", role, arguments)


async def test_nobody_else_may_call_the_functions(admin: asyncpg.Connection, schema_name: str, role: str):
    await migrate(admin, schema_name, PROJECTIONS)
    functions = await admin.fetch(
        "SELECT oid, proname FROM pg_proc WHERE pronamespace = $1::regnamespace", schema_name
    )
    assert len(functions) >= 3
    for function in functions:
        may = await admin.fetchval(
            "SELECT has_function_privilege($1, $2::oid, 'execute')", role, function["oid"]
        )
        assert not may, function["proname"]


async def test_print_is_what_migrate_does(admin: asyncpg.Connection, schema_name: str, opened: OpenLog):
    """For those who apply schemas with other tools."""
    await admin.execute(print_sql(schema_name, PROJECTIONS, [VIEW]))
    assert await differences(admin, schema_name, PROJECTIONS, [VIEW]) == []
    before = await catalog(admin, schema_name)
    done = await migrate(admin, schema_name, PROJECTIONS, [VIEW])
    assert (done.applied, done.rebuild) == ([], [])
    assert await catalog(admin, schema_name) == before
    log = await opened(migrate=False)
    await log.append(saying(story(), "x"))
    other = f"{schema_name}_migrated"
    await migrate(admin, other, PROJECTIONS, [VIEW])
    assert await differences(admin, other, PROJECTIONS, [VIEW]) == []


@pytest.mark.parametrize("name", ["Agentlog", "pg_log", "public", "a b"])
async def test_a_schema_name_that_needs_quoting_is_refused(admin: asyncpg.Connection, name: str):
    with pytest.raises(BadIdentifier):
        await migrate(admin, name, ())
    with pytest.raises(BadIdentifier):
        print_sql(name, ())


@pytest.mark.parametrize("theirs", ["events (id int)", "migrations (number int)", "other (id int)"])
async def test_a_schema_that_holds_something_else_is_refused_untouched(
    admin: asyncpg.Connection, schema_name: str, theirs: str
):
    """Also one with tables called like ours."""
    await admin.execute(f"CREATE SCHEMA {schema_name}; CREATE TABLE {schema_name}.{theirs}")
    before = await catalog(admin, schema_name)
    for refused in (migrate, check):
        with pytest.raises(SchemaMismatch, match="not an agentlog log; choose another schema name"):
            await refused(admin, schema_name, PROJECTIONS)
    assert await catalog(admin, schema_name) == before


async def test_an_empty_schema_that_somebody_made_is_taken(admin: asyncpg.Connection, schema_name: str):
    """Roles that may not create schemas get one from their administrator."""
    await admin.execute(f"CREATE SCHEMA {schema_name}")
    with pytest.raises(SchemaMismatch, match="does not exist in this database"):
        await check(admin, schema_name, PROJECTIONS)
    await migrate(admin, schema_name, PROJECTIONS)
    await check(admin, schema_name, PROJECTIONS)


async def test_a_schema_migrated_by_a_newer_release_is_refused(admin: asyncpg.Connection, schema_name: str):
    await migrate(admin, schema_name, PROJECTIONS)
    await admin.execute(f"INSERT INTO {schema_name}.migrations VALUES (9999, 'later', 'x')")
    before = await catalog(admin, schema_name)
    for refused in (migrate, check):
        with pytest.raises(FormatTooNew, match="migration 9999"):
            await refused(admin, schema_name, PROJECTIONS)
    assert await catalog(admin, schema_name) == before


async def test_a_migration_that_was_altered_is_refused(admin: asyncpg.Connection, schema_name: str):
    await migrate(admin, schema_name, PROJECTIONS)
    await admin.execute(f"UPDATE {schema_name}.migrations SET checksum = 'other' WHERE number = 1")
    for refused in (migrate, check):
        with pytest.raises(SchemaMismatch, match="migration 1 "):
            await refused(admin, schema_name, PROJECTIONS)


async def test_a_schema_that_lacks_a_migration_is_refused_until_it_is_applied(
    admin: asyncpg.Connection, schema_name: str
):
    await migrate(admin, schema_name, PROJECTIONS)
    await admin.execute(f"DELETE FROM {schema_name}.migrations WHERE number = 1")
    with pytest.raises(SchemaMismatch, match="lacks migration 1 "):
        await check(admin, schema_name, PROJECTIONS)


async def test_a_failing_migration_leaves_nothing_behind(admin: asyncpg.Connection, schema_name: str):
    """One transaction: a schema is of one release or of the other."""
    broken = Projection("tallies", Tally, tally, ("said",))
    broken.table_sql = "CREATE TABLE {schema}.tallies (nonsense no_such_type)"
    with pytest.raises(asyncpg.UndefinedObjectError):
        await migrate(admin, schema_name, [CHAPTERS, broken])
    assert await admin.fetchval("SELECT to_regnamespace($1)", schema_name) is None


async def test_a_fold_of_another_version_is_named_for_rebuilding_and_its_table_left_to_readers(
    opened: OpenLog, admin: asyncpg.Connection
):
    """What it holds stays true until then: nobody appends."""
    log = await opened()
    await log.append(saying(story(), "x"))
    schema, before = log.settings.schema, await table(log, TALLIES)
    done = await migrate(admin, schema, [NEWER_TALLIES, CHAPTERS])
    assert (done.applied, done.rebuild) == ([], ["tallies"])
    assert await table(log, TALLIES) == before != {}
    assert len(await table(log, CHAPTERS)) == 1
    with pytest.raises(ProjectionMismatch, match=r"chapters:1,tallies:-2, this process chapters:1,tallies:1"):
        await check(admin, schema, PROJECTIONS)


async def test_a_table_that_was_not_rebuilt_is_remembered_until_it_is(
    opened: OpenLog, admin: asyncpg.Connection
):
    """Invariant 6: whoever dies after migrating leaves an empty table, and nobody takes it for a full one."""
    log = await opened()
    await log.append(saying(story(), "x"))
    schema, newer = log.settings.schema, [NEWER_TALLIES, CHAPTERS]
    await migrate(admin, schema, newer)
    with pytest.raises(ProjectionMismatch, match="tallies have yet to be folded anew for this release"):
        await check(admin, schema, newer)
    await check(admin, schema, newer, unfilled=True)
    with pytest.raises(ProjectionMismatch):
        await log.append(saying(story(), "y"))
    assert (await migrate(admin, schema, newer)).rebuild == ["tallies"]


async def test_a_table_that_somebody_dropped_is_named_for_rebuilding(
    opened: OpenLog, admin: asyncpg.Connection
):
    """Or `migrate`, which errors advise, would be no help."""
    log = await opened()
    await log.append(saying(story(), "x"))
    schema = log.settings.schema
    await migrate(admin, schema, PROJECTIONS, [VIEW])
    await admin.execute(f"DROP TABLE {schema}.tallies CASCADE")
    assert (await migrate(admin, schema, PROJECTIONS, [VIEW])).rebuild == ["tallies"]


async def test_the_table_of_a_projection_that_is_no_more_is_dropped(
    admin: asyncpg.Connection, schema_name: str
):
    await migrate(admin, schema_name, PROJECTIONS)
    await migrate(admin, schema_name, [CHAPTERS])
    assert await admin.fetchval("SELECT to_regclass($1)", f"{schema_name}.tallies") is None
    await migrate(admin, schema_name, PROJECTIONS)
    await check(admin, schema_name, PROJECTIONS)


async def test_checking_changes_nothing(admin: asyncpg.Connection, schema_name: str):
    with pytest.raises(SchemaMismatch):
        await check(admin, schema_name, PROJECTIONS)
    assert await admin.fetchval("SELECT to_regnamespace($1)", schema_name) is None


def test_migrations_are_numbered_from_one_without_a_gap():
    """They are only ever added."""
    assert [migration.number for migration in migrations()] == list(range(1, len(migrations()) + 1))
