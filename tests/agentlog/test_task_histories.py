"""Random histories of tasks, with workers that die between any two steps, against a model that is a dict.

Two hosts take turns. A crash is what it is to the others: the worker's lease is over and it says
nothing more, or it comes back and is refused.
"""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentlog.errors import ClaimLost
from agentlog.store import Store
from projections.task import CANCELLED, COMPLETED, DEAD, PENDING, RUNNING

RETRIES_MAX = 1
_tenants = itertools.count(1)
steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["enqueue", "claim", "claim", "complete", "fail", "release", "crash", "cancel", "revive"]
        ),
        st.integers(0, 5),
        st.booleans(),
    ),
    max_size=25,
)


class World:
    """The real tasks of one tenant, and what a dict says of them."""

    def __init__(self, store: Store, other: Store) -> None:
        self.hosts = (store, other)
        self.tenant = f"history {next(_tenants)}"
        self.status: dict[str, str] = {}
        self.retries: dict[str, int] = {}
        self.held: dict[str, Any] = {}  # the newest claim of what runs
        self.gone: list[Any] = []  # claims of workers that died

    async def step(self, what: str, which: int, second: bool) -> None:
        tasks = self.hosts[second].tasks
        if what == "enqueue":
            id = await tasks.enqueue([which], retries_max=RETRIES_MAX, backoff_s=0.0, tenant=self.tenant)
            self.status[id], self.retries[id] = PENDING, 0
        elif what == "claim":
            # A retry is due when Postgres' clock has reached it, which it has by now.
            for task in await tasks.claim("w", limit=1 + which % 2, tenant=self.tenant):
                assert self.status[task.id] == PENDING, "it was not free"
                assert task.retries == self.retries[task.id]
                self.status[task.id], self.held[task.id] = RUNNING, task
        elif what in ("cancel", "revive") and self.status:
            await self.by_hand(tasks, what, sorted(self.status)[which % len(self.status)])
        elif self.held and what in ("complete", "fail", "release", "crash"):
            await self.end(tasks, what, sorted(self.held)[which % len(self.held)])
        for late in self.gone:
            await refused(tasks.complete(late))

    async def end(self, tasks: Any, what: str, id: str) -> None:
        task = self.held.pop(id)
        if what == "complete":
            await tasks.complete(task)
            self.status[id] = COMPLETED
        elif what == "fail":
            await tasks.fail(task)
            dead = self.retries[id] == RETRIES_MAX
            self.status[id] = DEAD if dead else PENDING
            self.retries[id] += not dead
        else:
            if what == "release":
                await tasks.release(task)
            else:  # what others do when they find that its lease is over
                log = self.hosts[0].log
                await log.reads.fetch(
                    "UPDATE {schema}.tasks SET lease_s = 0 WHERE tenant = $1 AND key = $2", self.tenant, id
                )
                assert await self.sweep(tasks) == 1
                self.gone.append(task)
            self.status[id] = PENDING

    async def sweep(self, tasks: Any) -> int:
        return int(await tasks.claimer._sweep((self.tenant, "default")))

    async def by_hand(self, tasks: Any, what: str, id: str) -> None:
        if what == "cancel" and self.status[id] in (PENDING, RUNNING):
            await tasks.cancel(id, tenant=self.tenant)
            self.status[id] = CANCELLED
            if task := self.held.pop(id, None):
                await refused(tasks.fail(task))
        elif what == "revive" and self.status[id] != RUNNING:
            await tasks.revive(id, tenant=self.tenant)
            self.retries[id] = self.retries[id] if self.status[id] == PENDING else 0
            self.status[id] = PENDING

    async def check(self) -> None:
        found = await self.hosts[0].tasks.list(limit=1000, tenant=self.tenant)
        assert {task.id: task.status for task in found} == self.status
        assert {task.id: task.retries for task in found} == self.retries


async def refused(late: Any) -> None:
    try:
        assert await late is None, "who does not hold it ended it"
    except ClaimLost:
        return


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=steps)
async def test_any_history_of_tasks_goes_as_the_model_says(open_store, history):
    """Nobody gets what another holds, retries and dead letters are exact, and tables equal a replay."""
    async with open_store() as store, open_store("other") as other:
        world = World(store, other)
        for step in history:
            await world.step(*step)
        await world.check()
        assert await store.verify() == []
