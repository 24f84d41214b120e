"""External jobs: what a provider works on while processes come and go. Their workers: external_work.py."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from typing import Any

import msgspec

from agentlog.checks import check_moment, check_seconds
from agentlog.errors import NotFound
from agentlog.external_changes import (
    after,
    decide_callback,
    decide_cancel,
    decide_delete,
    decide_enqueue,
    decide_update,
)
from agentlog.external_work import ExternalWork, Page, job_of
from eventlog.command import Command, Receipt
from eventlog.envelope import StreamId
from eventlog.errors import BadInput, Conflict
from eventlog.events import (
    EXTERNAL_JOB,
    NULL,
    JobCompleted,
    JobDeleted,
    JobEnqueued,
    JobFailed,
    JobUpdated,
    raw,
)
from projections import external as projection

STATUSES = projection.STATUSES[:-1]
TIMEOUT_S = 86400.0
CLEANUP_PAGE = 100


class Enqueued(msgspec.Struct, frozen=True):
    """What `enqueue` gave: the job's id, and the token that ends it where one was asked for. Only its
    digest is in the log: nobody can read it there."""

    id: str
    callback_token: str | None = None


class ExternalJobs(ExternalWork):
    """The external jobs a store may name."""

    async def enqueue(
        self,
        provider: str,
        request: Any,
        *,
        id: str | None = None,
        session: str | None = None,
        external_id: str | None = None,
        poll_in_s: float = 0.0,
        poll_interval_s: float = 10.0,
        timeout_s: float | None = TIMEOUT_S,
        deliveries_max: int = 5,
        callback: bool = False,
        now: datetime | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Enqueued:
        """Say that a provider was given a job, so that somebody asks after it and delivers its end.

        Args:
            provider: 1 to 63 characters.
            request: any JSON value: what was asked for, and whatever a poller needs.
            id: of the caller's choice, so that enqueuing twice is refused; otherwise a new UUID.
            session: key of the session that waits for it.
            poll_in_s, poll_interval_s: seconds until the first poll, and from one to the next.
            timeout_s: seconds after which nobody waits any more; None: never.
            deliveries_max: attempts to deliver the end; 0: nothing is delivered.
            callback: make a token with which the provider can end the job itself.
            now: the moment to go by; default: Postgres' clock.
        Raises:
            AlreadyExists: there is a job with that id.
        """
        name = self._scope.log.ids.next() if id is None else id
        stream = self._stream(name, tenant)
        for seconds, what in ((poll_in_s, "poll_in_s"), (poll_interval_s, "poll_interval_s")):
            check_seconds(seconds, what)
        if timeout_s is not None:
            check_seconds(timeout_s, "timeout_s")
        moment = await self._scope.moment(now)
        token = secrets.token_urlsafe(32) if callback else None
        event = JobEnqueued(
            provider,
            raw(request),
            after(moment, poll_in_s),
            session,
            external_id,
            poll_interval_s,
            None if timeout_s is None else after(moment, timeout_s),
            deliveries_max,
            None if token is None else _digest(token),
        )
        await self._scope.decide(
            stream, ["external_jobs"], lambda job: decide_enqueue(name, event, job), meta=meta
        )
        return Enqueued(name, token)

    async def update(
        self,
        id: str,
        *,
        external_id: str | None = None,
        progress: Any = None,
        poll_in_s: float | None = None,
        timeout_s: float | None = None,
        deliveries_max: int | None = None,
        now: datetime | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """Change what is given; the rest stays, and so does a claim. Seconds count from now.

        More `deliveries_max` than `deliveries` brings back what was given up.

        Raises NotFound; Refused: it ended, and it is not its deliveries that are to change.
        """
        stream = self._stream(id, tenant)
        given = (external_id, progress, poll_in_s, timeout_s, deliveries_max)
        if all(value is None for value in given):
            raise BadInput(f"nothing is to change of external job {id!r}", hint="say what is new")
        poll_at = timeout_at = None
        moment = await self._scope.moment(now)
        if poll_in_s is not None:
            poll_at = after(moment, check_seconds(poll_in_s, "poll_in_s"))
        if timeout_s is not None:
            timeout_at = after(moment, check_seconds(timeout_s, "timeout_s"))
        said = NULL if progress is None else raw(progress)
        event = JobUpdated(external_id, poll_at, timeout_at, deliveries_max, said)
        return await self._scope.decide(
            stream, ["external_jobs"], lambda job: decide_update(id, event, job), meta=meta
        )

    async def cancel(
        self,
        id: str,
        reason: str | None = None,
        *,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """Nobody wants the result any more, and nothing is delivered. Raises NotFound; Refused: it ended."""
        return await self._scope.decide(
            self._stream(id, tenant), ["external_jobs"], lambda job: decide_cancel(id, reason, job), meta=meta
        )

    async def delete(
        self,
        id: str,
        reason: str | None = None,
        *,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """Take a job away, in whatever state; None when it was already. The log keeps it. Raises NotFound."""
        return await self._scope.decide(
            self._stream(id, tenant), ["external_jobs"], lambda job: decide_delete(id, reason, job), meta=meta
        )

    async def call_back(
        self,
        callback_token: str,
        *,
        result: Any = None,
        failed: str | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """End the job that a callback token is for; a poll that is under way then is too late.

        Args:
            result: any JSON value. failed: why the provider will not do it; then there is no result.
        Raises:
            NotFound: no job, or none any more, is for this token.
            Refused: the job timed out, was cancelled, or ended the other way.
        """
        owner = self._scope.owner(tenant)
        if not isinstance(callback_token, str) or not callback_token:
            raise BadInput("the callback token must be the text that `enqueue` gave")
        if failed is not None and result is not None:
            raise BadInput("a result and a reason why it failed are given", hint="give one of them")
        event = (
            JobFailed(failed) if failed is not None else JobCompleted(NULL if result is None else raw(result))
        )
        digest = _digest(callback_token)
        rows = await self._scope.fetch("external_by_callback", owner, digest)
        if not rows:
            # A token is a secret: no message holds it.
            raise NotFound(
                "no external job waits for this callback token", hint="check token and tenant", key=""
            )
        id = rows[0]["key"]
        return await self._scope.decide(
            StreamId(owner, EXTERNAL_JOB, id),
            ["external_jobs"],
            lambda job: decide_callback(id, digest, event, job),
            meta=meta,
        )

    async def cleanup(
        self,
        retention_s: float,
        *,
        now: datetime | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> int:
        """Delete what ended, needs no delivery any more, and has been so for `retention_s` seconds.

        What is yet to be delivered stays, however old. Returns how many were deleted; the log keeps them.
        """
        owner = self._scope.owner(tenant)
        check_seconds(retention_s, "retention_s")
        check_moment(now)
        deleted = 0
        while rows := await self._scope.fetch("external_finished", owner, now, retention_s, CLEANUP_PAGE):
            for row in rows:
                stream = StreamId(owner, EXTERNAL_JOB, row["key"])
                command = Command(
                    [self._scope.new(stream, JobDeleted("retention"), meta)], {stream: row["version"]}
                )
                try:
                    await self._scope.log.append(command)
                    deleted += 1
                except Conflict:  # it changed: whether it is to go is asked again
                    continue
        return deleted

    async def list(
        self,
        *,
        session: str | None = None,
        status: str | None = None,
        limit: int = 100,
        after: str | None = None,
        tenant: str | None = None,
    ) -> Page:
        """Return a page of jobs without their content, the oldest first.

        Args:
            after: id of the last job of the page before. Raises NotFound when there is none.
        """
        rows = await self._scope.page(
            "external_jobs", EXTERNAL_JOB, "external job", STATUSES,
            session=session, status=status, limit=limit, after=after, tenant=tenant,
        )  # fmt: skip
        return [job_of(row) for row in rows]

    async def status(self, *, tenant: str | None = None) -> dict[str, int]:
        """Return how many jobs stand in each status, and how many ends are waiting, delivering, given_up."""
        counts: dict[str, int] = dict.fromkeys((*STATUSES, *_DELIVERIES), 0)
        for row in await self._scope.fetch("external_counts", self._scope.owner(tenant)):
            counts[row["status"]] += row["count"]
            if row["delivery"] in _DELIVERIES:
                counts[row["delivery"]] += row["count"]
        return counts


_DELIVERIES = (projection.WAITING, projection.DELIVERING, projection.GIVEN_UP, projection.DELIVERED)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
