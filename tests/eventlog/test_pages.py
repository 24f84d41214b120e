"""What comes from Postgres comes in pages: nothing is lost between two of them, however long they are."""

from __future__ import annotations

import asyncio
from random import Random

import asyncpg
import pytest

from eventlog.command import Command
from eventlog.errors import Damaged
from eventlog.mirror import COPY_BYTES_MAX
from eventlog.postgres.reads import PAGE_EVENTS
from tests.eventlog.conftest import OpenLog
from tests.support.builders import assert_whole, noted, said, story

A = story("a")


async def test_a_page_that_is_too_long_for_one_block_is_copied_whole(opened: OpenLog):
    """A block ends at some megabytes, in the middle of a page; the rest of it is the next block."""
    away = await opened("away")
    other = await opened("other")
    text = Random(1).randbytes(COPY_BYTES_MAX * 3 // 8).hex()
    for number in range(3):
        await other.append(Command([said(A, f"{number}{text}")]))
    assert await away.catch_up() == 3
    assert away.segments.durable_position == 3
    await assert_whole(away)


async def test_a_read_meets_every_event_at_the_borders_of_pages(opened: OpenLog):
    """Of a log whose local copy lacks more than two pages."""
    away = await opened("away")
    other = await opened("other", batch_events_max=500)
    count = 2 * PAGE_EVENTS + 1
    await asyncio.gather(*[other.append(Command([noted(A) for _ in range(87)])) for _ in range(count // 87)])
    head = (await away.head()).position
    assert head > PAGE_EVENTS
    assert away.segments.durable_position == 0
    seen = [event.position for block in [b async for b in away.read()] for event in block]
    assert seen == list(range(1, head + 1))


@pytest.mark.parametrize(("missing", "read"), [(1, 0), (3, 2), (5, 4)])
async def test_a_position_that_postgres_lacks_is_named_and_never_skipped(
    opened: OpenLog, admin: asyncpg.Connection, schema_name: str, missing: int, read: int
):
    """The first, one in the middle of a page, the last: a reader would be wrong for ever and not know it."""
    away = await opened("away")
    other = await opened("other")
    for _ in range(5):
        await other.append(Command([noted(A)]))
    await admin.execute(f"ALTER TABLE {schema_name}.events DISABLE TRIGGER USER")
    await admin.execute(f"DELETE FROM {schema_name}.events WHERE position = {missing}")
    seen: list[int] = []

    async def read_all() -> None:
        async for block in away.read():
            seen.extend(event.position for event in block)

    with pytest.raises(Damaged, match=f"lacks position {missing}"):
        await read_all()
    assert seen == list(range(1, read + 1))


async def test_a_read_that_asks_for_more_than_there_is_ends_where_the_log_ends(opened: OpenLog):
    """Also where the local copy has none of it yet."""
    away = await opened("away")
    other = await opened("other")
    await other.append(Command([noted(A), noted(A)]))
    for log in (away, other):
        assert [event.position async for block in log.read(1, 99) for event in block] == [2]
