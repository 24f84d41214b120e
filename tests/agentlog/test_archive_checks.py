"""What a question may give is checked by name, before DuckDB is asked."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import pytest

from agentlog.archive_checks import check_context, check_page, check_patience, check_places, filters_of
from eventlog.errors import BadInput


def test_what_is_within_the_limits_is_taken():
    """At both ends, and where nothing is said."""
    check_page(0, 256, None)
    check_places(0, 2**31 - 1, 0)
    check_context(None)
    check_patience(0.5)
    filters = filters_of(("a",), "user", None, 0, None, datetime(2026, 1, 1, tzinfo=UTC))
    assert (filters.sessions, filters.role, filters.after) == (("a",), "user", 0)


@pytest.mark.parametrize(
    ("check", "named"),
    [
        (partial(check_page, -1, 256, None), "limit -1"),
        (partial(check_page, 1, 255, None), "bytes_max 255"),
        (partial(check_places, 3, 2, 0), "last 2 must be a whole number from 3"),
        (partial(check_context, 21), "context 21"),
        (partial(check_patience, 0), "timeout_s 0"),
        (partial(filters_of, ("a", None), None, None, None, None, None), "key of a session None"),
        (partial(filters_of, (), 1, None, None, None, None), "role 1"),
        (partial(filters_of, (), None, None, True, None, None), "generation True"),
        (partial(filters_of, (), None, None, None, datetime(2026, 1, 1), None), "no time zone"),
    ],
)
def test_what_is_not_is_refused_by_its_name(check, named):
    """The value stands in the words: whoever reads them finds it in the call."""
    with pytest.raises(BadInput, match=named):
        check()
