"""Hints are hints: none that cannot be sent or heard reaches anybody as an error.

That they wake subscribers of other processes is tested in test_log.py.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import asyncpg
import pytest

from tests.eventlog.conftest import OpenLog
from tests.support.builders import saying, story


@pytest.mark.parametrize("error", [asyncpg.InternalClientError, asyncpg.InterfaceError, ConnectionError])
async def test_a_subscriber_goes_on_when_listening_fails_in_the_driver(
    opened: OpenLog, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
):
    """A connection cut in the middle of LISTEN ends in an error that is no PostgresError."""

    async def failing(self: Any, *arguments: Any) -> None:
        raise error("cannot switch to state 12; another operation (2) is in progress")

    monkeypatch.setattr(asyncpg.Connection, "add_listener", failing)
    reader, writer = await opened(), await opened()
    async with asyncio.timeout(30), aclosing(reader.subscribe()) as events:  # type: ignore[type-var]
        for position in (1, 2):
            following = asyncio.ensure_future(anext(events))
            await asyncio.sleep(0)
            await writer.append(saying(story()))
            assert (await following).position == position
