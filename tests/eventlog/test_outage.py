"""How long an outage is: counted from the first failure, over when something passes."""

from __future__ import annotations

from eventlog.clock import SystemClock
from eventlog.outage import Outage
from eventlog.settings import Settings


class PushedClock(SystemClock):
    """A clock that stands still until it is put forward."""

    now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s

    def pass_time(self, seconds: float) -> None:
        self.now_s += seconds


def test_an_outage_is_long_after_the_patience_and_hopeless_a_timeout_later():
    clock = PushedClock()
    outage = Outage(Settings(unavailable_wait_s=10.0, command_timeout_s=5.0), clock)
    assert not outage.is_long()
    clock.pass_time(10.0)
    assert outage.is_long()
    assert not outage.is_hopeless()
    clock.pass_time(5.1)
    assert outage.is_hopeless()


def test_without_patience_it_is_long_at_once():
    assert Outage(Settings(), PushedClock()).is_long()


def test_the_next_outage_is_counted_from_its_own_beginning():
    clock = PushedClock()
    outage = Outage(Settings(unavailable_wait_s=10.0), clock)
    outage.is_long()
    clock.pass_time(60.0)
    outage.end()
    assert not outage.is_long()
