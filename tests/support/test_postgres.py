"""The shared server keeps the tests that use it apart."""

from __future__ import annotations

import asyncpg

from tests.support.postgres import fresh_database, fresh_schema


def test_no_two_tests_get_the_same_schema():
    assert len({fresh_schema() for _ in range(100)}) == 100


async def test_a_fresh_database_is_empty_and_gone_afterwards(postgres_server):
    """Also when the test left something in it, and a connection open."""
    async with fresh_database(postgres_server.connection) as arguments:
        connection = await asyncpg.connect(**arguments)
        assert await connection.fetchval("select count(*) from pg_tables where schemaname = 'public'") == 0
        await connection.execute("create table left_behind ()")
    admin = await asyncpg.connect(**postgres_server.connection)
    names = await admin.fetch("select datname from pg_database")
    await admin.close()
    connection.terminate()
    assert arguments["database"] not in [row["datname"] for row in names]
