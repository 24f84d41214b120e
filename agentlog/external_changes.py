"""A job at a provider, and what may be done with it, decided. Pure; reads nothing and appends nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from agentlog.errors import AlreadyExists, ClaimLost, NotFound, Refused
from eventlog.events import (
    ExternalEvent,
    JobCancelled,
    JobCompleted,
    JobDeleted,
    JobDelivered,
    JobDeliveryFailed,
    JobEnqueued,
    JobFailed,
    JobPolled,
    JobPollFailed,
    JobUpdated,
)
from projections import external as projection

BACKOFF_MAX_S = 3600.0
DELIVERY_BACKOFF_S = 10.0

PollEnd = JobCompleted | JobFailed | JobPolled | JobPollFailed
DeliveryEnd = JobDelivered | JobDeliveryFailed


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A job at a provider, as it stands.

    Attributes:
        id: its key. external_id: what the provider calls it.
        status: pending, polling, completed, failed, timed_out or cancelled.
        delivery: none, waiting, delivering, delivered or given_up.
        act_at: somebody has to poll, deliver or time it out from then on; None: nobody, or at once
            where delivery is waiting.
        worker, claim_until: who has claimed a poll or a delivery, and until when.
        token: position of that claim in the log, a fencing token. claim: its stream version.
        polls, deliveries: how many were begun. poll_failures: polls in a row that did not reach the
            provider. deliveries_unknown: deliveries of which nobody said how they ended.
        request, progress, result: JSON; None where there is none, and in lists.
    """

    id: str
    tenant: str
    provider: str
    session: str | None
    external_id: str | None
    status: str
    delivery: str
    act_at: datetime | None
    poll_interval_s: float
    timeout_at: datetime | None
    worker: str | None
    claim_until: datetime | None
    token: int | None
    claim: int | None
    polls: int
    poll_failures: int
    deliveries: int
    deliveries_unknown: int
    deliveries_max: int
    reason: str | None
    enqueued_time: datetime
    last_time: datetime
    request: Any = None
    progress: Any = None
    result: Any = None


def after(moment: datetime, seconds: float) -> datetime:
    """Return the time so many seconds after another, or the last there is."""
    try:
        return moment + timedelta(seconds=seconds)
    except OverflowError:
        return datetime.max.replace(tzinfo=moment.tzinfo)


def backoff_s(first_s: float, failures: int) -> float:
    """Return how long to wait after so many failures in a row: twice as long each time, up to an hour."""
    return min(first_s * 2.0 ** min(failures, 60), max(first_s, BACKOFF_MAX_S))


def present(id: str, job: projection.ExternalJob | None) -> projection.ExternalJob:
    """Return the job, or raise NotFound when there is none, or none any more."""
    if job is None or job.status == projection.DELETED:
        was = "" if job is None else " any more: it was deleted"
        raise NotFound(f"there is no external job {id!r}{was}", hint="check id and tenant", key=id)
    return job


def decide_enqueue(id: str, event: JobEnqueued, job: projection.ExternalJob | None) -> list[ExternalEvent]:
    """An id is used once, until its job is deleted."""
    if job is not None and job.status != projection.DELETED:
        raise AlreadyExists(
            f"external job {id!r} exists and is {job.status}", hint="choose another id", key=id
        )
    return [event]


def decide_update(id: str, event: JobUpdated, job: projection.ExternalJob | None) -> list[ExternalEvent]:
    """What is over is not asked for any more; only how often its end is delivered can still change."""
    known = present(id, job)
    if not projection.is_open(known) and (event.poll_at is not None or event.timeout_at is not None):
        raise Refused(f"external job {id!r} is {known.status}", hint="only its deliveries can be changed now")
    return [event]


def decide_cancel(id: str, reason: str | None, job: projection.ExternalJob | None) -> list[ExternalEvent]:
    """What has not ended can be cancelled; twice is once."""
    known = present(id, job)
    if known.status == projection.CANCELLED:
        return []
    if not projection.is_open(known):
        raise Refused(f"external job {id!r} is {known.status}", hint="it cannot be cancelled any more")
    return [JobCancelled(reason)]


def decide_delete(id: str, reason: str | None, job: projection.ExternalJob | None) -> list[ExternalEvent]:
    """Deleting twice is deleting once."""
    if job is None:
        present(id, job)
    return [] if job is None or job.status == projection.DELETED else [JobDeleted(reason)]


def decide_poll_end(held: Job, event: PollEnd, job: projection.ExternalJob | None) -> list[ExternalEvent]:
    """Who has the newest claim may say what the provider said; twice is once."""
    known = present(held.id, job)
    if held.claim is None or known.poll_claim != held.claim:
        raise _lost(held, known)
    if known.status == projection.POLLING:
        return [event]
    said = {
        JobCompleted: projection.COMPLETED, JobFailed: projection.FAILED,
        JobPolled: projection.PENDING, JobPollFailed: projection.PENDING,
    }[type(event)]  # fmt: skip
    if known.status == said:
        return []
    raise _lost(held, known)


def decide_delivery_end(
    held: Job, event: DeliveryEnd, job: projection.ExternalJob | None
) -> list[ExternalEvent]:
    """Who has the newest claim may say whether it was delivered; twice is once.

    A failure of the last delivery that is allowed is not tried again.
    """
    known = present(held.id, job)
    if held.claim is None or known.delivery_claim != held.claim:
        raise _lost(held, known)
    failed = isinstance(event, JobDeliveryFailed)
    if known.delivery == projection.DELIVERING:
        if isinstance(event, JobDeliveryFailed) and known.deliveries >= known.deliveries_max:
            return [JobDeliveryFailed(None, event.reason)]
        return [event]
    if known.delivery in ((projection.WAITING, projection.GIVEN_UP) if failed else (projection.DELIVERED,)):
        return []
    raise _lost(held, known)


def decide_callback(
    id: str, callback: str, event: JobCompleted | JobFailed, job: projection.ExternalJob | None
) -> list[ExternalEvent]:
    """Who shows the token may end the job, whoever is polling it; twice is once."""
    known = present(id, job)
    if known.callback != callback:  # it was deleted and enqueued anew since its token was looked up
        raise NotFound("no external job waits for this callback token", hint="it was deleted", key=id)
    if projection.is_open(known):
        return [event]
    if known.status == (projection.COMPLETED if isinstance(event, JobCompleted) else projection.FAILED):
        return []
    raise Refused(f"external job {id!r} is {known.status}", hint="what its provider did came too late")


def _lost(held: Job, known: projection.ExternalJob) -> ClaimLost:
    state = known.delivery if known.delivery == projection.DELIVERING else known.status
    holder = f", claimed by worker {known.worker!r}" if known.worker is not None else ""
    return ClaimLost(
        f"external job {held.id!r} is {state}{holder}; the claim at position {held.token} is over",
        hint="stop working on it; it ended, or was given to another when the claim was over",
        key=held.id,
        token=held.token,
    )
