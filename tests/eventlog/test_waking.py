"""Who waits for events is woken by a commit, never by the hope for one."""

from __future__ import annotations

import asyncio

from tests.eventlog.conftest import OpenLog
from tests.support.builders import saying, story

A = story("a")


async def test_what_postgres_refused_does_not_count_as_seen(opened: OpenLog):
    """A head that nobody reaches would keep subscribers asking without end, and copying from ending."""
    one, other = await opened("one"), await opened("other")
    for _ in range(5):
        await asyncio.gather(*[log.append(saying(A)) for log in (one, other) * 3])
    head = (await one.head()).position
    assert head == 30
    seen = [log._parts.writer.head_position for log in (one, other)]
    assert max(seen) == head
