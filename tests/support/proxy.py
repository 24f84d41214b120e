"""A proxy between the log and Postgres that can lose an append before or after its commit. Holds no test.

It speaks just enough of the protocol to see messages: an append is a Bind on a connection that
prepared the append function. What becomes of the next appends is told beforehand, by `faults`;
what it struck is told by `struck`. Everything happens on messages, nothing on time.

    never sent      the connection closes before Postgres hears of the append
    answer lost     Postgres commits and answers; the connection closes, the answer is thrown away
    sent and cut    the connection closes as soon as the append was sent; either may happen
    swallowed       nothing is forwarded any more, and the connection stays open
    answer swallowed   Postgres commits; nothing is answered, and the connection stays open
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

NEVER_SENT = "never sent"
ANSWER_LOST = "answer lost"
SENT_AND_CUT = "sent and cut"
SWALLOWED = "swallowed"
ANSWER_SWALLOWED = "answer swallowed"
PASS = "pass"

_PORT = 5432


class Proxy:
    """One listening socket in front of one server.

    Attributes:
        connection: arguments for asyncpg.connect, as the server's, through the proxy.
        faults: what happens to the next appends, in order; once empty, all pass.
        appends: how many appends reached the proxy.
        server_version: what new connections are told the server is; None: the truth.
        struck: set once a fault has happened.
        silent: nothing is forwarded any more, in either direction; connections stay open.
    """

    def __init__(self, server: Mapping[str, Any], directory: Path) -> None:
        self._upstream = f"{server['host']}/.s.PGSQL.{server.get('port', _PORT)}"
        self._path = directory / f".s.PGSQL.{_PORT}"
        self.connection = {**server, "host": str(directory), "port": _PORT}
        self.faults: deque[str] = deque()
        self.appends = 0
        self.server_version: str | None = None
        self.silent = False
        self.struck = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._links: set[_Link] = set()

    async def come_back(self) -> None:
        """Listen; also again, after `go_away`."""
        self._server = await asyncio.start_unix_server(self._accept, str(self._path))

    async def go_away(self) -> None:
        """Postgres is gone: connections break, new ones are refused."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self._path.unlink(missing_ok=True)
        self.cut()

    def cut(self) -> None:
        """Break every connection; new ones are accepted."""
        for link in list(self._links):
            link.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_unix_connection(self._upstream)
        except OSError:
            writer.close()
            return
        link = _Link(self, writer, up_writer)
        self._links.add(link)
        try:
            await asyncio.gather(link.upwards(reader), link.downwards(up_reader))
        finally:
            link.close()
            self._links.discard(link)


class _Link:
    """One connection of a client, and its other half to the server."""

    def __init__(self, proxy: Proxy, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self._proxy, self._client, self._server = proxy, client, server
        self._statements: set[bytes] = set()  # names of prepared append calls
        self._fault = PASS

    def close(self) -> None:
        self._client.transport.abort()
        self._server.transport.abort()

    async def upwards(self, reader: asyncio.StreamReader) -> None:
        """Client to server, message by message; the first one has no type."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            self._server.write(b"".join(await _message(reader, typed=False)))
            while True:
                kind, length, body = await _message(reader)
                if self._proxy.silent:
                    continue
                if self._is_append(kind, body):
                    self._proxy.appends += 1
                    if self._proxy.faults:
                        self._fault = self._proxy.faults.popleft()
                    if self._fault == NEVER_SENT:
                        self._strike()
                        return
                if self._fault == SWALLOWED:
                    self._proxy.struck.set()
                    continue
                self._server.write(kind + length + body)
                await self._server.drain()
                if kind == b"S" and self._fault == SENT_AND_CUT:
                    self._strike()
                    return
        self.close()

    async def downwards(self, reader: asyncio.StreamReader) -> None:
        """Server to client, message by message."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                kind, length, body = await _message(reader)
                if kind == b"S" and body.startswith(b"server_version\0") and self._proxy.server_version:
                    body = b"server_version\0%b\0" % self._proxy.server_version.encode()
                    length = (len(body) + 4).to_bytes(4, "big")
                if self._fault not in (ANSWER_LOST, ANSWER_SWALLOWED):
                    self._client.write(kind + length + body)
                    await self._client.drain()
                elif kind == b"Z" and self._fault == ANSWER_LOST:  # ready for the next: it is committed
                    self._strike()
                    return
                elif kind == b"Z":
                    self._proxy.struck.set()
        self.close()

    def _is_append(self, kind: bytes, body: bytes) -> bool:
        """A Bind of a statement whose Parse named an append function."""
        if kind == b"P" and (b".append(" in body or b".append_one(" in body):
            self._statements.add(body.split(b"\0", 1)[0])
        return kind == b"B" and body.split(b"\0", 2)[1] in self._statements

    def _strike(self) -> None:
        self.close()
        self._proxy.struck.set()


async def _message(reader: asyncio.StreamReader, *, typed: bool = True) -> tuple[bytes, bytes, bytes]:
    kind = await reader.readexactly(1) if typed else b""
    length = await reader.readexactly(4)
    return kind, length, await reader.readexactly(int.from_bytes(length, "big") - 4)


@contextlib.asynccontextmanager
async def proxied(server: Mapping[str, Any], directory: Path) -> AsyncIterator[Proxy]:
    """Run a proxy in front of a server; its socket lies in `directory`, whose path must be short."""
    proxy = Proxy(server, directory)
    await proxy.come_back()
    try:
        yield proxy
    finally:
        await proxy.go_away()
