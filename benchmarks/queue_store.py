"""What the benchmarks of the queue share: a store, many tasks at once, ours driven like its peers."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import agentlog
from eventlog.command import Command
from eventlog.events import TaskEnqueued, raw

PAYLOAD = "x" * 200


@asynccontextmanager
async def open_store(**settings: Any) -> AsyncIterator[agentlog.Store]:
    """A fresh store with an embedded Postgres, both copies durable."""
    with tempfile.TemporaryDirectory(prefix="agentlog-bench-") as folder:
        async with agentlog.open(folder, settings=agentlog.Settings(**settings)) as store:
            yield store


async def fill(store: agentlog.Store, count: int, **fields: Any) -> None:
    """Enqueue tasks, a thousand to a command."""
    scope, messages = store._scope, raw([PAYLOAD])
    for start in range(0, count, 1000):
        events = [
            scope.new(scope.stream("task", store.log.ids.next(), None), TaskEnqueued(messages, **fields))
            for _ in range(min(1000, count - start))
        ]
        await store.log.append(Command(events))


class Ours:
    """Tasks of a store, claimed and completed as its workers do."""

    name = "agentlog"
    batches = (1, 50)

    def __init__(self, store: agentlog.Store) -> None:
        self._store = store

    async def open(self, server: dict[str, Any], workers: int) -> None:
        """The store is open."""

    async def fill(self, count: int) -> None:
        await fill(self._store, count)

    async def take(self, worker: int, batch: int) -> int:
        held = await self._store.tasks.claim(f"worker {worker}", limit=batch)
        if batch == 1:
            for task in held:
                await self._store.tasks.complete(task)
        else:
            await self._store.tasks.complete_many(held)
        return len(held)

    async def close(self) -> None:
        """The store stays open."""
