"""What a call may give is checked by name, before anything is done."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from agentlog.checks import (
    check_amount,
    check_call,
    check_interval,
    check_key,
    check_kind,
    check_limit,
    check_list,
    check_moment,
    check_number,
    check_path,
    check_seconds,
    check_time,
    check_word,
    check_worker,
)
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
    assert check_list({"a"}, "clear") == ["a"]
    assert check_path("a/b", "path") == Path("a/b")
    check_kind(None, str | None, "leaf", "an id")
    check_call(print, "progress")
    check_key(None, "after")


@pytest.mark.parametrize(
    ("check", "named"),
    [
        (partial(check_limit, 0), "limit 0"),
        (partial(check_limit, 1001), "limit 1001"),
        (partial(check_limit, True), "limit True must be a whole number from 1 to 1,000"),
        (partial(check_number, 10**5000, "last", 1), "last of thousands of digits must be .* at least 1"),
        (partial(check_amount, 8, "days", 7, "days"), "days 8 must be a number of days from 0 to 7"),
        (partial(check_moment, datetime(9999, 1, 1, tzinfo=UTC)), "now 9999-01-01.* year 8999"),
        (partial(check_word, ["a"], ("a", "b"), "word"), r"word \['a'\] must be one of a, b"),
        (partial(check_key, "a\0b", "after"), "after .* NUL"),
        (partial(check_key, 5, "after"), "after must be str, not int"),
        (partial(check_worker, ""), "name is empty"),
        (partial(check_kind, 5, str | None, "leaf", "an id"), "leaf 5 must be an id, not int"),
        (partial(check_list, "abc", "clear"), "clear 'abc' must be a list, not str"),
        (partial(check_list, {}, "todos"), "todos {} must be a list, not dict"),
        (partial(check_path, b"x", "path"), "path b'x' must be a path, not bytes"),
        (partial(check_path, "a\0b", "path"), "NUL"),
        (partial(check_path, "", "path"), "is empty"),
        (partial(check_path, "\ud800", "path"), "holds what no path can"),
        (partial(check_call, 5, "progress"), "progress must be a function, not int"),
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
