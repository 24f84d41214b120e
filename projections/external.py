"""Where a job at a provider stands, who is at it, when to act. Not its content, which the log keeps.

One row per `external_job` stream. Polls and deliveries are counted apart: a sink that is broken keeps
nobody from asking the provider, and a provider that does not answer uses up no delivery.
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

import msgspec

from eventlog.events import (
    EXTERNAL_JOB,
    NULL,
    ExternalEvent,
    JobCancelled,
    JobCompleted,
    JobDeleted,
    JobDelivered,
    JobDeliveryClaimed,
    JobDeliveryFailed,
    JobEnqueued,
    JobFailed,
    JobPollClaimed,
    JobPolled,
    JobPollFailed,
    JobTimedOut,
    JobUpdated,
)
from projections.columns import EARLIEST, moment, stream_key
from projections.fold import Fold

PENDING, POLLING = "pending", "polling"
COMPLETED, FAILED, TIMED_OUT, CANCELLED, DELETED = "completed", "failed", "timed_out", "cancelled", "deleted"
STATUSES = (PENDING, POLLING, COMPLETED, FAILED, TIMED_OUT, CANCELLED, DELETED)
NONE, WAITING, DELIVERING, DELIVERED, GIVEN_UP = "none", "waiting", "delivering", "delivered", "given_up"


class ExternalJob(msgspec.Struct, frozen=True, gc=False):
    """A row of `external_jobs`.

    Attributes:
        delivery: none (nothing is to be delivered, or not yet), waiting, delivering, delivered, given_up.
        act_at: from then on somebody has to poll, to deliver, or to say that it timed out; None: nobody.
        poll_claim, delivery_claim: stream versions of the newest claim of either.
        claim_until: the claim that holds is over then.
        polls, deliveries: claims so far. deliveries_unknown: those of which nobody said how they ended.
        request_version, progress_version, result_version: of the events with the content.
    """

    provider: str = ""
    session: str | None = None
    external_id: str | None = None
    status: str = PENDING
    delivery: str = NONE
    act_at: datetime | None = None
    poll_at: datetime | None = None
    poll_interval_s: float = 0.0
    timeout_at: datetime | None = None
    worker: str | None = None
    claim_until: datetime | None = None
    poll_claim: int | None = None
    polls: int = 0
    poll_failures: int = 0
    delivery_claim: int | None = None
    deliver_at: datetime | None = None
    deliveries: int = 0
    deliveries_unknown: int = 0
    deliveries_max: int = 0
    callback: str | None = None
    reason: str | None = None
    request_version: int | None = None
    progress_version: int | None = None
    result_version: int | None = None


def is_open(job: ExternalJob) -> bool:
    """Whether the provider is still waited for."""
    return job.status in (PENDING, POLLING)


def evolve(job: ExternalJob, event: ExternalEvent, version: int) -> ExternalJob:
    """Return the job after `event`. The first end is the end: a second one changes nothing."""
    changed = _evolve(job, event, version)
    if changed is job:
        return job
    changed = msgspec.structs.replace(changed, act_at=_act_at(changed))
    return job if changed == job else changed


def _evolve(job: ExternalJob, event: ExternalEvent, version: int) -> ExternalJob:
    replace = msgspec.structs.replace
    match event:
        case JobEnqueued():
            return _enqueued(event, version)
        case JobUpdated():
            return _updated(job, event, version) if job.status != DELETED else job
        case JobPollClaimed(worker=worker, until=until):
            if not is_open(job):
                return job
            return replace(
                job, status=POLLING, worker=worker, claim_until=moment(until), poll_claim=version,
                polls=job.polls + 1,
            )  # fmt: skip
        case JobPolled(poll_at=poll_at, progress=progress):
            if not is_open(job):
                return job
            known = job.progress_version if progress == NULL else version
            return replace(
                _let_go(job), poll_at=moment(poll_at), poll_failures=0, reason=None, progress_version=known
            )
        case JobPollFailed(poll_at=poll_at, reason=reason):
            if not is_open(job):
                return job
            failures = job.poll_failures + 1
            return replace(_let_go(job), poll_at=moment(poll_at), poll_failures=failures, reason=reason)
        case JobCompleted():
            return replace(_ended(job, COMPLETED, None), result_version=version) if is_open(job) else job
        case JobFailed(reason=reason):
            return _ended(job, FAILED, reason)
        case JobTimedOut():
            return _ended(job, TIMED_OUT, None)
        case JobCancelled(reason=reason):
            return replace(_ended(job, CANCELLED, reason), delivery=NONE) if is_open(job) else job
        case JobDeliveryClaimed() | JobDelivered() | JobDeliveryFailed():
            return _delivery(job, event, version)
        case JobDeleted(reason=reason):
            return replace(
                job, status=DELETED, delivery=NONE, worker=None, claim_until=None, deliver_at=None,
                callback=None, reason=reason,
            )  # fmt: skip
        case _:
            assert_never(event)


def _enqueued(event: JobEnqueued, version: int) -> ExternalJob:
    """A job that was deleted begins anew: nobody who held the old one holds this."""
    return ExternalJob(
        event.provider,
        stream_key(event.session),
        event.external_id,
        poll_at=moment(event.poll_at),
        poll_interval_s=event.poll_interval_s,
        timeout_at=None if event.timeout_at is None else moment(event.timeout_at),
        deliveries_max=event.deliveries_max,
        callback=stream_key(event.callback),
        request_version=version,
    )


def _updated(job: ExternalJob, event: JobUpdated, version: int) -> ExternalJob:
    changed = msgspec.structs.replace(
        job,
        external_id=job.external_id if event.external_id is None else event.external_id,
        poll_at=job.poll_at if event.poll_at is None else moment(event.poll_at),
        timeout_at=job.timeout_at if event.timeout_at is None else moment(event.timeout_at),
        deliveries_max=job.deliveries_max if event.deliveries_max is None else event.deliveries_max,
        progress_version=job.progress_version if event.progress == NULL else version,
    )
    left = changed.deliveries < changed.deliveries_max
    if job.delivery == GIVEN_UP and left:
        return msgspec.structs.replace(changed, delivery=WAITING, deliver_at=None)
    if job.delivery == WAITING and not left:
        return msgspec.structs.replace(changed, delivery=GIVEN_UP, deliver_at=None)
    return changed


def _let_go(job: ExternalJob) -> ExternalJob:
    """The poll is over; whose it was is remembered by its claim."""
    return msgspec.structs.replace(job, status=PENDING, worker=None, claim_until=None)


def _ended(job: ExternalJob, status: str, reason: str | None) -> ExternalJob:
    if not is_open(job):
        return job
    return msgspec.structs.replace(
        job,
        status=status,
        reason=reason,
        worker=None,
        claim_until=None,
        delivery=WAITING if job.deliveries_max else NONE,
    )


def _delivery(
    job: ExternalJob, event: JobDeliveryClaimed | JobDelivered | JobDeliveryFailed, version: int
) -> ExternalJob:
    """Deliveries of what has not ended, or needs none, change nothing."""
    replace = msgspec.structs.replace
    if job.delivery == NONE:
        return job
    match event:
        case JobDeliveryClaimed(worker=worker, until=until):
            if job.delivery == DELIVERED:
                return job
            return replace(
                job, delivery=DELIVERING, worker=worker, claim_until=moment(until), delivery_claim=version,
                deliveries=job.deliveries + 1,
                deliveries_unknown=job.deliveries_unknown + (job.delivery == DELIVERING),
            )  # fmt: skip
        case JobDelivered():
            return replace(job, delivery=DELIVERED, worker=None, claim_until=None, deliver_at=None)
        case JobDeliveryFailed(retry_at=retry_at, reason=reason):
            if job.delivery == DELIVERED:
                return job
            again = retry_at is not None and job.deliveries < job.deliveries_max
            return replace(
                job, delivery=WAITING if again else GIVEN_UP, worker=None, claim_until=None, reason=reason,
                deliver_at=moment(retry_at) if again and retry_at is not None else None,
            )  # fmt: skip


def _act_at(job: ExternalJob) -> datetime | None:
    """Return when somebody has to act. EARLIEST: at once."""
    if is_open(job):
        due = job.poll_at if job.status == PENDING else job.claim_until
        return min((time for time in (due, job.timeout_at) if time is not None), default=None)
    if job.delivery == WAITING:
        return job.deliver_at or EARLIEST
    # Nobody said how the last attempt that was allowed ended: it stays so, and is not made again.
    if job.delivery == DELIVERING and job.deliveries < job.deliveries_max:
        return job.claim_until
    return None


EXTERNAL_JOBS = Fold(
    "external_jobs",
    version=1,
    kind=EXTERNAL_JOB,
    state=ExternalJob,
    evolve=evolve,
    folds=(
        JobEnqueued,
        JobUpdated,
        JobPollClaimed,
        JobPolled,
        JobPollFailed,
        JobCompleted,
        JobFailed,
        JobTimedOut,
        JobCancelled,
        JobDeliveryClaimed,
        JobDelivered,
        JobDeliveryFailed,
        JobDeleted,
    ),
    initial=ExternalJob(),
)
