"""Pages fit an agent's window, lose nothing, and say where the next one begins."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentlog.archive_pages import Found, excerpts, page, whole
from agentlog.errors import BadInput

COLUMNS, TYPES = ("position", "text"), ("BIGINT", "VARCHAR")

rows = st.lists(st.text("aé\n", max_size=400), max_size=8).map(lambda texts: list(enumerate(texts, 1)))


def found(rows):
    return Found(COLUMNS, TYPES, rows)


def size(rows):
    return sum(8 + len(text.encode()) for _, text in rows)


@given(rows, st.integers(1, 4), st.integers(256, 900), st.booleans())
def test_page_after_page_gives_every_row_once_and_none_is_too_large(rows, count, bytes_max, last):
    """Forwards by `after`, backwards by `before`."""
    seen, rest = [], rows
    while True:
        cut = page(found(rest), count, bytes_max, last=last)
        assert size(cut.rows) <= bytes_max
        assert len(cut.rows) <= count
        seen = [*cut.rows, *seen] if last else [*seen, *cut.rows]
        if cut.more is None:
            break
        rest = [row for row in rest if (row[0] < cut.more if last else row[0] > cut.more)]
    assert [position for position, _ in seen] == [position for position, _ in rows]
    assert all(len(text.encode()) > 200 for row, (_, text) in zip(rows, seen, strict=True) if row[1] != text)


def test_a_row_that_is_too_long_is_shortened_and_says_so():
    """A page that showed nothing would be asked for again and again."""
    cut = page(found([(1, "é" * 10_000), (2, "x")]), 10, 300)

    assert cut.more == 1
    assert cut.rows[0][1].endswith("… (20,000 bytes)")


@pytest.mark.parametrize(("count", "bytes_max"), [(-1, 1000), (1, 10)])
def test_a_page_that_cannot_be_is_refused(count, bytes_max):
    with pytest.raises(BadInput):
        page(found([]), count, bytes_max)


def test_an_excerpt_is_characters_or_whole_lines():
    """Lines for who reads code, characters for who reads one line of a megabyte."""
    columns, types = ("position", "before", "excerpt"), ("BIGINT", "VARCHAR", "VARCHAR")
    result = Found(columns, types, [(1, "one\ntwo\nthr", "ee\nfour\nfive")])
    read = whole(
        type("Rows", (), {"columns": columns, "types": types, "__iter__": lambda _: iter(result.rows)})()
    )
    assert read == result
    rows = type("Rows", (), {"columns": columns, "types": types, "__iter__": lambda _: iter(result.rows)})()

    assert excerpts(rows, None).rows == [(1, "one\ntwo\nthree\nfour\nfive")]
    assert excerpts(rows, 0).rows == [(1, "three")]
    assert excerpts(rows, 1).rows == [(1, "two\nthree\nfour")]
    assert excerpts(rows, 1).columns == ("position", "excerpt")
