"""docs/reference/queries.md says of every named query what its header says, and of no other."""

from __future__ import annotations

import re

import pytest

from projections.archive import find_query, named_queries
from tests.docs.test_docs import REFERENCE, section

PAGE = REFERENCE / "queries.md"


def cells(text: str, count: int) -> list[tuple[str, ...]]:
    """The rows of tables with so many columns whose first cell is a name."""
    rows = [re.split(r" *\| *", line.strip("| ")) for line in text.splitlines() if line.startswith("| `")]
    return [(row[0].strip("`"), *row[1:]) for row in rows if len(row) == count]


def test_the_page_has_every_named_query_and_no_other():
    """What is not listed is found by nobody."""
    documented = re.findall(r"^### `(\w+)`$", PAGE.read_text(), re.MULTILINE)

    assert sorted(documented) == list(named_queries())


@pytest.mark.parametrize("name", named_queries())
def test_the_page_says_what_the_header_says(name):
    """Word for word, so that it cannot be about another release."""
    query, text = find_query(name), section(PAGE, f"### `{name}`")

    assert " ".join(text.split()).startswith(f"{query.answers} {query.notes}".strip())
    assert cells(text, 3) == [tuple(column) for column in query.columns]
    assert cells(text, 4) == [
        (one.name, one.type, _default(one.required, one.default), one.meaning) for one in query.parameters
    ]


def _default(required, value):
    return "required" if required else "" if value is None else f"`{value:g}`"
