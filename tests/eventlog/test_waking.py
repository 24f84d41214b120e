"""Who waits for events is woken by a commit, never by the hope for one."""

from __future__ import annotations

from tests.eventlog.conftest import OpenLog
from tests.support.builders import saying, story

A = story("a")


async def test_what_postgres_refused_does_not_count_as_seen(opened: OpenLog):
    """A head that nobody reaches would keep subscribers asking without end, and copying from ending."""
    log = await opened()
    for _ in range(3):
        await log.append(saying(A, idempotency_key="k"))
    assert (await log.head()).position == log._parts.writer.head_position == 1
