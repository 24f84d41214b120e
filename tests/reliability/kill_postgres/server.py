"""A Postgres server of our own, to be killed, stopped and paused. Signals only what works in its cluster."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg

from eventlog.clock import SystemClock
from eventlog.embedded.layout import Layout
from eventlog.embedded.processes import Process, exists, find_process, postgres_processes_in
from eventlog.embedded.server import EmbeddedPostgres, attach


class Server:
    """The server of `<folder>/postgres`. Whoever holds it keeps it from being stopped as unused."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._cluster = Layout(str(folder / "postgres")).cluster
        # All of them until the end: what was given out as an address lives as long as they do.
        self._held: list[EmbeddedPostgres] = []

    @property
    def connection(self) -> dict[str, Any]:
        return self._held[-1].connection

    async def start(self) -> None:
        """Start it, also again, and return when it takes connections: as another opener would."""
        self._held.append(await attach(self.folder, clock=SystemClock()))

    async def close(self) -> None:
        """Let go of it, and return when nothing of it runs any more."""
        while self._held:
            await self._held.pop().close()
        await self.kill()  # a busy machine leaves the stopping to the watcher

    async def kill(self) -> None:
        """kill -9 of the postmaster and all its children at once."""
        self._signal(signal.SIGKILL)
        await self._gone()

    async def kill_postmaster(self) -> None:
        """kill -9 of the postmaster alone; its children notice, and a new one must wait for them."""
        os.kill(self._postmaster().pid, signal.SIGKILL)

    async def kill_backend(self, chance: random.Random) -> None:
        """kill -9 of one session of the log: Postgres ends all others and recovers by itself."""
        pids = [row["pid"] for row in await self._sessions("pid")]
        if pids:
            pid = chance.choice(pids)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            while exists(pid):  # noqa: ASYNC110 - until the postmaster knows
                await asyncio.sleep(0.001)
        await self.ready()

    async def stop(self, how: signal.Signals) -> None:
        """SIGINT: fast, sessions are broken off. SIGQUIT: immediate, as after a crash."""
        os.kill(self._postmaster().pid, how)
        await self._gone()

    async def pause(self, duration_s: float) -> None:
        """Nothing of it runs for a while; then all of it goes on."""
        self._signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(duration_s)
        finally:
            self._signal(signal.SIGCONT)

    async def terminate_backends(self) -> None:
        """Break off every session of the log, the writer's too."""
        await self._sessions("pg_terminate_backend(pid)")

    async def ready(self) -> None:
        """Return when it takes connections."""
        while True:
            try:
                await self._sessions("pid")
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0.01)
            else:
                return

    async def _sessions(self, what: str) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(**self.connection)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(
                f"SELECT {what} FROM pg_stat_activity WHERE application_name = 'agentlog'"
            )
            return rows
        finally:
            await connection.close()

    def _postmaster(self) -> Process:
        process = find_process(self._held[-1].pid)
        assert process is not None, "the server runs"
        return process

    def _signal(self, number: signal.Signals) -> None:
        for pid in postgres_processes_in(self._cluster):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    async def _gone(self) -> None:
        while postgres_processes_in(self._cluster):  # noqa: ASYNC110 - processes tell nobody
            await asyncio.sleep(0.01)
