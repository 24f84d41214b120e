"""The sum over a response's lines is what its last line says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventlog.events import Usage
from replay.imports.record import take_apart
from replay.imports.usage import Responses, read_usage, total
from tests.replay.imports.transcripts import dump

counts = st.integers(0, 10**6)
usages = st.builds(Usage, counts, counts, counts, counts)


@given(st.lists(st.tuples(st.sampled_from("abc"), usages), max_size=20))
def test_the_sum_equals_the_last_usage_of_each_response(lines: list[tuple[str, Usage]]) -> None:
    """Lines of responses alternate in 225 of 1,629 cases, and figures may fall (oddity 1)."""
    responses, added = Responses(), Usage()
    for id, usage in lines:
        added = total(added, responses.added(id, usage) or Usage())
    expected = Usage()
    for usage in dict(lines).values():
        expected = total(expected, usage)
    assert added == expected


def test_lines_without_a_response_id_each_count() -> None:
    """Exports of other tools have none (oddity 10)."""
    responses = Responses()
    assert [responses.added(None, Usage(input_tokens=5)) for _ in range(2)] == [Usage(input_tokens=5)] * 2


def test_a_repeated_line_adds_nothing() -> None:
    """And carries no usage then, rather than zeros."""
    responses = Responses()
    responses.added("a", Usage(output_tokens=5))
    assert responses.added("a", Usage(output_tokens=5)) is None


def read(usage: Any) -> Usage | None:
    found = take_apart(dump({"usage": usage}))
    assert found is not None
    return read_usage(found.values)


@pytest.mark.parametrize("figure", [-1, 2**31, 10**30, 1.5, "12", None, True, [1], {}])
def test_a_figure_that_is_no_count_is_taken_for_zero(figure: Any) -> None:
    """Tables that add tokens up must be able to hold the sum; the record keeps what was written."""
    assert read({"input_tokens": figure, "output_tokens": 4}) == Usage(output_tokens=4)


@pytest.mark.parametrize("usage", [None, [], "x", 3])
def test_usage_that_is_no_object_is_none(usage: Any) -> None:
    """Nothing is invented."""
    assert read(usage) is None


def test_all_four_figures_are_read() -> None:
    """Under their names in the log."""
    usage = {
        "input_tokens": 1,
        "output_tokens": 2,
        "cache_read_input_tokens": 3,
        "cache_creation_input_tokens": 4,
        "service_tier": "standard",
    }
    assert read(usage) == Usage(input_tokens=1, output_tokens=2, cache_read_tokens=3, cache_write_tokens=4)
