"""External jobs: one poller at a time, deliveries counted before they are made, tokens that grow old."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from agentlog.errors import (
    AlreadyExists,
    BadIdentifier,
    BadInput,
    BadPayload,
    ClaimLost,
    Conflict,
    NotFound,
    Refused,
)
from agentlog.external_changes import backoff_s
from agentlog.external_work import CLAIM_S
from eventlog.command import Command
from eventlog.envelope import StreamId
from eventlog.events import EXTERNAL_JOB, JobEnqueued, new, raw
from tests.support.queries import plan_of

T0 = datetime(2026, 12, 1, tzinfo=UTC)


def at(seconds):
    return T0 + timedelta(seconds=seconds)


@pytest.fixture
def jobs(store):
    return store.external


async def enqueue(jobs, id="1", **more):
    return await jobs.enqueue("videos", {"prompt": id}, id=id, now=T0, **more)


async def ended(jobs, id="1", **more):
    """Enqueue a job and complete it; its end waits to be delivered."""
    await enqueue(jobs, id, **more)
    [polled] = await jobs.claim_polls("w", now=T0)
    await jobs.complete(polled, "url")


async def count(store):
    return (await store.log.head()).position


async def test_a_job_goes_from_its_provider_to_who_waited_for_it(jobs):
    """Enqueued, polled twice, completed, delivered; its content comes back exactly."""
    request = {"prompt": "a\x00\ud800", "seed": 12345678901234567890}
    made = await jobs.enqueue("videos", request, session="main", external_id="v1", now=T0, poll_interval_s=20)
    assert made.callback_token is None
    assert await jobs.get("none") is None

    [first] = await jobs.claim_polls("w", now=T0)
    assert (first.id, first.request, first.status, first.worker, first.polls) == (
        made.id, request, "polling", "w", 1,
    )  # fmt: skip
    assert await jobs.claim_polls("w", now=T0) == []
    await jobs.polled(first, {"percent": 10}, now=at(1))
    assert await jobs.claim_polls("w", now=at(20)) == []
    [second] = await jobs.claim_polls("w", now=at(21))
    assert second.progress == {"percent": 10}
    await jobs.complete(second, {"url": "u"})

    job = await jobs.get(made.id)
    assert (job.status, job.delivery, job.result, job.session) == (
        "completed",
        "waiting",
        {"url": "u"},
        "main",
    )
    [delivery] = await jobs.claim_deliveries("d", now=at(30))
    assert (delivery.deliveries, delivery.deliveries_unknown, delivery.result) == (1, 0, {"url": "u"})
    await jobs.delivered(delivery)
    job = await jobs.get(made.id)
    assert (job.delivery, job.act_at, job.token) == ("delivered", None, None)
    assert (await jobs.status())["completed"] == (await jobs.status())["delivered"] == 1


async def test_two_pollers_never_poll_one_job_s2_let_them(open_store, store):
    """S2 read what was due without claiming it. Here hosts race for 12 jobs, and each goes to one of them."""
    for n in range(12):
        await enqueue(store.external, str(n))
    async with open_store("other") as other:
        pollers = [
            place.external.claim_polls(f"w{n}", limit=5, now=T0)
            for n, place in enumerate((store, other, store, other))
        ]
        polled = [job.id for page in await asyncio.gather(*pollers) for job in page]
    assert sorted(polled) == sorted(map(str, range(12)))


async def test_a_poll_whose_claim_is_over_goes_to_another_and_its_token_is_refused(jobs, store):
    """Fencing: who comes back from the dead says nothing any more."""
    await enqueue(jobs)
    [old] = await jobs.claim_polls("dead", lease_s=30, now=T0)
    assert await jobs.claim_polls("w", now=at(29.9)) == []
    [held] = await jobs.claim_polls("w", now=at(30))
    assert held.token > old.token

    before = await count(store)
    for late in (
        lambda: jobs.held("1", 10**9),
        lambda: jobs.complete(old, "stale"),
        lambda: jobs.fail(old),
        lambda: jobs.polled(old),
        lambda: jobs.poll_failed(old),
        lambda: jobs.delivered(old),
    ):
        with pytest.raises(ClaimLost) as lost:
            await late()
        assert lost.value.key == "1"
    assert "claimed by worker 'w'" in str(lost.value)
    assert await count(store) == before
    await jobs.complete(held, "right")
    assert (await jobs.get("1")).result == "right"


async def test_a_claim_has_a_token_of_its_own_also_when_it_is_over_at_once(jobs):
    """Whoever reads the job after its claim may find the next one's in its row."""
    await enqueue(jobs)
    pollers = [jobs.claim_polls(f"w{n}", lease_s=0, now=T0) for n in range(4)]
    tokens = [job.token for page in await asyncio.gather(*pollers) for job in page]
    assert len(set(tokens)) == len(tokens) > 0


async def test_a_claim_that_is_over_still_counts_while_nobody_else_has_it(jobs):
    """It took longer than it said; there is no reason to throw the answer away."""
    await enqueue(jobs)
    [held] = await jobs.claim_polls("slow", lease_s=1, now=T0)
    await jobs.complete(held)
    assert await jobs.complete(held) is None  # twice is once
    with pytest.raises(ClaimLost):
        await jobs.fail(held)


async def test_a_delivery_is_marked_before_it_is_attempted_s2_marked_it_afterwards(jobs):
    """A crash in the middle is known: the next attempt hears that one before it may have arrived."""
    await ended(jobs)
    [crashed] = await jobs.claim_deliveries("crashes", now=at(1))
    job = await jobs.get("1")
    assert (job.delivery, job.deliveries, job.worker) == ("delivering", 1, "crashes")

    assert await jobs.claim_deliveries("d", now=at(1)) == []
    [again] = await jobs.claim_deliveries("d", now=at(1 + CLAIM_S))
    assert (again.deliveries, again.deliveries_unknown) == (2, 1)
    with pytest.raises(ClaimLost):
        await jobs.delivered(crashed)
    await jobs.delivered(again)
    assert await jobs.delivered(again) is None


async def test_the_last_delivery_is_never_made_twice(jobs):
    """Where nobody said how it ended, that is what is known, and the clean-up may take it."""
    await ended(jobs, deliveries_max=1)
    [only] = await jobs.claim_deliveries("crashes", now=at(1), lease_s=10)
    assert await jobs.claim_deliveries("d", now=at(10**6)) == []
    assert await jobs.cleanup(0, now=at(5)) == 0
    later = datetime.now(UTC) + timedelta(days=365)
    assert await jobs.cleanup(0, now=later) == 1
    with pytest.raises(NotFound):
        await jobs.delivered(only)


async def test_a_broken_sink_does_not_stop_polling_s2_counted_both_together(jobs):
    """S2 kept one time and one limit for polls and deliveries."""
    await enqueue(jobs, deliveries_max=1)
    for n in range(10):
        [held] = await jobs.claim_polls("w", now=at(n * 4000))
        await jobs.poll_failed(held, "503", now=at(n * 4000))
    job = await jobs.get("1")
    assert (job.polls, job.poll_failures, job.deliveries) == (10, 10, 0)
    [held] = await jobs.claim_polls("w", now=at(50_000))
    await jobs.complete(held)

    [delivery] = await jobs.claim_deliveries("d", now=at(50_000))
    await jobs.delivery_failed(delivery, "offline")
    job = await jobs.get("1")
    assert (job.delivery, job.reason, job.act_at) == ("given_up", "offline", None)
    await jobs.update("1", deliveries_max=2)
    assert [job.id for job in await jobs.claim_deliveries("d", now=at(50_000))] == ["1"]


async def test_failures_wait_twice_as_long_each_time(jobs):
    """For polls from the job's own interval on, for deliveries from ten seconds on, up to an hour."""
    assert [backoff_s(10, n) for n in (0, 1, 2, 9, 10**6)] == [10, 20, 40, 3600, 3600]
    assert backoff_s(7200, 5) == 7200
    await enqueue(jobs, poll_interval_s=5)
    [held] = await jobs.claim_polls("w", now=T0)
    await jobs.poll_failed(held, now=T0)
    assert (await jobs.get("1")).act_at == at(10)
    [held] = await jobs.claim_polls("w", now=at(10))
    await jobs.complete(held)
    for n, wait_s in enumerate((10, 20, 40)):
        [delivery] = await jobs.claim_deliveries("d", now=at(1000 * n + 100))
        await jobs.delivery_failed(delivery, now=at(1000 * n + 100))
        assert (await jobs.get("1")).act_at == at(1000 * n + 100 + wait_s)


async def test_a_job_times_out_whoever_is_polling_it(jobs):
    """And what its provider does later is not taken."""
    await enqueue(jobs, timeout_s=100, callback=False)
    made = await enqueue(jobs, "2", timeout_s=100, callback=True)
    [held, _] = await jobs.claim_polls("w", limit=2, lease_s=500, now=at(99))
    assert [job.id for job in await jobs.due(now=at(100))] == ["1", "2"]
    assert await jobs.claim_polls("w2", now=at(100)) == []
    job = await jobs.get("1")
    assert (job.status, job.delivery) == ("timed_out", "waiting")
    with pytest.raises(ClaimLost, match="timed_out"):
        await jobs.complete(held)
    with pytest.raises(Refused, match="too late"):
        await jobs.call_back(made.callback_token, result=1)
    assert len(await jobs.claim_deliveries("d", limit=5, now=at(100))) == 2


async def test_a_provider_ends_its_job_by_the_token_it_was_given(jobs, store):
    """While somebody polls; twice is once. The log has the token's digest alone."""
    made = await enqueue(jobs, callback=True)
    other = await enqueue(jobs, "2", callback=True)
    [held, _] = await jobs.claim_polls("w", limit=2, now=T0)
    await jobs.call_back(made.callback_token, result={"url": 1})
    assert await jobs.call_back(made.callback_token, result={"url": 2}) is None
    assert (await jobs.get("1")).result == {"url": 1}
    assert await jobs.complete(held, "from the poll") is None
    with pytest.raises(Refused, match="completed"):
        await jobs.call_back(made.callback_token, failed="no")
    await jobs.call_back(other.callback_token, failed="no")
    assert ((await jobs.get("2")).status, (await jobs.get("2")).reason) == ("failed", "no")

    lines = [bytes(event.data) async for block in store.log.read() for event in block]
    assert not any(made.callback_token.encode() in line for line in lines)
    await jobs.delete("1")
    for token in (made.callback_token, "guessed", other.callback_token + "x"):
        with pytest.raises(NotFound) as unknown:
            await jobs.call_back(token)
        assert token not in str(unknown.value)


async def test_an_update_changes_what_it_names(jobs):
    """A job that is gone is told apart: who updates it gives up."""
    await enqueue(jobs)
    [held] = await jobs.claim_polls("w", now=T0)
    await jobs.update("1", external_id="v2", progress=[1], timeout_s=50, now=T0)
    job = await jobs.get("1")
    assert (job.external_id, job.progress, job.timeout_at, job.token) == ("v2", [1], at(50), held.token)
    await jobs.polled(held, now=T0)
    await jobs.update("1", poll_in_s=3, now=T0)
    assert (await jobs.get("1")).act_at == at(3)
    await jobs.cancel("1", "enough")
    assert await jobs.cancel("1") is None
    with pytest.raises(Refused, match="cancelled"):
        await jobs.update("1", poll_in_s=1)
    await jobs.delete("1", "done")
    assert await jobs.delete("1") is None
    for call in (jobs.update("1", progress=1), jobs.cancel("1"), jobs.polled(held)):
        with pytest.raises(NotFound, match="it was deleted"):
            await call
    assert await jobs.get("1") is None
    assert await jobs.list() == []


async def test_the_clean_up_leaves_what_is_still_needed(jobs):
    """What is open, what waits to be delivered, and what has not been over for long enough."""
    await ended(jobs, "delivered")
    [delivery] = await jobs.claim_deliveries("d", now=T0)
    await jobs.delivered(delivery)
    await ended(jobs, "quiet", deliveries_max=0)
    await enqueue(jobs, "cancelled")
    await jobs.cancel("cancelled")
    await ended(jobs, "undelivered")
    await enqueue(jobs, "open")

    later = datetime.now(UTC) + timedelta(days=7)
    assert await jobs.cleanup(8 * 86400, now=later) == 0
    assert await jobs.cleanup(6 * 86400, now=later) == 3
    assert [job.id for job in await jobs.list()] == ["undelivered", "open"]
    await enqueue(jobs, "quiet")  # its id is free again
    assert (await jobs.get("quiet")).status == "pending"


async def test_jobs_are_listed_page_by_page(jobs):
    """The oldest first, by session and by status."""
    for n in range(5):
        await enqueue(jobs, str(n), session=f"s{n % 2}")
    await jobs.cancel("2")
    first = await jobs.list(limit=2)
    assert [job.id for job in first + await jobs.list(after=first[-1].id)] == list("01234")
    assert [job.id for job in await jobs.list(session="s1")] == ["1", "3"]
    assert [job.id for job in await jobs.list(status="cancelled")] == ["2"]
    assert (await jobs.status()) == {
        "pending": 4, "polling": 0, "completed": 0, "failed": 0, "timed_out": 0, "cancelled": 1,
        "waiting": 0, "delivering": 0, "given_up": 0, "delivered": 0,
    }  # fmt: skip


async def test_what_is_due_is_found_by_its_index_s2_looked_at_every_job(store):
    """Also among a million jobs that nobody has to act on."""
    for delivery in ("false", "true"):
        plan = await plan_of(store.log, "external_due", "", "2026-12-01 00:00:00+00", delivery, 10)
        assert "using external_jobs_due" in plan, plan
        assert "Seq Scan" not in plan
    plan = await plan_of(store.log, "external_by_callback", "", "digest")
    assert "external_jobs_by_callback" in plan
    plan = await plan_of(store.log, "external_finished", "", "2026-12-01 00:00:00+00", 0, 10)
    assert "using external_jobs_finished" in plan


async def test_a_claim_decided_on_what_changed_meanwhile_is_lost(store):
    """The expected version is what keeps two claims apart."""
    await enqueue(store.external)
    [row] = await store.external._due("", T0, False, 1)
    await store.external.cancel("1")
    stream = StreamId("", EXTERNAL_JOB, "1")
    event = new(stream, JobEnqueued("v", raw(1), T0), id=store.log.ids.next())
    with pytest.raises(Conflict):
        await store.log.append(Command([event], {stream: row["version"]}))
    assert await store.external.claim_polls("w", now=T0) == []


async def test_invalid_input_is_refused_by_its_name_and_changes_nothing(store):
    """At each entry point."""
    jobs = store.external
    await enqueue(jobs)
    [held] = await jobs.claim_polls("w", now=T0)
    naive = datetime(2026, 12, 1)
    calls = [
        (lambda: jobs.enqueue("", 1), BadPayload, "provider"),
        (lambda: jobs.enqueue("x" * 64, 1), BadPayload, "provider"),
        (lambda: jobs.enqueue("v", float("nan")), BadPayload, "nan"),
        (lambda: jobs.enqueue("v", 1, id=""), BadIdentifier, "id is empty"),
        (lambda: jobs.enqueue("v", 1, id="x" * 1025), BadIdentifier, "1025"),
        (lambda: jobs.enqueue("v", 1, id="1"), AlreadyExists, "is polling"),
        (lambda: jobs.enqueue("v", 1, poll_in_s=-1), BadInput, "poll_in_s -1"),
        (lambda: jobs.enqueue("v", 1, poll_interval_s=True), BadInput, "poll_interval_s True"),
        (lambda: jobs.enqueue("v", 1, timeout_s=float("nan")), BadInput, "timeout_s nan"),
        (lambda: jobs.enqueue("v", 1, deliveries_max=-1), BadPayload, "deliveries_max"),
        (lambda: jobs.enqueue("v", 1, now=naive), BadInput, "2026"),
        (lambda: jobs.enqueue("v", 1, session=7), BadPayload, "session"),
        (lambda: jobs.update("1"), BadInput, "nothing is to change"),
        (lambda: jobs.update("none", progress=1), NotFound, "none"),
        (lambda: jobs.update("1", deliveries_max=2**31), BadPayload, "deliveries_max"),
        (lambda: jobs.update("1", timeout_s="1"), BadInput, "timeout_s '1'"),
        (lambda: jobs.cancel("none"), NotFound, "none"),
        (lambda: jobs.cancel("1", 7), BadPayload, "reason"),
        (lambda: jobs.delete("none"), NotFound, "none"),
        (lambda: jobs.claim_polls(""), BadInput, "worker's name is empty"),
        (lambda: jobs.claim_polls("w", limit=0), BadInput, "limit 0"),
        (lambda: jobs.claim_polls("w", lease_s=-1), BadInput, "lease_s -1"),
        (lambda: jobs.claim_polls("w", now="now"), BadInput, "now 'now'"),
        (lambda: jobs.claim_deliveries("", limit=1), BadInput, "worker's name is empty"),
        (lambda: jobs.held("1", 0), BadInput, "token 0"),
        (lambda: jobs.held("1", True), BadInput, "token True"),
        (lambda: jobs.held("1", "1"), BadInput, "token '1'"),
        (lambda: jobs.held("none", held.token), NotFound, "none"),
        (lambda: jobs.polled(held, poll_in_s=-1), BadInput, "poll_in_s -1"),
        (lambda: jobs.polled(held, object()), BadPayload, "object"),
        (lambda: jobs.poll_failed(held, 7), BadPayload, "reason"),
        (lambda: jobs.complete(held, float("inf")), BadPayload, "inf"),
        (lambda: jobs.fail(held, 7), BadPayload, "reason"),
        (lambda: jobs.delivery_failed(held, retry_in_s=-1), BadInput, "retry_in_s -1"),
        (lambda: jobs.call_back(""), BadInput, "callback token"),
        (lambda: jobs.call_back("t", result=1, failed="x"), BadInput, "a result and a reason"),
        (lambda: jobs.list(limit=0), BadInput, "limit 0"),
        (lambda: jobs.list(status="deleted"), BadInput, "status 'deleted'"),
        (lambda: jobs.list(after="none"), NotFound, "none"),
        (lambda: jobs.due(limit=1001), BadInput, "1001"),
        (lambda: jobs.due(now=naive), BadInput, "2026"),
        (lambda: jobs.get(""), BadIdentifier, "id is empty"),
        (lambda: jobs.cleanup(-1), BadInput, "retention_s -1"),
    ]  # fmt: skip
    before = await count(store)
    for call, error, named in calls:
        with pytest.raises(error, match=named):
            await call()
    assert await count(store) == before
    assert (await jobs.get("1")).token == held.token
