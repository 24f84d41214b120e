"""The clock and the ids made with it."""

from __future__ import annotations

import threading
import uuid

from eventlog.clock import Ids, SystemClock


class SetClock:
    """A clock that stands where it was set."""

    def __init__(self, now_us: int) -> None:
        self.us = now_us

    def now_us(self) -> int:
        return self.us

    def monotonic(self) -> float:
        return self.us / 1e6


def test_the_system_clock_counts_in_microseconds_and_its_monotonic_time_never_goes_back():
    clock = SystemClock()
    one, other = clock.monotonic(), clock.monotonic()
    assert other >= one
    # Between 2020 and 2100, as microseconds: seconds or nanoseconds would fall outside.
    assert 1_577_836_800_000_000 < clock.now_us() < 4_102_444_800_000_000


def test_ids_are_uuids_of_version_7_with_the_time_in_front():
    id = Ids(SetClock(1_700_000_000_123_456)).next()
    parsed = uuid.UUID(id)
    assert str(parsed) == id
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert parsed.int >> 80 == 1_700_000_000_123


def test_ids_ascend_within_a_burst_of_one_millisecond():
    """More than the 4,096 a millisecond has room for: then they borrow from the next."""
    ids = Ids(SetClock(1_700_000_000_000_000))
    burst = [ids.next() for _ in range(10_000)]
    assert burst == sorted(burst)
    assert len(set(burst)) == len(burst)
    assert {uuid.UUID(id).version for id in burst} == {7}


def test_ids_ascend_when_the_clock_is_set_back():
    clock = SetClock(1_700_000_000_000_000)
    ids = Ids(clock)
    before = ids.next()
    clock.us -= 3_600_000_000
    after = [ids.next() for _ in range(5)]
    assert [before, *after] == sorted([before, *after])


def test_ids_of_several_threads_are_distinct_and_each_threads_ascend():
    ids = Ids(SetClock(1_700_000_000_000_000))
    made: list[list[str]] = [[] for _ in range(4)]
    threads = [
        threading.Thread(target=lambda own=own: own.extend(ids.next() for _ in range(500))) for own in made
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(own == sorted(own) for own in made)
    assert len({id for own in made for id in own}) == 2000


def test_two_makers_of_ids_at_one_moment_do_not_collide():
    """Two hosts share a millisecond all the time; 62 random bits keep them apart."""
    clock = SetClock(1_700_000_000_000_000)
    assert len({Ids(clock).next() for _ in range(100)}) == 100
