"""Following a log: every position once, in order, whatever wakes it. The log here is a list."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

import pytest

from eventlog.command import Head
from eventlog.envelope import Event, StreamId, decode_lines, encode_line, new_event
from eventlog.errors import BadInput, Damaged
from eventlog.subscription import follow

ID = "0190d5a0-0000-7000-8000-000000000001"


def event(position: int) -> Event:
    new = new_event(StreamId("", "story", "one"), "said", position, id=ID)
    return decode_lines(encode_line(new, position, position, "2026-11-22T07:44:36.000000Z"))[0]


class ListLog:
    """A log in a list, read in blocks of three; `grow` appends and wakes, or not."""

    def __init__(self, count: int) -> None:
        self.events = [event(position) for position in range(1, count + 1)]
        self.waits: asyncio.Queue[int] = asyncio.Queue()
        self._woken = asyncio.Event()

    async def head(self) -> Head:
        return Head(len(self.events), "", b"")

    async def read(self, after: int = 0, until: int | None = None) -> AsyncIterator[Sequence[Event]]:
        for start in range(after, len(self.events), 3):
            yield self.events[start : start + 3]

    async def wait_beyond(self, position: int) -> None:
        self.waits.put_nowait(position)
        await self._woken.wait()
        self._woken.clear()

    def grow(self, count: int) -> None:
        self.events += [event(len(self.events) + 1 + number) for number in range(count)]
        self._woken.set()


async def taken(log: ListLog, after: int, count: int) -> list[int]:
    async with aclosing(follow(log, after, log.wait_beyond)) as events:
        return [(await anext(events)).position for _ in range(count)]


@pytest.mark.parametrize("after", range(8))
async def test_a_subscriber_gets_everything_after_any_start(after: int):
    assert await taken(ListLog(8), after, 8 - after) == list(range(after + 1, 9))


async def test_what_comes_while_it_waits_follows_once_and_in_order():
    log = ListLog(2)
    reader = asyncio.create_task(taken(log, 0, 9))
    for count in (1, 4, 2):
        assert await log.waits.get() == len(log.events)
        log.grow(count)
    assert await reader == list(range(1, 10))


async def test_waking_up_for_nothing_yields_nothing():
    """A hint proves nothing; only reading does."""
    log = ListLog(1)
    reader = asyncio.create_task(taken(log, 0, 2))
    for _ in range(3):
        assert await log.waits.get() == 1
        log.grow(0)
    await log.waits.get()
    log.grow(1)
    assert await reader == [1, 2]


@pytest.mark.parametrize("after", [-1, 4])
async def test_a_start_outside_of_the_log_is_refused(after: int):
    """A checkpoint beyond the head belongs to another log, or this one lost its tail."""
    with pytest.raises(BadInput, match=f"after position {after}: "):
        await taken(ListLog(3), after, 1)


async def test_a_gap_is_damage_and_never_skipped():
    """Invariant 1: whoever folds would be wrong for ever."""
    log = ListLog(7)
    del log.events[3:5]
    with pytest.raises(Damaged, match="position 6 follows 3") as found:
        await taken(log, 0, 5)
    assert (found.value.first_position, found.value.last_position) == (4, 5)


async def test_a_repeated_position_is_damage():
    log = ListLog(4)
    log.events[2] = log.events[1]
    with pytest.raises(Damaged, match="position 2 follows 2"):
        await taken(log, 0, 4)
