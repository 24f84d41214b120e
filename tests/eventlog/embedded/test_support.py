"""The shared server of the tests works."""

import asyncpg


async def test_the_shared_server_answers(postgres_server, schema_name):
    c = await asyncpg.connect(**postgres_server.connection)
    assert await c.fetchval("select 1") == 1
    await c.execute(f"create schema {schema_name}")
    await c.close()


async def test_a_fresh_database_is_empty(postgres_database):
    c = await asyncpg.connect(**postgres_database)
    assert await c.fetchval("select count(*) from pg_class where relnamespace='public'::regnamespace") == 0
    await c.close()
