"""Wake-ups between processes over LISTEN/NOTIFY: a hint, never the data.

NOTIFY inside an append would make commits queue behind each other, so it travels apart, over a
connection for reads, at most once per NOTIFY_INTERVAL_S and process (docs/decisions/0006). One connection
listens per process, once somebody follows the log. Lost hints are made up for by polling.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import asyncpg

from eventlog.postgres.connect import Target, connect, disconnect
from eventlog.postgres.reads import Reads
from eventlog.settings import Settings
from eventlog.writer import Writer

NOTIFY_INTERVAL_S = 0.1


class Notifier:
    """Tells other processes that the head moved, and hears when theirs did."""

    def __init__(self, target: Target, settings: Settings, writer: Writer, reads: Reads) -> None:
        self._target = target
        self._settings = settings
        self._writer = writer
        self._reads = reads
        self._channel = f"agentlog_{settings.schema}"
        self._heard = asyncio.Event()
        self._listener: asyncpg.Connection | None = None
        self._starting = asyncio.Lock()
        self._sender = asyncio.create_task(self._send(), name="agentlog-notifier")

    @property
    def seen_position(self) -> int:
        """How far this process knows the log: what to wait beyond."""
        return self._writer.head_position

    async def wait_beyond(self, position: int) -> None:
        """Return when there may be something beyond `position`: at a hint, or after the poll interval."""
        if self._writer.head_position > position:
            return
        await self._listen()
        heard = self._heard
        waits = [
            asyncio.ensure_future(self._writer.wait_beyond(position)),
            asyncio.ensure_future(heard.wait()),
        ]
        try:
            await asyncio.wait(
                waits, timeout=self._settings.poll_interval_s, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for wait in waits:
                wait.cancel()

    async def close(self) -> None:
        self._sender.cancel()
        with suppress(asyncio.CancelledError):
            await self._sender
        if self._listener is not None:
            await disconnect(self._listener)

    async def _listen(self) -> None:
        async with self._starting:
            if self._listener is not None and not self._listener.is_closed():
                return
            try:
                self._listener = await connect(
                    self._target,
                    timeout_s=self._settings.connect_timeout_s,
                    command_timeout_s=self._settings.command_timeout_s,
                )
                await self._listener.add_listener(self._channel, self._on_notification)
            except Exception:
                # Whatever it is (a driver has errors of its own for a connection that is cut just
                # now), a hint is not worth one: polling does without; the next wait tries again.
                if self._listener is not None:
                    self._listener.terminate()
                self._listener = None

    def _on_notification(self, *_: object) -> None:
        heard, self._heard = self._heard, asyncio.Event()
        heard.set()

    async def _send(self) -> None:
        told = self._writer.head_position
        while True:
            await self._writer.wait_beyond(told)
            told = self._writer.head_position
            # A hint that cannot be sent is a hint lost, for whatever reason: the listeners poll.
            with suppress(Exception):
                await self._reads.fetch(self._reads.statements.notify, self._channel, str(told))
            await asyncio.sleep(NOTIFY_INTERVAL_S)
