"""A store as it stood at a moment of the past: the same handles, read only.

    then = store.at(position=1_000)        # or store.at(time=datetime(…, tzinfo=UTC))
    await then.sessions.get("agent:main")
    await then.conversation.load("agent:main")

What reads one stream folds that stream's events up to the moment. What lists, counts or joins others folds
the whole log up to there, the first time.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

import asyncpg

from agentlog.nouns import Nouns
from agentlog.scope import Scope, TenantLog, query_text
from eventlog.envelope import StreamId
from eventlog.log import Log
from replay.moment import Moment
from replay.past_log import PastLog, Pasts


class PastScope(Scope):
    """A log as of a moment, and the tenant whose data may be named in it."""

    def __init__(self, past: PastLog, tenant: str) -> None:
        # It has what handles use of a log, and appends nothing.
        super().__init__(cast(Log, past), tenant)
        self._past = past

    async def fetch(
        self, query: str, *arguments: Any, of: StreamId | None = None, by_index: bool = False
    ) -> list[asyncpg.Record]:
        """As `Scope.fetch`, over the tables as they stood then, which are small: `by_index` is no matter."""
        if of is not None:
            return await self._past.fetch_of(of, query_text(query), *arguments)
        return await self._past.fetch(query_text(query), *arguments)


class PastStore(Nouns):
    """A store as of a moment. Made by `Store.at`; there is nothing to close.

    Every handle of the store but the archive is here. What would append raises BadInput. A position or a time
    that is not in the log raises BadInput at the first read.

    Attributes:
        log: the log up to there: read, read_stream, state, head. Of one tenant, when the store is.
    """

    def __init__(self, pasts: Pasts, tenant: str, position: int | None, time: datetime | None) -> None:
        self._past = PastLog(pasts, position, time)
        scope = PastScope(self._past, tenant)
        super().__init__(scope)
        self.log = TenantLog(scope) if tenant else cast(Log, self._past)

    async def moment(self) -> Moment:
        """The position this is after, and the time it is here. Raises BadInput when it is not in the log."""
        return await self._past.moment()
