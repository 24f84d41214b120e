"""Jobs at providers, as examples: what happened, then where the job stands and when somebody has to act."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from eventlog.events import (
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
    raw,
)
from projections.columns import EARLIEST
from projections.external import EXTERNAL_JOBS
from tests.projections.given import Example
from tests.support.histories import unreadable

T0 = datetime(2026, 12, 1, tzinfo=UTC)


def at(minutes):
    return T0 + timedelta(minutes=minutes)


job = Example(EXTERNAL_JOBS)
ENQUEUED = JobEnqueued("videos", raw(1), at(1), timeout_at=at(60), deliveries_max=2)
open_job = job.given(ENQUEUED)
polling = open_job.given(JobPollClaimed("w", at(5)))
completed = polling.given(JobCompleted(raw("url")))
delivering = completed.given(JobDeliveryClaimed("d", at(9)))


def test_a_job_that_is_open_is_acted_on_when_its_poll_or_its_end_is_due() -> None:
    """Whichever comes first, and no earlier than the claim of a poll is over."""
    open_job.then(status="pending", act_at=at(1), request_version=1)
    polling.then(status="polling", worker="w", act_at=at(5), poll_claim=2, polls=1)
    polling.when(JobPolled(at(7), raw({"percent": 1}))).then(
        status="pending", worker=None, act_at=at(7), progress_version=3, poll_claim=2
    )
    polling.when(JobPolled(at(90))).then(act_at=at(60), progress_version=None)


def test_a_poll_that_did_not_reach_the_provider_is_counted_until_one_does() -> None:
    """It says nothing about the job, so it is counted apart from everything else."""
    failed = polling.given(JobPollFailed(at(6), "503"), JobPollClaimed("w", at(9)), JobPollFailed(at(12)))
    failed.then(poll_failures=2, polls=2, status="pending", act_at=at(12), deliveries=0, reason=None)
    failed.when(JobPolled(at(20))).then(poll_failures=0)


def test_an_end_waits_to_be_delivered_at_once() -> None:
    """Unless it is not wanted."""
    completed.then(status="completed", delivery="waiting", act_at=EARLIEST, result_version=3, worker=None)
    polling.when(JobFailed("no")).then(status="failed", delivery="waiting", reason="no")
    open_job.when(JobTimedOut()).then(status="timed_out", delivery="waiting")
    open_job.when(JobCancelled("why")).then(status="cancelled", delivery="none", act_at=None)
    quiet = job.given(JobEnqueued("videos", raw(1), at(1), deliveries_max=0))
    quiet.when(JobCompleted()).then(status="completed", delivery="none", act_at=None)


@pytest.mark.parametrize("end", [JobCompleted(raw(2)), JobFailed(), JobTimedOut(), JobCancelled()])
def test_the_first_end_is_the_end(end: object) -> None:
    """What was delivered must not turn into something else."""
    completed.when(end).then_nothing_changes()
    for late in (JobPollClaimed("w", at(9)), JobPolled(at(9)), JobPollFailed(at(9))):
        completed.when(late).then_nothing_changes()


def test_a_delivery_counts_when_it_is_begun() -> None:
    """S2 counted it afterwards: what arrived before a crash was delivered again, and counted once."""
    delivering.then(delivery="delivering", deliveries=1, delivery_claim=4, act_at=at(9), poll_claim=2)
    delivering.when(JobDelivered()).then(delivery="delivered", deliveries=1, act_at=None)
    again = delivering.given(JobDeliveryClaimed("d2", at(19)))
    again.then(deliveries=2, deliveries_unknown=1, worker="d2", delivery_claim=5)
    # It was the last one: how it ended is not known, and nobody tries again.
    again.then(act_at=None)
    again.when(JobDeliveryFailed(at(30), "gone")).then(delivery="given_up", reason="gone", act_at=None)


def test_a_failed_delivery_has_a_time_of_its_own_for_the_next() -> None:
    """S2 used the time of the next poll for both."""
    failed = delivering.given(JobDeliveryFailed(at(30), "offline"))
    failed.then(delivery="waiting", deliver_at=at(30), act_at=at(30), poll_at=at(1), reason="offline")
    delivering.when(JobDeliveryFailed(None)).then(delivery="given_up", act_at=None)


def test_more_deliveries_bring_back_what_was_given_up() -> None:
    """And none left give up what waited."""
    given_up = delivering.given(JobDeliveryFailed(None))
    given_up.when(JobUpdated(deliveries_max=3)).then(delivery="waiting", act_at=EARLIEST)
    given_up.when(JobUpdated(deliveries_max=1)).then(delivery="given_up", act_at=None)
    waiting = delivering.given(JobDeliveryFailed(at(30)))
    waiting.when(JobUpdated(deliveries_max=1)).then(delivery="given_up", act_at=None)


def test_what_an_update_does_not_say_stays() -> None:
    """Also who is polling."""
    polling.when(JobUpdated(external_id="v1")).then(external_id="v1", status="polling", act_at=at(5))
    open_job.when(JobUpdated(poll_at=at(3), timeout_at=at(2))).then(act_at=at(2))
    polling.when(JobUpdated(progress=raw(1))).then(progress_version=3)


def test_deliveries_of_what_has_not_ended_change_nothing() -> None:
    """There is nothing to deliver."""
    for event in (JobDeliveryClaimed("d", at(9)), JobDelivered(), JobDeliveryFailed(at(9))):
        polling.when(event).then_nothing_changes()
    delivered = delivering.given(JobDelivered())
    for event in (JobDeliveryClaimed("d", at(9)), JobDelivered(), JobDeliveryFailed(at(9))):
        delivered.when(event).then_nothing_changes()


def test_a_deleted_job_is_nobodys_and_one_with_its_id_begins_anew() -> None:
    """Nobody who held the old one holds the new."""
    deleted = polling.given(JobDeleted("done with"))
    deleted.then(status="deleted", act_at=None, worker=None, callback=None)
    deleted.when(JobUpdated(poll_at=at(9))).then_nothing_changes()
    deleted.when(ENQUEUED).then(status="pending", polls=0, poll_claim=None, request_version=4)


def test_a_job_whose_beginning_cannot_be_read_is_not_asked_after() -> None:
    """A later release wrote it, and its workers know how."""
    job.when(unreadable(JobEnqueued)).then(status="pending", act_at=None, provider="")
