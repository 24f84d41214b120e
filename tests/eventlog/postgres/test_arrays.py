"""Array literals mean to Postgres what the list meant to Python."""

from __future__ import annotations

import asyncpg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventlog.embedded.server import EmbeddedPostgres
from eventlog.postgres.arrays import numbers, texts, words

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


def test_words_are_joined_as_they_are() -> None:
    """Quoted, or the name `null` would be no name."""
    assert (words([]), words(["null"]), words(["t", "f"])) == ("{}", '{"null"}', '{"t","f"}')


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.none() | TEXT), ints=st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)))
async def test_a_literal_is_read_back_as_the_list_it_was(
    postgres_server: EmbeddedPostgres, values: list[str | None], ints: list[int | None]
) -> None:
    """Quotes, backslashes, commas, braces, the word NULL and the empty text included."""
    connection = await asyncpg.connect(**postgres_server.connection)
    try:
        query = "SELECT $1::text::text[], $2::text::bigint[]"
        for case in (values, ["", "NULL", "null", None, "{}", ",", '"', "\\", '\\"', " x ", "\n", "None"]):
            row = await connection.fetchrow(query, texts(case), numbers(ints))
            assert row is not None
            assert (row[0], row[1]) == (case, ints)
    finally:
        await connection.close()
