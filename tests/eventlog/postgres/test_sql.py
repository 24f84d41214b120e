"""The SQL texts: each is found by name, says what its parameters are, and is accepted by Postgres."""

from __future__ import annotations

import re
from importlib.resources import files

import asyncpg
import pytest

from eventlog.errors import BadIdentifier
from eventlog.log import Log
from eventlog.postgres.sql import (
    FUNCTIONS,
    Statements,
    check_schema,
    functions_mark,
    functions_sql,
    gate_key,
    text,
)
from tests.support.builders import PROJECTIONS

QUERIES = sorted(
    file.name.removesuffix(".sql") for file in (files("eventlog.postgres") / "queries").iterdir()
)


@pytest.mark.parametrize("name", [name for name in QUERIES if name != "create_schema"])
async def test_every_query_is_one_statement_that_postgres_prepares(
    log: Log, admin: asyncpg.Connection, name: str
):
    prepared = await admin.prepare(getattr(log.reads.statements, name))
    assert len(prepared.get_parameters()) == len(set(re.findall(r"\$\d+", text("queries", name))))


@pytest.mark.parametrize("name", QUERIES)
def test_every_query_begins_with_what_it_does_and_names_its_parameters(name: str):
    """Whoever reads the call sees only `$1`."""
    query = text("queries", name)
    comment = "".join(line for line in query.splitlines() if line.startswith("--"))
    assert query.startswith("-- ")
    for number in {int(found) for found in re.findall(r"\$(\d+)", query)}:
        documented = f"${number} " in comment or "parameters and result as functions/" in comment
        assert documented or f"{number}" in re.findall(r"\d+", comment), (
            f"${number} of {name} is not documented"
        )


def test_statements_are_the_queries_for_one_schema():
    statements = Statements("mine")
    assert statements.head == text("queries", "head").replace("{schema}", "mine")
    assert "{" not in statements.read_page
    with pytest.raises(AttributeError, match=r"queries/no_such\.sql"):
        _ = statements.no_such


@pytest.mark.parametrize("name", ["agentlog", "a", "a_1", "x" * 48])
def test_a_schema_name_needs_no_quoting(name: str):
    assert check_schema(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "A",
        "1a",
        "a-b",
        "a b",
        "a.b",
        'a"b',
        "a;drop",
        "a\n",
        "é",
        "x" * 49,
        "pg_mine",
        "public",
        "information_schema",
        "{schema}",
    ],
)
def test_any_other_schema_name_is_refused(name: str):
    """It goes into SQL texts as it is."""
    with pytest.raises(BadIdentifier, match="schema"):
        check_schema(name)
    with pytest.raises(BadIdentifier):
        Statements(name)


def test_each_log_of_a_database_has_a_gate_of_its_own():
    keys = {gate_key(schema) for schema in ("agentlog", "agentlog2", "a")}
    assert len(keys) == 3
    assert all(-(2**63) <= key < 2**63 for key in keys)
    assert gate_key("agentlog") == 6948051916601500327, "the key of a running log can never change"


def test_the_functions_hold_the_upserts_and_no_placeholder():
    made = functions_sql("mine", PROJECTIONS)
    assert not re.search(r"\{(schema|gate|upserts)\}", made)
    for name in FUNCTIONS:
        assert f"mine.{name}(" in made
    assert made.count("INSERT INTO mine.tallies") == 2, "in append and in append_one"


def test_functions_of_other_projections_or_another_schema_have_another_mark():
    """By it `migrate` knows whether what is there is what it would make."""
    marks = [functions_mark("mine", PROJECTIONS), functions_mark("mine", ()), functions_mark("other", ())]
    assert len(set(marks)) == 3
    assert marks[0] in functions_sql("mine", PROJECTIONS)
