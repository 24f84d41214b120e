"""Until when something holds: from what a call gives, `ttl_s` or `expires_at`, to the time in its event.

A fold has no clock, so events carry the time (docs/decisions/0003), and whoever reads compares it
with the clock of Postgres, which all hosts share.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from eventlog.clock import Clock
from eventlog.envelope import format_time
from eventlog.errors import BadInput

TTL_MAX_S = 1e9
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
        if expires_at is not None:
            check_moment(expires_at, "expires_at")
        return expires_at
    if expires_at is not None:
        raise BadInput(f"ttl_s {ttl_s!r} and expires_at {expires_at!r} are given", hint="give one of them")
    if isinstance(ttl_s, bool) or not isinstance(ttl_s, int | float) or not 0 <= ttl_s <= TTL_MAX_S:
        raise BadInput(f"ttl_s {ttl_s!r} must be a number of seconds from 0 to {TTL_MAX_S:,.0f}")
    assert math.isfinite(ttl_s), "what is not finite is not within the limits either"
    return now(clock) + timedelta(seconds=ttl_s)


def check_moment(time: datetime, what: str) -> datetime:
    """Return `time`, or raise BadInput when it is none, or has no time zone."""
    if not isinstance(time, datetime):
        raise BadInput(f"{what} {time!r} must be a datetime, not {type(time).__name__}")
    format_time(time)
    return time
