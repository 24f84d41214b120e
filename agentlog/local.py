"""A store's data as this host's copy has it, without Postgres: read only, and it says how old it is.

    local = agentlog.open_local("./data")        # or store.local, while Postgres is away
    (await local.as_of()).time                   # nothing after that is known here
    await local.load("agent:main")

Nothing else falls back to it by itself: who decides on old data should know.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import cached_property
from typing import Any

from agentlog.archive import Questions
from agentlog.checks import check_kind, check_number
from agentlog.scope import Naming
from eventlog.command import Head
from eventlog.envelope import Event, StreamId, time_to_us
from eventlog.events import SESSION
from eventlog.local import LocalCopy
from projections.archive import Archive
from projections.conversation import CONVERSATIONS
from projections.message import Message
from projections.window import Window


class LocalStore:
    """What a store may name, read from the segments of one data directory. Nothing is to be closed."""

    def __init__(self, copy: LocalCopy, tenant: str) -> None:
        self._copy = copy
        self._naming = Naming(tenant)

    async def as_of(self) -> Head:
        """The last event that is here, of any tenant: its position, and when the log accepted it."""
        return await self._copy.as_of()

    async def read(self, after: int = 0, until: int | None = None) -> AsyncIterator[Sequence[Event]]:
        """Yield events with after < position <= until, in order, in blocks, as far as this copy goes."""
        check_number(after, "after")
        if until is not None:
            check_number(until, "until")
        tenant = self._naming.tenant
        async for block in self._copy.read(after, until):
            own = [event for event in block if not tenant or event.tenant == tenant]
            if own:
                yield own

    async def read_stream(self, stream: StreamId, after: int = 0, limit: int | None = None) -> list[Event]:
        """See `Log.read_stream`. Reads the whole copy. Raises WrongTenant."""
        check_kind(stream, StreamId, "stream", "a StreamId")
        check_number(after, "after")
        if limit is not None:
            check_number(limit, "limit")
        self._naming.owner(stream.tenant)
        return await self._copy.read_stream(stream, after, limit)

    async def load(self, key: str, last: int | None = None, *, tenant: str | None = None) -> list[Message]:
        """A session's active window, as `conversation.load` gives it. Reads the whole copy."""
        if last is not None:
            check_number(last, "last", 1)
        events = await self._copy.read_stream(self._naming.stream(SESSION, key, tenant))
        state: Any = None
        for event in events:
            if event.type in CONVERSATIONS.types:
                state = CONVERSATIONS.evolve(state, event, event.version)
        start = 1 if state is None else state.window_start
        window = Window(start - 1)
        for event in events[start - 1 :]:
            occurred_us = None if event.occurred_at is None else time_to_us(event.occurred_at)
            window.take(
                event.version, event.position, time_to_us(event.time), occurred_us,
                event.type, event.schema, event.encoding, event.data,
            )  # fmt: skip
        return window.messages if last is None else window.messages[-last:]

    @cached_property
    def archive(self) -> Questions:
        """Questions for DuckDB: sql, stat, head, tail, seq, grep. They do not ask Postgres for more."""
        directory = self._copy.directory
        archive = Archive(directory.archive, self._copy.blocks, str(directory.log_id))
        return Questions(self._naming, archive, self._copy.end_position, lambda: asyncio.sleep(0))
