"""A state machine over a real store, for tests that compare a noun with a plain model of it. Holds no test.

Each example is a tenant of its own in one log, so that opening it is paid once per test and not per
example. Between any two operations the store may be closed, its process may die, or its connections may.

`AGENTLOG_TEST_EXAMPLES` says how many examples, `AGENTLOG_TEST_STEPS` how many operations in each: a few
of each by default; `make model` runs thousands. Where `AGENTLOG_TEST_DSN` names a Postgres whose user may
create databases, all of it runs there as well.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import tempfile
from collections import Counter
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

import agentlog
from eventlog.embedded.server import EmbeddedPostgres
from replay.rebuild import compare
from tests.support.postgres import fresh_database, fresh_schema

T = TypeVar("T")

EXAMPLES = int(os.environ.get("AGENTLOG_TEST_EXAMPLES", "3"))
STEPS = int(os.environ.get("AGENTLOG_TEST_STEPS", "25"))
DSN = os.environ.get("AGENTLOG_TEST_DSN", "")

CLOSED, DIED, KILLED, CUT_OFF = INTERRUPTIONS = ("closed", "died", "killed", "cut off")
# Stores whose process is gone, kept at a time. Each has its connections.
GONE_MAX = 3

_CUT = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1"


class Place:
    """One log in a database of its own, opened, closed and left at will, in event loops of its own.

    Attributes:
        done: how often what was done: calls of the store, and interruptions by name.
    """

    def __init__(self, postgres: Mapping[str, Any], data: Path) -> None:
        self.done: Counter[str] = Counter()
        self.tenants = itertools.count(1)
        self._data = data
        self._settings = agentlog.Settings(schema=fresh_schema())
        self._outside = asyncio.Runner()
        self._postgres = dict(postgres)
        self._fresh = fresh_database(postgres)
        self._connection = self._outside.run(self._fresh.__aenter__())
        self._gone: list[tuple[asyncio.Runner, agentlog.Store]] = []
        self._begin()

    def run(self, waiting: Awaitable[T]) -> T:
        async def wait() -> T:
            return await waiting

        self.done["calls"] += 1
        return self._runner.run(wait())

    def _begin(self) -> None:
        async def open() -> agentlog.Store:
            return await agentlog.open(
                self._data, postgres=self._connection, settings=self._settings, tenant="", migrate=True
            )

        self._runner = asyncio.Runner()
        self.store = self._runner.run(open())

    def interrupt(self, how: str) -> None:
        """Close and open again; or let the process die, as others see it; or cut its connections.

        closed: what was in memory alone is gone. died: its event loop never goes on, while another opens the
        same log; much later it wakes up and finds that out. killed: the same, and its connections are gone
        too. cut off: it goes on, with other connections.
        """
        self.done[how] += 1
        if how in (KILLED, CUT_OFF):
            self._outside.run(self._cut())
        if how == CLOSED:
            self._close(self._runner, self.store)
        elif how in (DIED, KILLED):
            self._gone.append((self._runner, self.store))
        if how != CUT_OFF:
            self._begin()
        if len(self._gone) > GONE_MAX:
            self._close(*self._gone.pop(0))

    async def _cut(self) -> None:
        admin = await asyncpg.connect(**self._postgres)
        try:
            await admin.fetch(_CUT, self._connection["database"])
        finally:
            await admin.close()

    def check(self) -> None:
        """Every projection table equals a fold of the log, from either copy."""
        log = self.store.log
        assert self.run(compare(log, source="segments")) == []
        assert self.run(compare(log, source="postgres")) == []

    def close(self) -> None:
        for runner, store in [*self._gone, (self._runner, self.store)]:
            self._close(runner, store)
        self._outside.run(self._fresh.__aexit__(None, None, None))
        self._outside.close()

    @staticmethod
    def _close(runner: asyncio.Runner, store: agentlog.Store) -> None:
        runner.run(store.close())
        runner.close()


class StoreMachine(RuleBasedStateMachine):
    """Base of a noun's machine. Its rules call `self.run(self.store.….…(…, tenant=self.tenant))`.

    Attributes:
        tenant: of this example alone.
    """

    place: Place

    def __init__(self) -> None:
        super().__init__()
        # A tenant whose name begins like another's, and holds what joins keys.
        self.tenant = f"t:{next(self.place.tenants)}"

    @property
    def store(self) -> agentlog.Store:
        return self.place.store

    def run(self, waiting: Awaitable[T]) -> T:
        return self.place.run(waiting)

    @rule(how=st.sampled_from([None, None, None, *INTERRUPTIONS]))
    def interrupt(self, how: str | None) -> None:
        if how is not None:  # most of the time goes to operations
            self.place.interrupt(how)

    def teardown(self) -> None:
        self.place.done["examples"] += 1
        # Reads the whole log, which grows with each example: of very many, ten times in all.
        if self.place.done["examples"] % max(1, EXAMPLES // 10) == 0:
            self.place.check()


def run_machine(machine: type[StoreMachine], server: EmbeddedPostgres, **more: Any) -> None:
    """Run a machine's examples on a log of its own, then verify that log; on each Postgres there is."""
    for postgres in (server.connection, *([{"dsn": DSN}] if DSN else [])):
        with tempfile.TemporaryDirectory() as directory:
            place = Place(postgres, Path(directory) / "data")
            try:
                run_state_machine_as_test(
                    type(machine.__name__, (machine,), {"place": place}),
                    settings=settings(
                        max_examples=EXAMPLES,
                        stateful_step_count=STEPS,
                        deadline=None,
                        suppress_health_check=list(HealthCheck),
                        **more,
                    ),
                )
                assert place.run(place.store.verify()) == []
                events = place.run(place.store.log.head()).position
            finally:
                place.close()
        where = "embedded Postgres" if postgres is server.connection else "system Postgres"
        print(f"{machine.__name__} on {where}: {events:,} events, {dict(place.done)}")
