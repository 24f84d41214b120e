"""How long Postgres has been failing, and when whoever waits for it is told so. Waits for nothing itself."""

from __future__ import annotations

from eventlog.clock import Clock
from eventlog.settings import Settings


class Outage:
    """Begins with the first failure somebody asks about; ends when a batch passes or callers were told."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._since: float | None = None

    def end(self) -> None:
        self._since = None

    def is_long(self) -> bool:
        """Postgres has been away for `unavailable_wait_s`: all that callers agreed to wait."""
        return self._lasted_s() >= self._settings.unavailable_wait_s

    def is_hopeless(self) -> bool:
        """Attempt after attempt has failed: each can take a timeout, and nobody waits for many of them."""
        return self._lasted_s() > self._settings.unavailable_wait_s + self._settings.command_timeout_s

    def _lasted_s(self) -> float:
        now = self._clock.monotonic()
        if self._since is None:
            self._since = now
        return now - self._since
