"""The SQL texts of replay: each is one statement that Postgres takes, and names its parameters."""

from __future__ import annotations

from importlib.resources import files

import asyncpg

from projections.catalog import INLINE
from replay.shares import Share
from replay.statements import query
from replay.tables import BY_ID, BY_RANGE, filled_for
from tests.replay.support import Spoiled
from tests.support.queries import assert_prepares

# Those about the past and about users' projections name tables that only these make: test_past.py and
# test_following.py run them.
QUERIES = sorted(
    file.name.removesuffix(".sql")
    for file in (files("replay") / "queries").iterdir()
    if not file.name.startswith(("past_", "own_"))
)
PRESENT_EVENTS = (files("replay.imports") / "present_events.sql").read_text()


def fillings(name: str, schema: str) -> list[str]:
    """The texts that one file becomes: those about projections, one for each."""
    text = query(name)
    if "{columns}" in text or name == "delete_rows":
        return [filled_for(name, schema, fold, range) for fold in INLINE for range in (BY_RANGE, BY_ID)]
    if "{condition}" in text:
        return [text.replace("{condition}", share.condition("s.id")) for share in (Share(), Share(1, 3))]
    return [text.replace("{table}", table) for table in ("events", "streams")]


async def test_every_query_is_one_documented_statement_that_postgres_prepares(spoiled: Spoiled):
    """Some run only in a repair: nobody would notice before that they no longer fit the schema."""
    await (await spoiled.log()).head()
    connection = await asyncpg.connect(**spoiled.postgres)
    try:
        await connection.execute(query("waiting_rows"))
        for name in QUERIES:
            for text in fillings(name, spoiled.schema):
                await assert_prepares(connection, text, spoiled.schema)
        await assert_prepares(connection, PRESENT_EVENTS, spoiled.schema)
    finally:
        await connection.close()
