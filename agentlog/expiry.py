"""Until when something holds: from what a call gives, `ttl_s` or `expires_at`, to the time in its event.

A fold has no clock, so events carry the time (docs/decisions/0003), and whoever reads compares it
with the clock of Postgres, which all hosts share.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from agentlog.checks import check_seconds, check_time
from eventlog.clock import Clock
from eventlog.errors import BadInput

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now(clock: Clock) -> datetime:
    """Return what the clock shows."""
    return _EPOCH + timedelta(microseconds=clock.now_us())


def expiry(clock: Clock, ttl_s: float | None, expires_at: datetime | None) -> datetime | None:
    """Return when something ends that was given one of these, or None for never.

    Args:
        ttl_s: seconds from now on, by this host's clock: 0 to 10^9.
    Raises:
        BadInput: both are given, a number of seconds is none, or a time has no time zone.
    """
    if ttl_s is None:
        check_time(expires_at, "expires_at")
        return expires_at
    if expires_at is not None:
        raise BadInput(f"ttl_s {ttl_s!r} and expires_at {expires_at!r} are given", hint="give one of them")
    return now(clock) + timedelta(seconds=check_seconds(ttl_s, "ttl_s"))
