"""The lines of a queue as a claimer sees them: who is at the head of each, and whose claims are over."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import asyncpg

from agentlog.claim_rounds import Place, Rounds
from agentlog.claims import Candidate
from agentlog.scope import Scope
from eventlog.command import Command
from eventlog.envelope import StreamId
from eventlog.errors import Conflict
from eventlog.events import QUEUE, QUEUE_ITEM, ItemReleased

LEASE_OVER = "its lease was over"
SWEEP_MAX = 1000

Selection = tuple[str, str | None]  # tenant, and the session or None for all


class Lines:
    """Reads candidates: at most one item of each session."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._rounds = Rounds()

    async def candidates(self, selection: Selection, limit: int) -> Sequence[Candidate]:
        """Return what may be claimed next."""
        tenant, session = selection
        if session is not None:
            rows = await self.line(tenant, session, 1)
            if any(row["status"] == "claimed" for row in rows):
                return []
            return [_candidate(tenant, session, row) for row in rows if row["stream_id"] is not None]

        async def fetch(first: bool, after: Place | None, exactly: bool, steps: int) -> list[asyncpg.Record]:
            arguments = (limit if first else 0, *(after or (None, None)), exactly, steps)
            return await self._scope.fetch("claimable", tenant, *arguments, by_index=True)

        rows = (await self._rounds.read(tenant, limit, fetch))[:limit]
        for row in rows:
            if row["lane"] is not None:
                self._rounds.served(tenant, row["urgency"], row["lane"])
        return [_candidate(tenant, row["lane"], row) for row in rows]

    async def line(self, tenant: str, session: str, limit: int) -> list[asyncpg.Record]:
        """One session's line: what is claimed, then what waits in order, at most `limit` of each."""
        return await self._scope.fetch("queue_line", tenant, session, limit, by_index=True)

    async def sweep(self, selection: Selection) -> int:
        """Put back what is held by nobody any more; return how many items that were."""
        tenant = selection[0]
        rows = await self._scope.fetch("queue_items_over", tenant, SWEEP_MAX, by_index=True)
        released = await asyncio.gather(
            *(self._release(StreamId(tenant, QUEUE_ITEM, row["key"]), row["version"]) for row in rows)
        )
        return sum(released)

    async def _release(self, stream: StreamId, version: int) -> bool:
        event = self._scope.new(stream, ItemReleased(LEASE_OVER))
        try:
            await self._scope.log.append(Command([event], {stream: version}))
        except Conflict:  # whoever held it finished it after all, or another host was faster
            return False
        return True


def _candidate(tenant: str, session: str | None, row: asyncpg.Record) -> Candidate:
    return Candidate(
        stream=StreamId(tenant, QUEUE_ITEM, row["key"]),
        stream_id=row["stream_id"],
        version=row["version"],
        urgency=-row["priority"],
        row=row,
        lane=None if session is None else StreamId(tenant, QUEUE, session),
        lane_version=row["lane_version"],
    )
