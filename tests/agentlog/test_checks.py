"""What a call may give is checked by name, before anything is done."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import pytest

from agentlog.checks import check_interval, check_limit, check_seconds, check_time, check_word
from eventlog.errors import BadInput


def test_what_is_within_the_limits_is_taken():
    """At both ends."""
    for limit in (1, 1000):
        check_limit(limit)
    assert (check_seconds(0, "s"), check_seconds(1e9, "s")) == (0.0, 1e9)
    check_interval(3600)
    check_time(None, "now")
    check_time(datetime(2026, 1, 1, tzinfo=UTC), "now")
    check_word("a", ("a", "b"), "word")


@pytest.mark.parametrize(
    ("check", "named"),
    [
        (partial(check_limit, 0), "limit 0"),
        (partial(check_limit, 1001), "limit 1001"),
        (partial(check_seconds, True, "wait_s"), "wait_s True"),
        (partial(check_seconds, float("nan"), "wait_s"), "wait_s nan"),
        (partial(check_seconds, -0.1, "wait_s"), "wait_s -0.1"),
        (partial(check_interval, 0), "interval_s 0"),
        (partial(check_interval, True), "interval_s True"),
        (partial(check_time, "now", "at"), "at 'now'"),
        (partial(check_time, datetime(2026, 1, 1), "at"), "no time zone"),
        (partial(check_word, "c", ("a", "b"), "word"), "word 'c' must be one of a, b"),
    ],
)
def test_what_is_not_is_refused_by_its_name(check, named):
    """The value stands in the words: whoever reads them finds it in the call."""
    with pytest.raises(BadInput, match=named):
        check()
