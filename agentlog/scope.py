"""Whose data a store may name, and how its handles append: decide on a state, append, decide again.

Knows no noun. A store that was opened for a tenant gives out its log as a `TenantLog`, which shows
and takes that tenant's streams alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import asyncpg

from agentlog.checks import check_key, check_limit, check_moment, check_time, check_word
from agentlog.errors import NotFound, Refused, WrongTenant
from eventlog.command import Command, Head, Receipt
from eventlog.envelope import (
    MAX_KEY_BYTES,
    MAX_TENANT_BYTES,
    Event,
    NewEvent,
    StreamId,
    check_stream,
    check_text,
    encode_meta,
    format_time,
    parse_time,
    us_to_time,
)
from eventlog.errors import BadIdentifier, Conflict
from eventlog.events import AgentEvent, new
from eventlog.log import Log
from eventlog.outcome import conflict
from eventlog.postgres.retry import retried

# A command that loses this often against others on its stream is given back to its caller.
ATTEMPTS_MAX = 10

PAGE_EVENTS = 1_000

# No name of 1,024 bytes sorts behind it.
BEHIND_ALL = "\U0010ffff" * (MAX_KEY_BYTES // 4 + 1)

Decide = Callable[..., Sequence[AgentEvent]]
T = TypeVar("T")


class Naming:
    """Whose data may be named.

    Attributes:
        tenant: "" when any tenant may be named.
    """

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant

    def owner(self, tenant: str | None) -> str:
        """Return the tenant of a call, or refuse to name another's data.

        Raises WrongTenant, BadIdentifier.
        """
        if tenant is None or tenant == self.tenant:
            return self.tenant
        check_text(tenant, "tenant", MAX_TENANT_BYTES)
        if self.tenant:
            raise WrongTenant(
                f"this store was opened for tenant {self.tenant!r} and was asked for tenant {tenant!r}",
                hint="open another store for that tenant",
                tenant=self.tenant,
            )
        return tenant

    def check_whole(self, what: str) -> None:
        """Raise Refused when this is one tenant's, and `what` concerns the whole log."""
        if self.tenant:
            raise Refused(
                f"{what} concerns the whole log, and this store was opened for tenant {self.tenant!r}",
                hint="open the store without a tenant",
            )

    def stream(self, kind: str, key: str, tenant: str | None) -> StreamId:
        """Return the identity of a stream that may be named. Raises WrongTenant, BadIdentifier."""
        return check_stream(self.owner(tenant), kind, key)


def check_name(value: str, what: str) -> str:
    """Return `value` if it can be part of a stream's key. Raises BadIdentifier, which names `what`."""
    check_text(value, what, MAX_KEY_BYTES)
    if not value:
        raise BadIdentifier(f"{what} is empty", hint="give it a name")
    return value


class Scope(Naming):
    """A log and the tenant whose data may be named in it.

    Attributes:
        log: the whole log.
    """

    def __init__(self, log: Log, tenant: str) -> None:
        super().__init__(tenant)
        self.log = log
        self._turns: WeakValueDictionary[StreamId, asyncio.Lock] = WeakValueDictionary()

    def new(
        self,
        stream: StreamId,
        event: AgentEvent,
        meta: dict[str, Any] | None = None,
        occurred_at: datetime | None = None,
    ) -> NewEvent:
        """Encode an event under a fresh id. Raises BadInput, BadPayload, EventTooLarge."""
        check_time(occurred_at, "occurred_at")
        return new(
            stream,
            event,
            id=self.log.ids.next(),
            meta=encode_meta(meta) if meta else b"{}",
            occurred_at=format_time(occurred_at) if occurred_at else None,
        )

    async def decide(
        self,
        stream: StreamId,
        projections: Sequence[str],
        decide: Decide,
        *,
        meta: dict[str, Any] | None = None,
    ) -> Receipt | None:
        """Append what `decide` makes of the stream's states; None when it makes nothing.

        Args:
            projections: whose states `decide` is called with, in this order; each may be None.
            decide: pure. It returns events, or raises a Refused.
        Raises:
            Refused: decided on what Postgres just said.
            Conflict: somebody else was faster, ten times in a row.
            Everything `Log.append` raises.
        """
        # One at a time here: side by side, all but one would only find out that they were too late.
        async with self.turn(stream):
            return await self._decide(stream, projections, decide, meta)

    def turn(self, stream: StreamId) -> asyncio.Lock:
        """The lock of whoever decides on a stream in this process."""
        return self._turns.setdefault(stream, asyncio.Lock())

    async def _decide(
        self, stream: StreamId, projections: Sequence[str], decide: Decide, meta: dict[str, Any] | None
    ) -> Receipt | None:
        conflict: Conflict | None = None
        sure = False
        for _ in range(ATTEMPTS_MAX + 1):
            states, version = await self._states(stream, projections)
            try:
                events = decide(*states)
            except Refused:
                if sure:
                    raise
                events = ()
            if not events and sure:
                return None
            if events:
                command = Command([self.new(stream, event, meta) for event in events], {stream: version})
                try:
                    return await self.log.append(command)
                except Conflict as error:
                    conflict = error
            # Memory may be behind other processes: neither a refusal nor "nothing to do" may rest on it.
            await self.log.reload([stream])
            sure = True
        assert conflict is not None, "only conflicts come back here more than once"
        raise conflict

    async def decide_at(
        self,
        stream: StreamId,
        version: int,
        projections: Sequence[str],
        decide: Decide,
        *,
        meta: dict[str, Any] | None = None,
    ) -> Receipt | None:
        """As `decide`, for a caller who knows at which version the stream must be. Decides once.

        Raises Conflict when it is elsewhere.
        """
        await self.log.reload([stream])
        states, actual = await self._states(stream, projections)
        events = decide(*states)
        if not events:
            if actual != version:
                raise conflict(stream, version, actual)
            return None
        command = Command([self.new(stream, event, meta) for event in events], {stream: version})
        return await self.log.append(command)

    async def again(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Return what `attempt` returns; it is called anew while somebody else is faster.

        For what rests on several streams or on rows: `attempt` reads, decides and appends.
        Raises Conflict: ten times in a row.
        """
        for _ in range(ATTEMPTS_MAX - 1):
            with suppress(Conflict):
                return await attempt()
        return await attempt()

    async def _states(self, stream: StreamId, projections: Sequence[str]) -> tuple[list[Any], int]:
        """Return the states of several projections, all of one version."""
        while True:
            found = [await self.log.state(name, stream) for name in projections]
            versions = {version for _, version in found}
            if len(versions) == 1:
                return [state for state, _ in found], versions.pop()

    async def fetch(
        self, query: str, *arguments: Any, of: StreamId | None = None, by_index: bool = False
    ) -> list[asyncpg.Record]:
        """Run one of this package's queries (queries/<query>.sql) in Postgres.

        `of`: it looks at rows of that stream alone. As of a moment of the past, it is then answered from a
        fold of that stream instead of one of the whole log. `by_index`: see `Reads.by_index`.
        """
        text, reads = query_text(query), self.log.reads
        chosen = reads.by_index if by_index else reads
        return await retried(lambda: chosen.fetch(text, *arguments), self.log.settings)

    async def events(self, stream: StreamId) -> AsyncIterator[Event]:
        """Yield all events of a stream, oldest first, read page by page."""
        after = 0
        while page := await self.log.read_stream(stream, after, PAGE_EVENTS):
            for event in page:
                yield event
            after = page[-1].version

    async def moment(self, now: datetime | None = None) -> datetime:
        """Return the moment to go by: `now`, or what the clock of Postgres shows, which all hosts share.

        Raises BadInput: see `check_moment`.
        """
        check_moment(now)
        if now is not None:
            return now
        [row] = await self.fetch("server_time")
        return parse_time(us_to_time(row["time_us"]))

    async def page(
        self,
        query: str,
        kind: str,
        what: str,
        statuses: Collection[str],
        *,
        session: str | None,
        status: str | None,
        limit: int,
        after: str | None,
        tenant: str | None,
    ) -> list[asyncpg.Record]:
        """Return a page of what is listed by session and status, the oldest first, behind the key `after`.

        Args:
            query: by the name of its file.
            kind, what: the stream kind of what is listed, and its name for people.
            statuses: those there are.
        Raises BadInput, NotFound: there is no `after`.
        """
        owner = self.owner(tenant)
        check_limit(limit)
        check_key(session, "session")
        if status is not None:
            check_word(status, statuses, "status")
        place = None if after is None else await self.place(what, owner, kind, after)
        return await self.fetch(query, owner, None, session, status, place, limit)

    async def place(self, what: str, tenant: str, kind: str, key: str) -> int:
        """Return the stream id that a page comes after. Raises NotFound, which names `what` it is."""
        check_key(key, "after")
        rows = await self.fetch("stream_place", tenant, kind, key)
        if not rows:
            raise NotFound(f"there is no {what} {key!r} to go on after", hint="check `after`", key=key)
        id: int = rows[0]["id"]
        return id


@cache
def query_text(name: str) -> str:
    """Return the text of this package's queries/<name>.sql, `{schema}` still in it."""
    return (files("agentlog") / "queries" / f"{name}.sql").read_text()


class TenantLog:
    """A log of which one tenant's streams can be read and written, and nothing else.

    Positions are those of the whole log, so what is read has gaps where others' events stand.
    """

    def __init__(self, scope: Scope) -> None:
        assert scope.tenant, "without a tenant the log itself is given out"
        self._scope = scope
        self._log = scope.log
        self.ids = scope.log.ids
        self.settings = scope.log.settings
        self.tenant = scope.tenant

    async def append(self, command: Command) -> Receipt:
        """See `Log.append`. Raises WrongTenant when the command names another tenant's stream."""
        for stream in {*(event.stream for event in command.events), *command.expected}:
            self._scope.owner(stream.tenant)
        return await self._log.append(command)

    async def state(self, projection: str, stream: StreamId) -> tuple[Any, int]:
        """See `Log.state`. Raises WrongTenant."""
        self._scope.owner(stream.tenant)
        return await self._log.state(projection, stream)

    async def reload(self, streams: Sequence[StreamId]) -> None:
        """See `Log.reload`. Raises WrongTenant."""
        for stream in streams:
            self._scope.owner(stream.tenant)
        await self._log.reload(streams)

    async def head(self) -> Head:
        """Where the whole log stands."""
        return await self._log.head()

    async def read(self, after: int = 0, until: int | None = None) -> AsyncIterator[Sequence[Event]]:
        """See `Log.read`; blocks hold this tenant's events only, and none are empty."""
        async for block in self._log.read(after, until):
            own = [event for event in block if event.tenant == self.tenant]
            if own:
                yield own

    async def read_stream(self, stream: StreamId, after: int = 0, limit: int | None = None) -> list[Event]:
        """See `Log.read_stream`. Raises WrongTenant."""
        self._scope.owner(stream.tenant)
        return await self._log.read_stream(stream, after, limit)

    async def subscribe(self, after: int = 0) -> AsyncIterator[Event]:
        """See `Log.subscribe`; this tenant's events only."""
        async for event in self._log.subscribe(after):
            if event.tenant == self.tenant:
                yield event
