"""The named queries as files: each says what it answers, in one form, and takes what it says."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from eventlog.errors import BadInput
from projections.archive import duck, find_query, named_queries
from projections.archive.named_query import FOLDER, UNITS
from tests.projections.archive.asking import asking, said
from tests.projections.archive.history import History

NAMES = tuple(named_queries())
REQUIRED = {name: {"session": "s"} for name in ("session_tree", "session_tree_messages")}
# Arguments of `store.archive.query` itself.
TAKEN = {"name", "tenant", "timeout_s"}


def test_there_are_queries_and_they_are_listed_by_name():
    """Each file of the folder is one."""
    files = sorted(path.stem for path in (duck.HERE / FOLDER).iterdir())

    assert list(NAMES) == files
    assert len(NAMES) > 15


@pytest.mark.parametrize("name", NAMES)
def test_a_header_says_all_that_a_reader_needs(name):
    """What it answers, its parameters, and every column with a unit that is known."""
    query = find_query(name)

    assert query.answers.endswith("."), query.answers
    assert {column.unit for column in query.columns} <= UNITS
    assert {parameter.name for parameter in query.parameters} & TAKEN == set()
    body = "\n".join(line for line in query.text.splitlines() if not line.startswith("--"))
    assert set(re.findall(r"\$(\w+)", body)) == {parameter.name for parameter in query.parameters}
    for line in query.text.splitlines():
        assert len(line) <= 110, line
    headings = [line for line in query.text.splitlines() if line.startswith("--   ")]
    assert len(headings) == len(query.parameters) + len(query.columns)


def test_an_empty_archive_and_another_tenants_have_no_rows_and_are_no_error():
    """Queries read the views that users read. Only totals has a row where nothing is: of zeros."""
    history = History()
    said(history, "s", "2026-11-01T00:00:00.000000Z", tenant="umbrella")

    with asking(History()) as of_nothing, asking(history, tenant="acme") as of_acme:
        for name in NAMES:
            rows = of_nothing(name, **REQUIRED.get(name, {}))
            assert len(rows) == (name == "totals"), name
            assert of_acme(name, **REQUIRED.get(name, {})) == rows, name


@pytest.mark.parametrize("name", NAMES)
def test_every_query_has_a_test_with_answers_that_were_worked_out_by_hand(name):
    """By name, in a file beside this one."""
    texts = [path.read_text() for path in Path(__file__).parent.glob("test_named_*.py")]

    assert any(f'"{name}"' in text for text in texts if "REQUIRED = " not in text)


def test_values_are_read_as_what_they_are_meant_to_be():
    """From Python as they are, from a command line as text."""
    query = find_query("tokens_by_day")

    assert query.values({}) == {"since": None, "until": None}
    assert query.values({"since": "2026-11-01", "until": date(2026, 11, 2)}) == {
        "since": date(2026, 11, 1),
        "until": date(2026, 11, 2),
    }
    assert find_query("anomalies").values({"threshold": "2.5"}) == {"threshold": 2.5, "count": 50}
    assert find_query("longest_sessions").values({"count": "7"}) == {"count": 7}
    assert find_query("session_tree").values({"session": "s"}) == {"session": "s"}


@pytest.mark.parametrize(
    ("name", "given", "told"),
    [
        ("no_such", {}, "archive queries"),
        ("tokens_by_day", {"day": 1}, "since, until"),
        ("tokens_by_day", {"since": "yesterday"}, "must be a date"),
        ("tokens_by_day", {"since": 20261101}, "must be a date"),
        ("longest_sessions", {"count": "many"}, "must be a whole number"),
        ("longest_sessions", {"count": 1.5}, "must be a whole number"),
        ("longest_sessions", {"count": 2**63}, "must be a whole number"),
        ("longest_sessions", {"count": -1}, "refuses"),
        ("anomalies", {"threshold": True}, "must be a number"),
        ("session_tree", {}, "needs 'session'"),
        ("session_tree", {"session": 7}, "must be a text"),
    ],
)
def test_what_a_query_cannot_be_asked_with_is_refused_by_name(name, given, told):
    """Before anything runs, where it can be known."""
    with asking(History()) as ask, pytest.raises(BadInput, match=told):
        ask(name, **given)
