"""External jobs against a plain model: any operations, in any order, with the store reopened in between."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from agentlog.errors import AlreadyExists, ClaimLost, NotFound, Refused
from agentlog.external_changes import Job
from eventlog.command import Receipt
from tests.support.machine import StoreMachine, run_machine

IDS = st.sampled_from(["a", "a:b", "b"])
T0 = datetime(2026, 12, 1, tzinfo=UTC)
LEASE_S = 30
TIMEOUT_S = 300
INTERVAL_S = 10


@dataclass
class Model:
    """What the store should know of one job; times are seconds since T0."""

    due: float
    timeout: float
    status: str = "pending"
    delivery: str = "none"
    polls: int = 0
    deliveries: int = 0
    unknown: int = 0
    poll_token: int | None = None
    delivery_token: int | None = None
    old: list[int] = field(default_factory=list)

    @property
    def open(self) -> bool:
        return self.status in ("pending", "polling")

    def end(self, status: str) -> None:
        self.status, self.delivery, self.due = status, "waiting", -1


class Jobs(StoreMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.jobs: dict[str, Model] = {}

    @property
    def named(self) -> dict[str, object]:
        return {"tenant": self.tenant}

    @property
    def now(self) -> datetime:
        return T0 + timedelta(seconds=self.now_s)

    @property
    def timed(self) -> dict[str, object]:
        return {"tenant": self.tenant, "now": self.now}

    async def held(self, id: str, token: int, end: Callable[[Job], Awaitable[Receipt | None]]) -> object:
        """End what the claim at a position holds, or held."""
        return await end(await self.store.external.held(id, token, **self.named))

    @rule(seconds=st.sampled_from([1, 10, 31, 100, 290]))
    def time_passes(self, seconds: int) -> None:
        self.now_s += seconds

    @rule(id=IDS)
    def enqueue(self, id: str) -> None:
        enqueuing = self.store.external.enqueue(
            "videos",
            id,
            id=id,
            poll_interval_s=INTERVAL_S,
            timeout_s=TIMEOUT_S,
            deliveries_max=2,
            **self.timed,
        )
        if id in self.jobs:
            with pytest.raises(AlreadyExists):
                self.run(enqueuing)
            return
        self.run(enqueuing)
        self.jobs[id] = Model(self.now_s, self.now_s + TIMEOUT_S)

    @rule(limit=st.integers(1, 3))
    def poll(self, limit: int) -> None:
        claimed = self.run(self.store.external.claim_polls("w", limit=limit, lease_s=LEASE_S, **self.timed))
        ready = {id for id, job in self.jobs.items() if job.open and job.due <= self.now_s < job.timeout}
        got = {job.id for job in claimed}
        assert got <= ready
        assert len(got) == min(limit, len(ready))
        for job in claimed:
            known = self.jobs[job.id]
            assert job.request == job.id
            if known.poll_token is not None:
                known.old.append(known.poll_token)
            known.poll_token, known.status, known.due = job.token, "polling", self.now_s + LEASE_S
            known.polls += 1
        for id, known in self.jobs.items():
            if known.open and known.timeout <= self.now_s:
                # Those it came across while it looked for enough have timed out.
                found = self.run(self.store.external.get(id, **self.named))
                if found.status == "timed_out":
                    known.end("timed_out")
                else:
                    assert len(got) == limit

    @rule(id=IDS, what=st.sampled_from(["polled", "failed", "complete", "fail"]), stale=st.booleans())
    def end_a_poll(self, id: str, what: str, stale: bool) -> None:
        known = self.jobs.get(id)
        token = known.poll_token if known else 1
        if known and stale and known.old:
            token = known.old[-1]
        if token is None:
            return
        work = self.store.external
        ends = {
            "polled": lambda held: work.polled(held, now=self.now),
            "failed": lambda held: work.poll_failed(held, poll_in_s=INTERVAL_S, now=self.now),
            "complete": lambda held: work.complete(held, id),
            "fail": work.fail,
        }
        ending = self.held(id, token, ends[what])
        after = {"complete": "completed", "fail": "failed"}.get(what, "pending")
        if known is None:
            with pytest.raises(NotFound):
                self.run(ending)
        elif token != known.poll_token or (known.status not in ("polling", after)):
            with pytest.raises(ClaimLost):
                self.run(ending)
        elif known.status == after:
            assert self.run(ending) is None
        else:
            self.run(ending)
            if after == "pending":
                known.status, known.due = "pending", self.now_s + INTERVAL_S
            else:
                known.end(after)

    @rule()
    def deliver(self) -> None:
        claimed = self.run(self.store.external.claim_deliveries("d", limit=3, lease_s=LEASE_S, **self.timed))
        ready = {
            id for id, job in self.jobs.items()
            if job.delivery in ("waiting", "delivering") and job.due <= self.now_s and job.deliveries < 2
        }  # fmt: skip
        assert {job.id for job in claimed} == ready
        for job in claimed:
            known = self.jobs[job.id]
            known.unknown += known.delivery == "delivering"
            known.deliveries += 1
            known.delivery, known.delivery_token = "delivering", job.token
            known.due = self.now_s + LEASE_S
            assert (job.deliveries, job.deliveries_unknown) == (known.deliveries, known.unknown)

    @rule(id=IDS, arrived=st.booleans())
    def end_a_delivery(self, id: str, arrived: bool) -> None:
        known = self.jobs.get(id)
        if known is None or known.delivery_token is None:
            return
        work, token = self.store.external, known.delivery_token
        ending = self.held(
            id,
            token,
            work.delivered
            if arrived
            else lambda held: work.delivery_failed(held, retry_in_s=5, now=self.now),
        )
        if known.delivery == "delivering":
            self.run(ending)
            if arrived:
                known.delivery = "delivered"
            else:
                known.delivery = "waiting" if known.deliveries < 2 else "given_up"
                known.due = self.now_s + 5
        elif (known.delivery == "delivered") == arrived:
            assert self.run(ending) is None
        else:
            with pytest.raises(ClaimLost):
                self.run(ending)

    @rule(id=IDS)
    def cancel(self, id: str) -> None:
        known = self.jobs.get(id)
        cancelling = self.store.external.cancel(id, **self.named)
        if known is None:
            with pytest.raises(NotFound):
                self.run(cancelling)
        elif known.open or known.status == "cancelled":
            assert (self.run(cancelling) is not None) == known.open
            known.status, known.delivery = "cancelled", "none"
        else:
            with pytest.raises(Refused):
                self.run(cancelling)

    @rule(id=IDS)
    def delete(self, id: str) -> None:
        deleting = self.store.external.delete(id, **self.named)
        if id in self.jobs:
            del self.jobs[id]
            assert self.run(deleting) is not None
            return
        try:
            assert self.run(deleting) is None
        except NotFound:
            assert self.run(self.store.external.get(id, **self.named)) is None

    @invariant()
    def every_job_stands_where_it_should(self) -> None:
        found = {job.id: job for job in self.run(self.store.external.list(**self.named))}
        assert set(found) == set(self.jobs)
        for id, known in self.jobs.items():
            job = found[id]
            assert (job.status, job.delivery, job.polls, job.deliveries, job.deliveries_unknown) == (
                known.status, known.delivery, known.polls, known.deliveries, known.unknown,
            )  # fmt: skip


def test_external_jobs_are_what_a_model_says(postgres_server):
    """Invariant 6 besides: at the end of each run the live tables equal a rebuild."""
    run_machine(Jobs, postgres_server)
