"""A store read from this host's copy alone: the same answers, as of a time that it says itself."""

from __future__ import annotations

from pathlib import Path

import pytest

import agentlog
from agentlog.errors import BadInput, WrongTenant
from eventlog.envelope import StreamId
from tests.agentlog.conftest import Open


async def test_the_active_window_is_the_one_that_postgres_gives(open_store: Open, tmp_path: Path):
    """Before and after a compaction and a new generation; with the store open, and without any Postgres."""
    async with open_store() as store:
        for number in range(4):
            await store.conversation.append("s", {"role": "user", "content": str(number)})
            assert await store.local.load("s") == await store.conversation.load("s")
        await store.conversation.compact("s", "in short")
        await store.conversation.append("s", {"role": "user", "content": "5"})
        window = await store.conversation.load("s")
        assert len(window) == 2
        assert await store.local.load("s") == window
        assert await store.local.load("s", 1) == window[-1:]
        head = await store.log.head()
    local = agentlog.open_local(tmp_path / "data", tenant="")
    assert await local.load("s") == window
    assert await local.load("nobody") == []
    assert await local.as_of() == head
    assert [event.position async for block in local.read() for event in block] == list(
        range(1, head.position + 1)
    )
    with pytest.raises(BadInput, match="last 0"):
        await local.load("s", 0)


async def test_questions_are_answered_without_postgres(open_store: Open, tmp_path: Path):
    async with open_store() as store:
        for number in range(3):
            await store.conversation.append("s", {"role": "user", "content": f"word {number}"})
        await store.archive.build()
        await store.conversation.append("s", {"role": "user", "content": "word 3"})
    local = agentlog.open_local(tmp_path / "data", tenant="")
    assert (await local.archive.sql("SELECT count(*) FROM messages")).rows == [(4,)]
    assert len((await local.archive.grep("word", "s")).rows) == 4


async def test_invariant_10_another_tenant_s_data_cannot_be_named(open_store: Open, tmp_path: Path):
    async with open_store() as store:
        await store.conversation.append("s", {"role": "user", "content": "mine"}, tenant="mine")
        await store.conversation.append("s", {"role": "user", "content": "theirs"}, tenant="theirs")
    local = agentlog.open_local(tmp_path / "data", tenant="mine")
    assert [message.content for message in await local.load("s")] == ["mine"]
    assert {event.tenant async for block in local.read() for event in block} == {"mine"}
    assert (await local.archive.sql("SELECT count(*) FROM messages")).rows == [(1,)]
    with pytest.raises(WrongTenant):
        await local.load("s", tenant="theirs")
    with pytest.raises(WrongTenant):
        await local.read_stream(StreamId("theirs", "session", "s"))


async def test_a_directory_without_a_log_is_refused(tmp_path: Path):
    with pytest.raises(BadInput, match="is no data directory"):
        agentlog.open_local(tmp_path / "nothing")
