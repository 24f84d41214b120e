"""Claiming: who works on what, without a lock and without two of them working on one thing.

Candidates are read without locks, decided here, and appended with the versions they were read at as
expected versions: what somebody else took meanwhile conflicts, and only that. One claimer serves all
workers of a process: claims that arrive while one is under way are decided together. Knows no noun:
the queue and the tasks say what their candidates are. (External jobs are claimed without it, and why:
agentlog/external_work.py.)
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from agentlog.checks import check_number, check_seconds, check_worker
from agentlog.errors import ClaimLost
from agentlog.scope import ATTEMPTS_MAX, Scope
from eventlog.command import Command, Receipt
from eventlog.envelope import StreamId, encode_meta
from eventlog.errors import Conflict
from eventlog.events import AgentEvent, TurnTaken, event_type

# How long a direct claim is good for when its caller says nothing.
CLAIM_S = 300.0
# While there is enough to claim, what died workers left is looked for this often.
SWEEP_INTERVAL_S = 1.0
# Who lost against another host waits up to so long before it looks again.
RETRY_S = 0.02
# A claimer that loses against other hosts chooses among up to so many times what it needs.
SPREAD_MAX = 16


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """What could be claimed, as it was read.

    Attributes:
        stream, stream_id, version: where it stood.
        urgency: minus the priority.
        row: what else was read, for whoever gets it.
        lane: the stream that stands for a rule on more than this; None: there is no rule.
        lane_version: where that stood.
        tokens, at: what the claim leaves of the lane's rate limit, if it has one.
    """

    stream: StreamId
    stream_id: int
    version: int
    urgency: int
    row: Any
    lane: StreamId | None = None
    lane_version: int = 0
    tokens: float | None = None
    at: datetime | None = None


class Holder(msgspec.Struct, frozen=True):
    """Who claims, and for how long.

    Attributes:
        worker: its name.
        lease_s: good for so many seconds; None: as long as `lease` is renewed, or for ever without one.
        lease: id of a lease.
        meta: of the claim's events.
    """

    worker: str
    lease_s: float | None = None
    lease: str | None = None
    meta: dict[str, Any] | None = None

    def check(self) -> Holder:
        """Raises BadInput."""
        check_worker(self.worker)
        if self.lease_s is not None:
            check_seconds(self.lease_s, "lease_s")
        # Claims of several callers are decided together: what one of them cannot say must not fail the rest.
        if self.meta:
            encode_meta(self.meta)
        return self


Said = list[tuple[str, dict[str, Any]]]  # type and fields of each event of a thing, oldest first


class Claimed(msgspec.Struct, frozen=True):
    """A candidate that was won.

    Attributes:
        token: the claim's position in the log. version: its place in the stream. time: when it was accepted.
        said: what the thing holds.
    """

    candidate: Candidate
    token: int
    version: int
    time: str
    said: Said


class Request:
    """One call that waits: what it may still get, and what it has."""

    def __init__(self, holder: Holder, limit: int, thorough: bool) -> None:
        self.holder = holder
        self.limit = limit
        self.thorough = thorough
        self.won: list[Claimed] = []
        self.answer: asyncio.Future[list[Claimed]] = asyncio.get_running_loop().create_future()

    @property
    def missing(self) -> int:
        return 0 if self.answer.done() else self.limit - len(self.won)


class Claimer:
    """Claims things of one noun for all workers of this process.

    Args:
        select: (selection, limit) → candidates in the order they are to be taken.
        event: the claim's event on the candidate's own stream.
        read: what candidates hold, by stream id; asked while their claims are appended.
        sweep: put back what died workers hold; returns how many. Gets the selection.
        release: give back one thing that nobody waits for any more.

    Attributes:
        won, lost: how many claims were appended, and how many somebody else was faster with.
    """

    def __init__(
        self,
        scope: Scope,
        select: Callable[[Any, int], Awaitable[Sequence[Candidate]]],
        event: Callable[[Holder, Candidate], AgentEvent],
        read: Callable[[Sequence[Candidate]], Awaitable[dict[int, Said]]],
        sweep: Callable[[Any], Awaitable[int]],
        release: Callable[[Claimed], Awaitable[None]],
    ) -> None:
        self.won = 0
        self.lost = 0
        self._scope = scope
        self._select = select
        self._event = event
        self._read = read
        self._sweep = sweep
        self._release = release
        self._waiting: dict[Hashable, list[Request]] = {}
        self._serving: dict[Hashable, asyncio.Task[None]] = {}
        self._swept_at: dict[Hashable, float] = {}
        self._spread = 1
        self._chance = random.Random()

    async def claim(
        self, selection: Hashable, holder: Holder, limit: int, *, thorough: bool = True
    ) -> list[Claimed]:
        """Return up to `limit` things that are the holder's now.

        Args:
            thorough: look for what died workers left as soon as there is nothing else; otherwise
                every SWEEP_INTERVAL_S.
        Raises everything `Log.append` raises but Conflict.
        """
        request = Request(holder.check(), limit, thorough)
        self._waiting.setdefault(selection, []).append(request)
        if selection not in self._serving:
            self._serving[selection] = asyncio.create_task(self._serve(selection), name="agentlog-claimer")
        return await request.answer

    async def _serve(self, selection: Hashable) -> None:
        """Answer all that wait for this selection, and those that come meanwhile."""
        try:
            while requests := self._waiting.pop(selection, []):
                try:
                    await self._take(selection, requests)
                except Exception as error:
                    for request in requests:
                        if not request.answer.done():
                            request.answer.set_exception(error)
                for request in requests:
                    if request.answer.cancelled():
                        await asyncio.gather(*map(self._release, request.won))
                    elif not request.answer.done():
                        request.answer.set_result(request.won)
        finally:
            del self._serving[selection]

    async def _take(self, selection: Hashable, requests: Sequence[Request]) -> None:
        monotonic = self._scope.log.clock.monotonic
        swept = monotonic() - self._swept_at.get(selection, -SWEEP_INTERVAL_S) < SWEEP_INTERVAL_S
        for _ in range(ATTEMPTS_MAX):
            missing = sum(request.missing for request in requests)
            if not missing:
                return
            found = await self._select(selection, missing * self._spread)
            chosen = self._choose(found, missing)
            reading = asyncio.ensure_future(self._read(chosen))
            commands = self._share_out(chosen, requests, reading)
            # One gather for both: were the reading awaited later, its failure would be told a second time, by
            # asyncio as never retrieved, whenever an append fails first.
            _, counts = await asyncio.gather(reading, asyncio.gather(*commands))
            lost = sum(counts)
            self._spread = min(SPREAD_MAX, 2 * self._spread) if lost else max(1, self._spread // 2)
            thorough = any(request.thorough for request in requests)
            if lost and not thorough:
                return  # a loop looks again in a moment; hosts that all look at once only lose the more
            if lost:
                await asyncio.sleep(self._chance.random() * RETRY_S)
            if lost or (len(found) >= missing and commands):
                continue
            if swept and not thorough:
                return
            self._swept_at[selection], swept = monotonic(), True
            if not await self._sweep(selection):
                return

    def _choose(self, found: Sequence[Candidate], count: int) -> Sequence[Candidate]:
        """Take the most urgent ones; among equals any, when others were after them as well."""
        if len(found) <= count or self._spread == 1:
            return found
        chosen: list[Candidate] = []
        for urgency in sorted({candidate.urgency for candidate in found}):
            level = [candidate for candidate in found if candidate.urgency == urgency]
            free = count - len(chosen)
            if len(level) > free:
                level = [level[n] for n in sorted(self._chance.sample(range(len(level)), free))]
            chosen += level
        return chosen

    def _share_out(
        self,
        found: Sequence[Candidate],
        requests: Sequence[Request],
        reading: Awaitable[dict[int, Said]],
    ) -> list[Awaitable[int]]:
        """Give each request its part, in order: a command for what has no lane, and one per lane."""
        commands: list[Awaitable[int]] = []
        rest = list(found)
        for request in requests:
            free, taken = request.missing, 0
            groups: dict[StreamId | None, list[Candidate]] = {}
            left: list[Candidate] = []
            lanes = set()
            for candidate in rest:
                if taken < free and candidate.lane not in lanes:
                    groups.setdefault(candidate.lane, []).append(candidate)
                    taken += 1
                elif candidate.lane is None or candidate.lane not in groups:
                    left.append(candidate)
                # What is left of a lane somebody gets a part of waits: its version is about to move.
                if taken == free:
                    lanes = {lane for lane in groups if lane is not None}
            rest = left
            commands += [self._append(request, lane, group, reading) for lane, group in groups.items()]
        return commands

    async def _append(
        self,
        request: Request,
        lane: StreamId | None,
        group: Sequence[Candidate],
        reading: Awaitable[dict[int, Said]],
    ) -> int:
        """Append the claims of a group; return how many were lost."""
        holder = request.holder
        events = [self._scope.new(c.stream, self._event(holder, c), holder.meta) for c in group]
        expected = {c.stream: c.version for c in group}
        if lane is not None:
            last = group[-1]
            turn = TurnTaken(tuple(c.stream.key for c in group), "claimed", last.tokens, last.at)
            events.append(self._scope.new(lane, turn, holder.meta))
            expected[lane] = last.lane_version
        try:
            receipt = await self._scope.log.append(Command(events, expected))
        except Conflict:
            if lane is not None or len(group) == 1:
                self.lost += len(group)
                return len(group)
            return sum(await asyncio.gather(*(self._append(request, None, [one], reading) for one in group)))
        self.won += len(group)
        request.won += _claimed(group, receipt, await reading)
        return 0


async def claim_at(scope: Scope, what: str, stream: StreamId, token: int, *claims: type[AgentEvent]) -> int:
    """Return the version of the claim that stands at position `token`, if it is one of that stream's.

    Args:
        what: names the thing in the error. claims: what its claims are.
    Raises:
        ClaimLost: it is none. BadInput: `token` is no position.
    """
    check_number(token, "token", 1, hint="it is the position of a claim")
    rows = await scope.fetch("claim_of", token, *stream)
    if not rows or rows[0]["type"] not in map(event_type, claims):
        raise ClaimLost(
            f"position {token} is no claim of {what} {stream.key!r}",
            hint="the token is the position that claiming returned",
            key=stream.key,
            token=token,
        )
    version: int = rows[0]["version"]
    return version


def _claimed(group: Iterable[Candidate], receipt: Receipt, said: dict[int, Said]) -> list[Claimed]:
    return [
        Claimed(
            candidate,
            receipt.first_position + n,
            candidate.version + 1,
            receipt.time,
            said[candidate.stream_id],
        )
        for n, candidate in enumerate(group)
    ]
