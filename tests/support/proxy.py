"""A proxy between the log and Postgres that can lose an append before or after its commit. Holds no test.

It speaks just enough of the protocol to see messages: an append is the messages from a Bind of the
append function to the Sync behind it. Postgres commits when it gets the Sync, and nobody knows that
before the last byte of its ReadyForQuery has arrived: in between lies all ambiguity. What becomes of
the next appends is told beforehand, by `faults`; what it struck is told by `struck`.

    never sent      the connection closes before Postgres hears of the append
    half sent       some bytes of it arrive, never the last one, and the connection closes
    sent and cut    the connection closes as soon as the append was sent; either may happen
    late            the connection closes; Postgres gets the append afterwards, and commits it if it may
    answer lost     Postgres commits and answers; the connection closes, the answer is thrown away
    half answered   the same, and some bytes of the answer arrive, never the last one
    swallowed       nothing is forwarded any more, and the connection stays open
    answer swallowed   Postgres commits; nothing is answered, and the connection stays open
    slow            the append and its answer take their time, and arrive
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

NEVER_SENT = "never sent"
HALF_SENT = "half sent"
SENT_AND_CUT = "sent and cut"
LATE = "late"
ANSWER_LOST = "answer lost"
HALF_ANSWERED = "half answered"
SWALLOWED = "swallowed"
ANSWER_SWALLOWED = "answer swallowed"
SLOW = "slow"
PASS = "pass"

SLOW_S = 0.01
_PORT = 5432


class Proxy:
    """One listening socket in front of one server.

    Attributes:
        connection: arguments for asyncpg.connect, as the server's, through the proxy.
        faults: what happens to the next appends, in order; once empty, all pass.
        chance: where a message is cut comes from it.
        appends: how many appends reached the proxy.
        asked: texts of the statements that clients had executed, in order; each is a round trip.
        connections: how many connections reached it.
        server_version: what new connections are told the server is; None: the truth.
        struck: set once a fault has happened.
        strikes: how many appends were struck.
        silent: nothing is forwarded any more, in either direction; connections stay open.
        silent_after_login: the same for each connection, once it may be used.
        hangs_up: new connections are taken and closed at once.
        delay_s: every message waits so long, in each direction.
    """

    def __init__(self, server: Mapping[str, Any], directory: Path, seed: int = 0) -> None:
        self._upstream = f"{server['host']}/.s.PGSQL.{server.get('port', _PORT)}"
        self._path = directory / f".s.PGSQL.{_PORT}"
        self.connection = {**server, "host": str(directory), "port": _PORT}
        self.faults: deque[str] = deque()
        self.asked: list[str] = []
        self.chance = random.Random(seed)
        self.appends = self.connections = self.strikes = 0
        self.server_version: str | None = None
        self.silent = self.silent_after_login = self.hangs_up = False
        self.delay_s = 0.0
        self.struck = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._links: set[_Link] = set()

    async def come_back(self) -> None:
        """Listen; also again, after `go_away`."""
        self._server = await asyncio.start_unix_server(self._accept, str(self._path))

    async def go_away(self) -> None:
        """Postgres is gone: connections break, new ones are refused."""
        self.refuse()
        self.cut()

    def refuse(self) -> None:
        """Refuse new connections; those that are open go on."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self._path.unlink(missing_ok=True)

    def cut(self) -> None:
        """Break every connection; new ones are accepted."""
        for link in list(self._links):
            link.close()

    async def settled(self) -> None:
        """Return when Postgres has had every late append."""
        await asyncio.gather(*[link.over.wait() for link in self._links if link.late])

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self.hangs_up:
            writer.transport.abort()
            return
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
            link.over.set()
            self._links.discard(link)


class _Link:
    """One connection of a client, and its other half to the server.

    Attributes:
        late: an append is on its way of which the client believes the connection dead.
        over: nothing comes over it any more.
    """

    def __init__(self, proxy: Proxy, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self._proxy, self._client, self._server = proxy, client, server
        self._statements: dict[bytes, str] = {}  # texts of prepared ones, by name
        self._fault = PASS
        self._held: list[bytes] | None = None  # messages of an append that is not forwarded yet
        self._answer: list[bytes] = []  # of an append whose answer is to be cut
        self.late = False
        self.over = asyncio.Event()
        self._silent = False
        self._struck = False

    def close(self) -> None:
        self._client.transport.abort()
        self._server.transport.abort()

    async def upwards(self, reader: asyncio.StreamReader) -> None:
        """Client to server, message by message; the first one has no type."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            self._server.write(b"".join(await _message(reader, typed=False)))
            while True:
                kind, length, body = await _message(reader)
                self._silent |= self._proxy.silent_after_login and kind in b"PQ"
                if self._proxy.silent or self._silent:
                    continue
                await self._wait()
                text = self._executed(kind, body)
                if text is not None:
                    self._proxy.asked.append(text)
                    # A Query that names the function is a migration, which makes it.
                    append = kind == b"B" and (".append(" in text or ".append_one(" in text)
                    if append and await self._begin_append():
                        return
                if self._fault == SWALLOWED:
                    self._strike()
                    continue
                if self._held is not None:
                    self._held.append(kind + length + body)
                    if kind == b"S":
                        await self._end_append()
                        return
                    continue
                self._server.write(kind + length + body)
                await self._server.drain()
                if kind == b"S" and self._fault == SENT_AND_CUT:
                    break
        if not self.late:
            self.close()
        if self._fault == SENT_AND_CUT:
            self._strike()

    async def downwards(self, reader: asyncio.StreamReader) -> None:
        """Server to client, message by message."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                kind, length, body = await _message(reader)
                if kind == b"S" and body.startswith(b"server_version\0") and self._proxy.server_version:
                    body = b"server_version\0%b\0" % self._proxy.server_version.encode()
                    length = (len(body) + 4).to_bytes(4, "big")
                ready = kind == b"Z"  # for the next: this one is committed
                if self._fault in (PASS, SLOW, SENT_AND_CUT):
                    await self._wait()
                    self._client.write(kind + length + body)
                    await self._client.drain()
                    if ready:
                        self._fault = PASS
                    continue
                self._answer.append(kind + length + body)
                if ready and self._fault == ANSWER_SWALLOWED:
                    self._strike()
                elif ready:
                    await self._end_answer()
                    return
        self.late = False
        self.close()

    async def _wait(self) -> None:
        if self._proxy.delay_s:
            await asyncio.sleep(self._proxy.delay_s)

    async def _begin_append(self) -> bool:
        """Draw what becomes of an append that begins here; return whether the connection is over."""
        self._proxy.appends += 1
        self._struck = False
        self._fault = self._proxy.faults.popleft() if self._proxy.faults else PASS
        if self._fault == NEVER_SENT:
            self.close()
            self._strike()
            return True
        if self._fault in (HALF_SENT, LATE):
            self._held = []
        if self._fault == SLOW:
            await asyncio.sleep(self._proxy.chance.random() * SLOW_S)
        return False

    async def _end_append(self) -> None:
        """All of a held append is here: forward a part of it, or all of it once the client is cut off."""
        assert self._held is not None
        whole = b"".join(self._held)
        if self._fault == HALF_SENT:
            self._server.write(whole[: self._proxy.chance.randrange(1, len(whole))])
            await self._server.drain()
            self.close()
        else:
            self.late = True
            self._client.transport.abort()
            # Now, or when the client has come back and is just asking what became of it.
            await asyncio.sleep(self._proxy.chance.choice([0, SLOW_S / 4, SLOW_S, 4 * SLOW_S]))
            self._server.write(whole)
            await self._server.drain()
        self._strike()

    async def _end_answer(self) -> None:
        if self._fault == HALF_ANSWERED:
            whole = b"".join(self._answer)
            self._client.write(whole[: self._proxy.chance.randrange(1, len(whole))])
            await self._client.drain()
            # Closed, not aborted: what was written arrives.
            self._client.transport.close()
        self.late = False
        self.close()
        if self._fault in (ANSWER_LOST, HALF_ANSWERED):
            self._strike()

    def _executed(self, kind: bytes, body: bytes) -> str | None:
        """The statement that a message has executed: a Query, or a Bind of what a Parse named before."""
        if kind == b"P":
            name, text = body.split(b"\0", 2)[:2]
            self._statements[name] = text.decode()
        if kind == b"Q":
            return body.rstrip(b"\0").decode()
        return self._statements.get(body.split(b"\0", 2)[1]) if kind == b"B" else None

    def _strike(self) -> None:
        self._proxy.struck.set()
        if not self._struck:
            self._proxy.strikes += 1
            self._struck = True


async def _message(reader: asyncio.StreamReader, *, typed: bool = True) -> tuple[bytes, bytes, bytes]:
    kind = await reader.readexactly(1) if typed else b""
    length = await reader.readexactly(4)
    return kind, length, await reader.readexactly(int.from_bytes(length, "big") - 4)


@contextlib.asynccontextmanager
async def proxied(server: Mapping[str, Any], directory: Path, seed: int = 0) -> AsyncIterator[Proxy]:
    """Run a proxy in front of a server; its socket lies in `directory`, whose path must be short."""
    proxy = Proxy(server, directory, seed)
    await proxy.come_back()
    try:
        yield proxy
    finally:
        await proxy.go_away()
