"""A log used elsewhere than where it was opened: refused at once, where it would wait for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from eventlog.embedded.server import EmbeddedPostgres
from eventlog.errors import Closed
from eventlog.home import Home
from eventlog.log import Log
from tests.support.builders import open_log, saying, story

USES: dict[str, Callable[[Log], Awaitable[Any]]] = {
    "append": lambda log: log.append(saying(story())),
    "head": lambda log: log.head(),
    "read": lambda log: anext(log.read()),
    "state": lambda log: log.state("tallies", story("unknown")),
    "reload": lambda log: log.reload([story()]),
    "catch_up": lambda log: log.catch_up(),
    "subscribe": lambda log: anext(log.subscribe()),
    "close": lambda log: log.close(),
}


@pytest.mark.parametrize("use", USES)
async def test_another_event_loop_is_refused_at_once(log: Log, use: str):
    """In a thread with a loop of its own, while the log's goes on."""

    async def there() -> None:
        async with asyncio.timeout(20):
            await USES[use](log)

    await log.append(saying(story()))
    with pytest.raises(Closed, match="another event loop"):
        await asyncio.to_thread(asyncio.run, there())
    assert (await log.append(saying(story()))).first_position == 2


def test_a_log_whose_event_loop_stands_still_is_refused_at_once(
    postgres_server: EmbeddedPostgres, schema_name: str, tmp_path: Path
):
    """One `asyncio.run` per call is what a program without an event loop tries first."""

    async def opened() -> Log:
        return await open_log(postgres_server, schema_name, tmp_path)

    async def appended(log: Log) -> None:
        async with asyncio.timeout(20):
            await log.append(saying(story()))

    with asyncio.Runner() as runner:
        log = runner.run(opened())
        with pytest.raises(Closed, match="run_coroutine_threadsafe"):
            asyncio.run(appended(log))
        runner.run(log.close())


async def test_a_closed_log_may_be_closed_again_anywhere(log: Log):
    await log.close()
    await asyncio.to_thread(asyncio.run, log.close())


async def test_home_is_the_loop_it_was_made_in():
    home = Home()
    home.check()
    with pytest.raises(Closed):
        await asyncio.to_thread(asyncio.run, _check(home))


async def _check(home: Home) -> None:
    home.check()
