"""The live schema against the one this release makes, on a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from eventlog.embedded.server import EmbeddedPostgres
from eventlog.postgres.inspect import differences
from eventlog.postgres.migrate import migrate
from projections.catalog import INLINE, VIEWS_SQL


@pytest.fixture
async def migrated(
    postgres_server: EmbeddedPostgres, schema_name: str
) -> AsyncIterator[tuple[asyncpg.Connection, str]]:
    """A connection and the name of a schema that was just migrated."""
    connection = await asyncpg.connect(**postgres_server.connection)
    await migrate(connection, schema_name, INLINE, [VIEWS_SQL])
    yield connection, schema_name
    await connection.execute(f"DROP SCHEMA {schema_name} CASCADE")
    await connection.close()


async def test_a_migrated_schema_has_no_difference(migrated):
    """And looking for one leaves no scratch schema behind."""
    connection, schema = migrated
    assert await differences(connection, schema, INLINE, [VIEWS_SQL]) == []
    assert await connection.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname ~ 'scratch'") == 0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("ALTER TABLE {s}.events DISABLE TRIGGER events_are_append_only", "(disabled)"),
        ("DROP TRIGGER streams_stay ON {s}.streams", "trigger streams.streams_stay is missing"),
        ("DROP INDEX {s}.sessions_by_tenant", "index sessions.sessions_by_tenant is missing"),
        ("ALTER TABLE {s}.mirrors ALTER directory TYPE varchar(9)", "mirrors.directory is character varying"),
        ("ALTER TABLE {s}.sessions ALTER state DROP NOT NULL", "column sessions.state is text NULL"),
        ("ALTER TABLE {s}.head ALTER epoch SET DEFAULT 7", "head.epoch is integer NOT NULL DEFAULT 7"),
        ("ALTER TABLE {s}.sessions ADD mine text", "column sessions.mine is none of this release's"),
        ("ALTER TABLE {s}.streams DROP CONSTRAINT streams_version_check", "constraint streams.streams_"),
        ("CREATE TABLE {s}.mine (x int PRIMARY KEY)", "table mine is none of this release's"),
        ("DROP TABLE {s}.mirrors", "table mirrors is missing"),
        ("DROP VIEW {s}.queue_status", "view queue_status is missing"),
        ("ALTER FUNCTION {s}.refuse_change() COST 5", "function refuse_change() differs from line"),
        ("ALTER TABLE {s}.events ALTER data SET STORAGE EXTENDED", "STORAGE x, expected bytea NOT NULL"),
        ("ALTER TABLE {s}.sessions SET (fillfactor = 99)", "table sessions is permanent, fillfactor=99"),
        (
            "CREATE OR REPLACE FUNCTION {s}.refuse_change() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN RETURN NEW; END'",
            "function refuse_change() differs from line",
        ),
    ],
)  # fmt: skip
async def test_one_change_is_one_difference_that_names_it(migrated, change: str, told: str):
    """Whoever altered the schema is told where, and nothing else is told."""
    connection, schema = migrated
    await connection.execute(change.replace("{s}", schema))
    (found,) = await differences(connection, schema, INLINE, [VIEWS_SQL])
    assert told in found


async def test_a_schema_that_does_not_exist_lacks_everything(migrated):
    """No error: it says so, table by table."""
    connection, _ = migrated
    found = await differences(connection, "nowhere_at_all", INLINE, [VIEWS_SQL])
    assert "table events is missing" in found
    assert all("is missing" in difference for difference in found)


async def test_s0_fault_verify_never_checks_columns(migrated):
    """A column that is missing, has another type, or may be null: each is named."""
    connection, schema = migrated
    await connection.execute(f"ALTER TABLE {schema}.sessions DROP COLUMN title CASCADE")
    await connection.execute(f"ALTER TABLE {schema}.queue_items ALTER priority TYPE bigint")
    await connection.execute(f"ALTER TABLE {schema}.sessions ALTER state DROP NOT NULL")
    found = await differences(connection, schema, INLINE, [VIEWS_SQL])
    assert "column sessions.title is missing" in found
    assert any(told.startswith("column queue_items.priority is bigint") for told in found)
    assert any(told.startswith("column sessions.state is text NULL") for told in found)


async def test_s0_fault_verify_accepts_another_schemas_table(migrated):
    """A table of that name in another schema, on the search path even, is not ours."""
    connection, schema = migrated
    other = f"{schema}_other"
    await connection.execute(f"CREATE SCHEMA {other}")
    await connection.execute(f"SET search_path = {other}")
    await connection.execute(f"CREATE TABLE {other}.mirrors (LIKE {schema}.mirrors INCLUDING ALL)")
    await connection.execute(f"DROP TABLE {schema}.mirrors")
    try:
        assert await differences(connection, schema, INLINE, [VIEWS_SQL]) == ["table mirrors is missing"]
    finally:
        await connection.execute(f"DROP SCHEMA {other} CASCADE")
