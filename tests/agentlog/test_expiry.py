"""From `ttl_s` or `expires_at` to the time in the event."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from agentlog.expiry import expiry
from eventlog.errors import BadInput

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Noon:
    """A clock that stands still."""

    def now_us(self) -> int:
        return int(NOON.timestamp()) * 1_000_000

    def monotonic(self) -> float:
        return 0.0


def test_seconds_are_counted_from_the_clock_that_is_passed_in():
    """Zero is at once; nothing is never; a time stands for itself."""
    assert expiry(Noon(), 90.5, None) == NOON + timedelta(seconds=90.5)
    assert expiry(Noon(), 0, None) == NOON
    assert expiry(Noon(), None, None) is None
    assert expiry(Noon(), None, NOON) == NOON


@pytest.mark.parametrize(
    ("ttl_s", "expires_at", "named"),
    [
        (-1, None, "-1"),
        (float("nan"), None, "nan"),
        (float("inf"), None, "inf"),
        (1e9 + 1, None, "1000000001"),
        (True, None, "True"),
        ("60", None, "'60'"),
        (60, NOON, "60"),
        (None, datetime(2026, 1, 1), "no time zone"),
        (None, "2026-01-01T00:00:00Z", "must be a datetime"),
    ],
)
def test_what_names_no_moment_is_refused_by_its_name(ttl_s, expires_at, named):
    """It would otherwise expire never, or at once."""
    with pytest.raises(BadInput, match=named):
        expiry(Noon(), ttl_s, expires_at)
