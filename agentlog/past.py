"""A store as it stood at a moment of the past: the same handles, read only.

    then = store.at(position=1_000)        # or store.at(time=datetime(…, tzinfo=UTC))
    await then.sessions.get("agent:main")
    await then.conversation.load("agent:main")

What reads one stream folds that stream's events up to the moment. What lists, counts or joins others folds
the whole log up to there, the first time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, cast

import asyncpg

from agentlog.archive import Generations
from agentlog.nouns import Nouns
from agentlog.scope import Scope, TenantLog, query_text
from eventlog.envelope import StreamId
from eventlog.errors import BadInput
from eventlog.log import Log
from projections import archive as parquet
from replay.moment import Moment
from replay.past_log import PastLog, Pasts

# They read what has no past, leases and the head, and are asked in order to append.
_ASKED_BY_WORKERS = frozenset(
    ("claimable", "claimable_tasks", "queue_items_over", "tasks_over", "renew_lease", "end_lease")
)


class PastScope(Scope):
    """A log as of a moment, and the tenant whose data may be named in it."""

    def __init__(self, past: PastLog, tenant: str) -> None:
        # It has what handles use of a log, and appends nothing.
        super().__init__(cast(Log, past), tenant)
        self._past = past

    async def fetch(
        self, query: str, *arguments: Any, of: StreamId | None = None, by_index: bool = False
    ) -> list[asyncpg.Record]:
        """As `Scope.fetch`, over the tables as they stood then, which are small: `by_index` is no matter.

        Raises BadInput for what workers ask: there is no work in the past.
        """
        if query in _ASKED_BY_WORKERS:
            raise BadInput("the log as of a moment takes no event", hint="claim from the store itself")
        if of is not None:
            return await self._past.fetch_of(of, query_text(query), *arguments)
        return await self._past.fetch(query_text(query), *arguments)


class PastArchive(Generations):
    """What the archive could answer at a moment. A question opens an instance of DuckDB for itself."""

    def __init__(self, scope: PastScope, past: PastLog, archive: parquet.Archive, log: Log) -> None:
        # Questions use one method of it, which is here as well.
        then = cast(parquet.Archive, _Exactly(archive))
        super().__init__(scope, then, self._position, self._reach_moment)
        self._scope, self._past, self._log = scope, past, log
        self._refused: BadInput | None = None

    async def _reach_moment(self) -> None:
        """Find out where the moment is, and let the local copy reach it."""
        try:
            await self._past.moment()
        except BadInput as error:
            self._refused = error
        else:
            await self._log.catch_up()

    def _position(self) -> int:
        if self._refused is not None:
            raise self._refused
        if self._past.known is None:
            raise BadInput(
                "where this moment is has yet to be looked up",
                hint="await the answer, or the store's `moment()` first",
            )
        return self._past.known.position


class _Exactly:
    """An archive that is asked for what it held up to a position, and no more."""

    def __init__(self, archive: parquet.Archive) -> None:
        self._archive = archive

    @contextmanager
    def ask(
        self,
        head: int,
        *,
        tenant: str | None = None,
        timeout_s: float | None = None,
        stop: parquet.Stop | None = None,
    ) -> Iterator[parquet.Connection]:
        """See `Archive.ask`."""
        with self._archive.ask(
            head, tenant=tenant, timeout_s=timeout_s, stop=stop, exactly=True
        ) as connection:
            yield connection


class PastStore(Nouns):
    """A store as of a moment. Made by `Store.at`; there is nothing to close.

    Every handle of the store is here. What would append raises BadInput. A position or a time that is not
    in the log raises BadInput at the first read.

    Attributes:
        log: the log up to there: read, read_stream, state, head. Of one tenant, when the store is.
        archive: its answers are to be awaited, or asked for after `moment()` was.
    """

    def __init__(
        self,
        pasts: Pasts,
        archive: parquet.Archive,
        tenant: str,
        position: int | None,
        time: datetime | None,
    ) -> None:
        self._past = PastLog(pasts, position, time)
        scope = PastScope(self._past, tenant)
        super().__init__(scope)
        self.archive = PastArchive(scope, self._past, archive, pasts.log)
        self.log = TenantLog(scope) if tenant else cast(Log, self._past)

    async def moment(self) -> Moment:
        """The position this is after, and the time it is here. Raises BadInput when it is not in the log."""
        return await self._past.moment()
