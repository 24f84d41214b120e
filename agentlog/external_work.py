"""Working on external jobs: polling their providers and delivering how they ended, each a leased act.

A worker claims before it acts, and the claim is an event: of two that want to poll one job, one gets
it. What it then says is taken as long as nobody claimed after it. Talks to no provider itself.

Claims do not go through agentlog/claims.py: what is due is read by the time it is due at, not in an order
that is fair to sessions; a claim says itself until when it holds, so there is no lease to sweep up after;
and a job comes to be polled once in many seconds, so there is nothing to gain by claiming for many at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from agentlog.checks import check_kind, check_limit, check_moment, check_seconds, check_worker
from agentlog.claims import claim_at
from agentlog.errors import Conflict, NotFound
from agentlog.external_changes import (
    DELIVERY_BACKOFF_S,
    Job,
    PollEnd,
    after,
    backoff_s,
    decide_delivery_end,
    decide_poll_end,
)
from agentlog.scope import ATTEMPTS_MAX, Decide, Scope, check_name, query_text
from eventlog.command import Command, Receipt
from eventlog.envelope import StreamId
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

    async def claim_polls(
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
        `fail` or `poll_failed`. Jobs that timed out meanwhile are said to be.
        """
        return await self._claim(JobPollClaimed, worker, limit, lease_s, now, meta, tenant)

    async def claim_deliveries(
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

    async def held(self, id: str, token: int, *, tenant: str | None = None) -> Job:
        """Return a job as whoever made the claim at position `token` holds it, or held it: to end it by.

        Raises:
            NotFound: there is no such job. ClaimLost: that position is no claim of it.
        """
        stream = self._stream(id, tenant)
        job = await self.get(id, tenant=tenant)
        if job is None:
            raise NotFound(f"there is no external job {id!r}", hint="check id and tenant", key=id)
        claims = (JobPollClaimed, JobDeliveryClaimed)
        claim = await claim_at(self._scope, "external job", stream, token, *claims)
        return msgspec.structs.replace(job, token=token, claim=claim)

    async def polled(
        self,
        held: Job,
        progress: Any = None,
        *,
        poll_in_s: float | None = None,
        now: datetime | None = None,
        meta: dict[str, Any] | None = None,
    ) -> Receipt | None:
        """The provider is still at work; ask it again in `poll_in_s` seconds (the job's own interval).

        Args:
            held: the job as claiming returned it; so for all that follow.
        Raises NotFound; ClaimLost: it is not held any more. Nothing was appended.
        """
        said = NULL if progress is None else raw(progress)
        wait_s = None if poll_in_s is None else check_seconds(poll_in_s, "poll_in_s")

        def event(job: projection.ExternalJob, moment: datetime) -> PollEnd:
            return JobPolled(after(moment, job.poll_interval_s if wait_s is None else wait_s), said)

        return await self._end_poll(held, event, now, meta)

    async def poll_failed(
        self,
        held: Job,
        reason: str | None = None,
        *,
        poll_in_s: float | None = None,
        now: datetime | None = None,
        meta: dict[str, Any] | None = None,
    ) -> Receipt | None:
        """The provider could not be asked: again later, twice as late each time, up to an hour.

        Raises NotFound, ClaimLost.
        """
        wait_s = None if poll_in_s is None else check_seconds(poll_in_s, "poll_in_s")

        def event(job: projection.ExternalJob, moment: datetime) -> PollEnd:
            own_s = backoff_s(job.poll_interval_s, job.poll_failures + 1)
            return JobPollFailed(after(moment, own_s if wait_s is None else wait_s), reason)

        return await self._end_poll(held, event, now, meta)

    async def complete(
        self, held: Job, result: Any = None, *, meta: dict[str, Any] | None = None
    ) -> Receipt | None:
        """The provider did it. None when that was said before. Raises NotFound, ClaimLost."""
        done = JobCompleted(NULL if result is None else raw(result))
        return await self._decide(held, lambda job: decide_poll_end(held, done, job), meta)

    async def fail(
        self, held: Job, reason: str | None = None, *, meta: dict[str, Any] | None = None
    ) -> Receipt | None:
        """The provider says that it will not do it. Raises NotFound, ClaimLost."""
        return await self._decide(held, lambda job: decide_poll_end(held, JobFailed(reason), job), meta)

    async def delivered(self, held: Job, *, meta: dict[str, Any] | None = None) -> Receipt | None:
        """How the job ended is known where it was wanted. Raises NotFound, ClaimLost."""
        return await self._decide(held, lambda job: decide_delivery_end(held, JobDelivered(), job), meta)

    async def delivery_failed(
        self,
        held: Job,
        reason: str | None = None,
        *,
        retry_in_s: float | None = None,
        now: datetime | None = None,
        meta: dict[str, Any] | None = None,
    ) -> Receipt | None:
        """It did not arrive: again later, from 10 s on twice as late each time; not after `deliveries_max`.

        Raises NotFound, ClaimLost.
        """
        wait_s = None if retry_in_s is None else check_seconds(retry_in_s, "retry_in_s")

        moment = await self._scope.moment(now)

        def decide(job: projection.ExternalJob | None) -> list[ExternalEvent]:
            own_s = backoff_s(DELIVERY_BACKOFF_S, max(0, (job or _NOBODY).deliveries - 1))
            failed = JobDeliveryFailed(after(moment, own_s if wait_s is None else wait_s), reason)
            return decide_delivery_end(held, failed, job)

        return await self._decide(held, decide, meta)

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
        check_moment(now)
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
        check_moment(now)
        check_worker(worker)
        claims: dict[str, Receipt] = {}
        for _ in range(ATTEMPTS_MAX):
            missing = limit - len(claims)
            rows = await self._due(owner, now, claim is JobDeliveryClaimed, missing)
            won = await asyncio.gather(*(self._act(owner, row, claim, worker, lease_s, meta) for row in rows))
            claims |= {row["key"]: mine for row, mine in zip(rows, won, strict=True) if mine is not None}
            # What another was faster with, or what had timed out, makes room for more.
            if len(claims) == limit or None not in won:
                break
        # Its own token, not the row's: where the lease was over at once, that is another's by now.
        return [
            msgspec.structs.replace(
                job, token=claims[job.id].first_position, claim=max(claims[job.id].versions.values())
            )
            for job in await self._jobs(owner, list(claims))
        ]

    async def _act(
        self,
        owner: str,
        row: asyncpg.Record,
        claim: type[JobPollClaimed] | type[JobDeliveryClaimed],
        worker: str,
        lease_s: float,
        meta: dict[str, Any] | None,
    ) -> Receipt | None:
        """Claim one job, or say that it timed out; return the claim's receipt, None when there is none."""
        stream, moment = StreamId(owner, EXTERNAL_JOB, row["key"]), row["moment"]
        over = claim is JobPollClaimed and row["timeout_at"] is not None and row["timeout_at"] <= moment
        event: ExternalEvent = JobTimedOut() if over else claim(worker, after(moment, lease_s))
        try:
            receipt = await self._scope.log.append(
                Command([self._scope.new(stream, event, meta)], {stream: row["version"]})
            )
        except Conflict:
            return None
        return None if over else receipt

    async def _end_poll(
        self,
        held: Job,
        event: Callable[[projection.ExternalJob, datetime], PollEnd],
        now: datetime | None,
        meta: dict[str, Any] | None,
    ) -> Receipt | None:
        moment = await self._scope.moment(now)
        return await self._decide(
            held, lambda job: decide_poll_end(held, event(job or _NOBODY, moment), job), meta
        )

    async def _decide(self, held: Job, decide: Decide, meta: dict[str, Any] | None) -> Receipt | None:
        check_kind(held, Job, "held", "a job as claiming returned it")
        stream = self._stream(held.id, held.tenant)
        return await self._scope.decide(stream, ["external_jobs"], decide, meta=meta)


_NOBODY = projection.ExternalJob()


def job_of(row: asyncpg.Record, **content: Any) -> Job:
    """Return the job of a row of queries/external_jobs.sql."""
    fields = dict(row)
    for name in ("stream_id", "request_version", "progress_version", "result_version"):
        del fields[name]
    return Job(id=fields.pop("key"), **fields, **content)
