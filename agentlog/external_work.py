"""Working on external jobs: polling their providers and delivering how they ended, each a leased act.

A worker claims before it acts, and the claim is an event: of two that want to poll one job, one gets
it. What it then says is taken as long as nobody claimed after it. Talks to no provider itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import asyncpg

from agentlog.errors import Conflict
from agentlog.job import (
    DELIVERY_BACKOFF_S,
    DeliveryEnd,
    Job,
    PollEnd,
    after,
    backoff_s,
    check_seconds,
    check_time,
    decide_delivery_end,
    decide_poll_end,
)
from agentlog.scope import ATTEMPTS_MAX, Scope, check_name, query_text
from agentlog.session import check_limit
from eventlog.command import Command, Receipt
from eventlog.envelope import StreamId
from eventlog.errors import BadInput
from eventlog.events import (
    EXTERNAL_JOB,
    NULL,
    ExternalEvent,
    JobCompleted,
    JobDelivered,
    JobDeliveryClaimed,
    JobDeliveryFailed,
    JobFailed,
    JobPollClaimed,
    JobPolled,
    JobPollFailed,
    JobTimedOut,
    raw,
)
from projections import external as projection

CLAIM_S = 60.0
Page = list[Job]


class ExternalWork:
    """What workers call.

    `now` is the moment to go by, for tests and simulations; without it that of Postgres, shared by all hosts.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def poll(
        self,
        worker: str,
        *,
        limit: int = 1,
        lease_s: float = CLAIM_S,
        now: datetime | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Page:
        """Claim up to `limit` jobs whose provider is to be asked now, the longest due first.

        Nobody else gets them for `lease_s` seconds. Say what the provider said with `polled`, `complete`,
        `fail` or `poll_failed`, and the job's `token`. Jobs that timed out meanwhile are said to be.
        """
        return await self._claim(JobPollClaimed, worker, limit, lease_s, now, meta, tenant)

    async def deliver(
        self,
        worker: str,
        *,
        limit: int = 1,
        lease_s: float = CLAIM_S,
        now: datetime | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Page:
        """Claim up to `limit` jobs that ended and are to be delivered now, the longest due first.

        The attempt is counted before it is made: `deliveries` includes it, and `deliveries_unknown` says
        how many before it may have arrived. Say how it went with `delivered` or `delivery_failed`.
        """
        return await self._claim(JobDeliveryClaimed, worker, limit, lease_s, now, meta, tenant)

    async def polled(
        self,
        id: str,
        token: int,
        *,
        progress: Any = None,
        poll_in_s: float | None = None,
        now: datetime | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """The provider is still at work; ask it again in `poll_in_s` seconds (the job's own interval).

        Raises NotFound; ClaimLost: the claim at position `token` does not hold the job any more.
        """
        said = NULL if progress is None else raw(progress)
        wait_s = None if poll_in_s is None else check_seconds(poll_in_s, "poll_in_s")

        def event(job: projection.ExternalJob, moment: datetime) -> PollEnd:
            return JobPolled(after(moment, job.poll_interval_s if wait_s is None else wait_s), said)

        return await self._end_poll(id, token, event, now, meta, tenant)

    async def poll_failed(
        self,
        id: str,
        token: int,
        reason: str | None = None,
        *,
        poll_in_s: float | None = None,
        now: datetime | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """The provider could not be asked: again later, twice as late each time, up to an hour.

        Raises NotFound, ClaimLost.
        """
        wait_s = None if poll_in_s is None else check_seconds(poll_in_s, "poll_in_s")

        def event(job: projection.ExternalJob, moment: datetime) -> PollEnd:
            own_s = backoff_s(job.poll_interval_s, job.poll_failures + 1)
            return JobPollFailed(after(moment, own_s if wait_s is None else wait_s), reason)

        return await self._end_poll(id, token, event, now, meta, tenant)

    async def complete(
        self,
        id: str,
        token: int,
        *,
        result: Any = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """The provider did it. Raises NotFound; ClaimLost for an old token."""
        done = JobCompleted(NULL if result is None else raw(result))
        return await self._end_poll(id, token, lambda job, moment: done, None, meta, tenant)

    async def fail(
        self,
        id: str,
        token: int,
        reason: str | None = None,
        *,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """The provider says that it will not do it. Raises NotFound; ClaimLost for an old token."""
        return await self._end_poll(id, token, lambda job, moment: JobFailed(reason), None, meta, tenant)

    async def delivered(
        self, id: str, token: int, *, meta: dict[str, Any] | None = None, tenant: str | None = None
    ) -> Receipt | None:
        """How the job ended is known where it was wanted. Raises NotFound; ClaimLost for an old token."""
        return await self._end_delivery(id, token, lambda job, moment: JobDelivered(), None, meta, tenant)

    async def delivery_failed(
        self,
        id: str,
        token: int,
        reason: str | None = None,
        *,
        retry_in_s: float | None = None,
        now: datetime | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """It did not arrive: again later, from 10 s on twice as late each time; not after `deliveries_max`.

        Raises NotFound, ClaimLost.
        """
        wait_s = None if retry_in_s is None else check_seconds(retry_in_s, "retry_in_s")

        def event(job: projection.ExternalJob, moment: datetime) -> DeliveryEnd:
            own_s = backoff_s(DELIVERY_BACKOFF_S, max(0, job.deliveries - 1))
            return JobDeliveryFailed(after(moment, own_s if wait_s is None else wait_s), reason)

        return await self._end_delivery(id, token, event, now, meta, tenant)

    async def due(
        self,
        *,
        now: datetime | None = None,
        limit: int = 100,
        tenant: str | None = None,
    ) -> Page:
        """Return jobs that are to be polled, delivered or timed out now. Claims nothing: for looking on."""
        owner = self._scope.owner(tenant)
        check_limit(limit)
        check_time(now, "now")
        rows = [await self._due(owner, now, delivery, limit) for delivery in (False, True)]
        keys = [row["key"] for row in (*rows[0], *rows[1])]
        return await self._jobs(owner, keys[:limit])

    async def get(self, id: str, *, tenant: str | None = None) -> Job | None:
        """Return a job with its request, progress and result; None when there is none."""
        stream = self._stream(id, tenant)
        rows = await self._scope.fetch("external_jobs", stream.tenant, id, None, None, None, 1, of=stream)
        if not rows:
            return None
        row = rows[0]
        wanted = {
            "request": row["request_version"],
            "progress": row["progress_version"],
            "result": row["result_version"],
        }
        versions = [version for version in wanted.values() if version is not None]
        found = await self._scope.log.reads.events(query_text("stream_versions"), *stream, versions)
        events = {stored.version: stored.to_event() for stored in found}
        said = {
            name: events[version].value.get(name) for name, version in wanted.items() if version in events
        }
        return job_of(row, **said)

    def _stream(self, id: str, tenant: str | None) -> StreamId:
        return self._scope.stream(EXTERNAL_JOB, check_name(id, "id"), tenant)

    async def _jobs(self, owner: str, keys: Sequence[str]) -> Page:
        found = await asyncio.gather(*(self.get(key, tenant=owner) for key in keys))
        return [job for job in found if job is not None]

    async def _due(
        self, owner: str, now: datetime | None, delivery: bool, limit: int
    ) -> list[asyncpg.Record]:
        return await self._scope.fetch("external_due", owner, now, delivery, limit)

    async def _claim(
        self,
        claim: type[JobPollClaimed] | type[JobDeliveryClaimed],
        worker: str,
        limit: int,
        lease_s: float,
        now: datetime | None,
        meta: dict[str, Any] | None,
        tenant: str | None,
    ) -> Page:
        owner = self._scope.owner(tenant)
        check_limit(limit)
        check_seconds(lease_s, "lease_s")
        check_time(now, "now")
        if not worker:
            raise BadInput("the worker's name is empty")
        claimed: list[str] = []
        for _ in range(ATTEMPTS_MAX):
            missing = limit - len(claimed)
            rows = await self._due(owner, now, claim is JobDeliveryClaimed, missing)
            won = await asyncio.gather(*(self._act(owner, row, claim, worker, lease_s, meta) for row in rows))
            claimed += [row["key"] for row, mine in zip(rows, won, strict=True) if mine]
            # What another was faster with, or what had timed out, makes room for more.
            if len(claimed) == limit or all(won):
                break
        return await self._jobs(owner, claimed)

    async def _act(
        self,
        owner: str,
        row: asyncpg.Record,
        claim: type[JobPollClaimed] | type[JobDeliveryClaimed],
        worker: str,
        lease_s: float,
        meta: dict[str, Any] | None,
    ) -> bool:
        """Claim one job, or say that it timed out; return whether it was claimed."""
        stream, moment = StreamId(owner, EXTERNAL_JOB, row["key"]), row["moment"]
        over = claim is JobPollClaimed and row["timeout_at"] is not None and row["timeout_at"] <= moment
        event: ExternalEvent = JobTimedOut() if over else claim(worker, after(moment, lease_s))
        try:
            await self._scope.log.append(
                Command([self._scope.new(stream, event, meta)], {stream: row["version"]})
            )
        except Conflict:
            return False
        return not over

    async def _end_poll(
        self,
        id: str,
        token: int,
        event: Callable[[projection.ExternalJob, datetime], PollEnd],
        now: datetime | None,
        meta: dict[str, Any] | None,
        tenant: str | None,
    ) -> Receipt | None:
        stream = self._stream(id, tenant)
        claim, moment = await self._token(stream, token, now)
        return await self._scope.decide(
            stream,
            ["external_jobs"],
            lambda job: decide_poll_end(id, token, claim, event(job or _NOBODY, moment), job),
            meta=meta,
        )

    async def _end_delivery(
        self,
        id: str,
        token: int,
        event: Callable[[projection.ExternalJob, datetime], DeliveryEnd],
        now: datetime | None,
        meta: dict[str, Any] | None,
        tenant: str | None,
    ) -> Receipt | None:
        stream = self._stream(id, tenant)
        claim, moment = await self._token(stream, token, now)
        return await self._scope.decide(
            stream,
            ["external_jobs"],
            lambda job: decide_delivery_end(id, token, claim, event(job or _NOBODY, moment), job),
            meta=meta,
        )

    async def _token(self, stream: StreamId, token: int, now: datetime | None) -> tuple[int | None, datetime]:
        """Return the stream version of the claim at a position, and the moment to go by."""
        check_time(now, "now")
        if isinstance(token, bool) or not isinstance(token, int) or not 1 <= token < 2**63:
            raise BadInput(f"token {token!r} must be the position of a claim, a number from 1 on")
        [row] = await self._scope.fetch("external_claim", stream.tenant, stream.key, token)
        return row["version"], now or row["moment"]


_NOBODY = projection.ExternalJob()


def job_of(row: asyncpg.Record, **content: Any) -> Job:
    """Return the job of a row of queries/external_jobs.sql."""
    fields = dict(row)
    for name in ("stream_id", "request_version", "progress_version", "result_version"):
        del fields[name]
    return Job(id=fields.pop("key"), **fields, **content)
