"""Tasks as a claimer sees them: what is due, which lanes have room, and whose claims are over."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from datetime import datetime

import asyncpg

from agentlog.claim_rounds import Place, Rounds
from agentlog.claims import SWEEP_INTERVAL_S, Candidate
from agentlog.queue_lines import LEASE_OVER, SWEEP_MAX
from agentlog.scope import Scope
from eventlog.command import Command
from eventlog.envelope import StreamId
from eventlog.errors import Conflict
from eventlog.events import TASK, TASK_LANE, TaskDied, TaskEvent, TaskExpired, TaskReleased

# A task whose claims ended so often without a verdict kills its workers.
RELEASES_MAX = 20

Selection = tuple[str, str]  # tenant and queue


class Lanes:
    """Reads candidates: what has no lane by when it was due, and of each lane as many as it has room for."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._rounds = Rounds()
        # Below this mark nothing waited a moment ago: what is dead in the index is not walked over again.
        self._low: dict[Selection, tuple[int, datetime, float]] = {}

    async def candidates(self, selection: Selection, limit: int) -> Sequence[Candidate]:
        """Return what may be claimed next."""
        low = self._low.get(selection)
        if low is not None and self._scope.log.clock.monotonic() - low[2] > SWEEP_INTERVAL_S:
            low = None
        found = await self._read(selection, limit, low)
        # What was put back stands below the mark.
        return found if low is None or len(found) >= limit else await self._read(selection, limit, None)

    async def _read(
        self, selection: Selection, limit: int, low: tuple[int, datetime, float] | None
    ) -> Sequence[Candidate]:
        mark = (None, None) if low is None else low[:2]

        async def fetch(first: bool, after: Place | None, exactly: bool, steps: int) -> list[asyncpg.Record]:
            arguments = (*selection, limit, *mark, *(after or (None, None)), exactly, steps)
            return await self._scope.fetch("claimable_tasks", *arguments, by_index=True)

        rows = await self._rounds.read(selection, limit, fetch)
        alone = next((row for row in rows if row["lane"] is None), None)
        if alone is not None:
            since = self._scope.log.clock.monotonic() if low is None else low[2]
            self._low[selection] = (alone["urgency"], alone["due"], since)
        chosen: list[Candidate] = []
        room: dict[str, tuple[int, float | None]] = {}  # of each lane: how many more, and tokens left
        for row in rows:
            if len(chosen) == limit:
                break
            lane = row["lane"]
            if lane is None:
                chosen.append(_candidate(selection[0], row, None))
                continue
            more, tokens = room[lane] if lane in room else room_of(row)
            if more > 0:
                tokens = None if tokens is None else tokens - 1
                chosen.append(_candidate(selection[0], row, tokens))
                self._rounds.served(selection, row["urgency"], lane)
            room[lane] = (more - 1, tokens)
        return chosen

    async def sweep(self, selection: Selection) -> int:
        """Put back what nobody holds any more, end what expired; return how many may be claimed again."""
        tenant = selection[0]
        rows = await self._scope.fetch("tasks_over", tenant, SWEEP_MAX, by_index=True)
        swept = await asyncio.gather(*(self._sweep(tenant, row) for row in rows))
        if any(swept):
            self._low.pop(selection, None)
        return sum(swept)

    async def _sweep(self, tenant: str, row: asyncpg.Record) -> bool:
        stream = StreamId(tenant, TASK, row["key"])
        event: TaskEvent
        if row["status"] == "pending":
            event = TaskExpired()
        elif row["releases"] + 1 >= RELEASES_MAX:
            event = TaskDied(
                f"released {RELEASES_MAX} times without a verdict: it may be what kills its workers"
            )
        else:
            event = TaskReleased(LEASE_OVER)
        try:
            await self._scope.log.append(Command([self._scope.new(stream, event)], {stream: row["version"]}))
        except Conflict:  # whoever held it finished it after all, or another host was faster
            return False
        return isinstance(event, TaskReleased)


def room_of(row: asyncpg.Record) -> tuple[int, float | None]:
    """Return how many tasks of a lane may begin now, and what its rate limit has left, if it has one.

    A token bucket: it holds `lane_rate_max`, fills up in `lane_rate_s`, and each claim takes one.
    """
    running_max = row["lane_running_max"]
    more = 2**31 if running_max is None else running_max - row["running"]
    rate, period = row["lane_rate_max"], row["lane_rate_s"]
    if rate is None or period is None:
        return more, None
    holds = max(rate, 1.0)  # a rate below one per period saves up for its one
    tokens = holds
    if row["tokens"] is not None:
        passed = max(0.0, (row["now"] - row["at"]).total_seconds())
        tokens = min(holds, row["tokens"] + passed * rate / period)
    return min(more, math.floor(tokens + 1e-9)), tokens


def _candidate(tenant: str, row: asyncpg.Record, tokens: float | None) -> Candidate:
    return Candidate(
        stream=StreamId(tenant, TASK, row["key"]),
        stream_id=row["stream_id"],
        version=row["version"],
        urgency=row["urgency"],
        row=row,
        lane=None if row["lane"] is None else StreamId(tenant, TASK_LANE, row["lane"]),
        lane_version=row["lane_version"],
        tokens=tokens,
        at=None if tokens is None else row["now"],
    )
