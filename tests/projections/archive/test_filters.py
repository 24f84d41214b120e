"""What a question is about becomes the right condition, whatever characters it holds."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventlog.errors import BadInput
from projections.archive.filters import Filters, expression, terms
from tests.projections.archive.history import START, History

odd = st.text(st.sampled_from("ab'\"\\.*[({$\x00\n{filters}{pattern}%;é-"), min_size=1, max_size=6)


@settings(max_examples=25, deadline=None)
@given(odd, odd, odd)
def test_a_plain_pattern_is_found_as_it_is_and_nothing_else(pattern: str, other: str, session: str) -> None:
    """Also when it looks like SQL, like an expression, or like a gap in one of our queries."""
    history = History()
    history.message(session, f"<{pattern}>")
    history.message("another " + session, other)
    with TemporaryDirectory() as directory, history.connect(Path(directory)) as connection:
        found = connection.grep(pattern, "", plain=True).dicts()
        own = connection.grep(pattern, "", Filters((session,)), plain=True).dicts()
        order = [(row["matched"], row["position"]) for row in connection.search(session + " zzz", "").dicts()]
    assert [row["position"] for row in found] == [1] + [2] * (pattern in other)
    assert [row["position"] for row in own] == [1]
    assert found[0]["excerpt"] == f"{pattern}>"
    assert order == sorted(order, reverse=True)


def test_every_filter_leaves_the_others_out(tmp_path: Path) -> None:
    history = History()
    history.message("s", "hit", role="user")
    history.message("s", [{"type": "tool_use", "name": "Bash", "input": {"c": "hit"}},
                          {"type": "tool_use", "name": "Read", "input": {}}], role="assistant")  # fmt: skip
    history.message("t", "HIT", role="user")
    history.message("s", "hit", role="user", tenant="acme")

    def positions(
        pattern: str = "hit", tenant: str = "", ignore_case: bool = False, **filters: object
    ) -> list[int]:
        found = connection.grep(pattern, tenant, Filters(**filters), ignore_case=ignore_case)  # type: ignore[arg-type]
        return [row["position"] for row in found.dicts()]

    third = START + timedelta(seconds=3)
    with history.connect(tmp_path) as connection:
        assert positions() == [1, 2]
        assert positions(ignore_case=True) == [1, 2, 3]
        assert positions("^h.t$") == [1]
        assert positions(role="assistant") == positions(tool="Read") == [2]
        assert positions(tool="Rea") == []
        assert positions(sessions=("t", "nobody"), ignore_case=True) == [3]
        assert positions(generation=1) == []
        assert positions(since=third, ignore_case=True) == [3]
        assert positions(until=third, ignore_case=True) == [1, 2]
        assert positions(after=1) == [2]
        assert positions(tenant="acme") == [4]


def test_a_search_gives_those_with_most_words_first_and_then_the_newest(tmp_path: Path) -> None:
    history = History()
    for text in ("timeout", "parser TIMEOUT", "the parser", "nothing", "a timeout in the parser"):
        history.message("s", text)
    with history.connect(tmp_path) as connection:
        rows = connection.search("Parser timeout timeout", "").dicts()
        rest = connection.search("parser timeout", "", limit=2, skip=2).dicts()
    assert [(row["position"], row["matched"]) for row in rows] == [(5, 2), (2, 2), (3, 1), (1, 1)]
    assert [row["position"] for row in rest] == [3, 1]
    assert rows[0]["terms"] == ["parser", "timeout"]


@pytest.mark.parametrize("words", ["", "  ", " ".join(map(str, range(21)))])
def test_a_search_for_nothing_or_for_too_much_is_refused(words: str) -> None:
    with pytest.raises(BadInput):
        terms(words)


@pytest.mark.parametrize("pattern", ["", "\ud800"])
def test_a_pattern_that_no_text_can_hold_is_refused(pattern: str) -> None:
    with pytest.raises(BadInput):
        expression(pattern, plain=True, ignore_case=False)


def test_an_expression_is_taken_as_it_is() -> None:
    assert expression("a'b", plain=False, ignore_case=True) == "'(?i)a''b'"
    assert re.fullmatch(r"'a\\x\{2e\}b'", expression("a.b", plain=True, ignore_case=False))
    assert Filters(since=datetime(2026, 1, 1, tzinfo=UTC)).until is None
