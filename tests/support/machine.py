"""A state machine over a real store, for tests that compare a noun with a plain model of it. Holds no test.

Each example is a tenant of its own in one log, so that opening it is paid once per test and not per
example. `AGENTLOG_TEST_EXAMPLES` says how many examples, `AGENTLOG_TEST_STEPS` how many operations in
each: a few of each by default; `AGENTLOG_TEST_EXAMPLES=200` runs thousands of operations.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import tempfile
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

import agentlog
from eventlog.embedded.server import EmbeddedPostgres
from replay.rebuild import compare
from tests.support.postgres import fresh_schema

T = TypeVar("T")

EXAMPLES = int(os.environ.get("AGENTLOG_TEST_EXAMPLES", "3"))
STEPS = int(os.environ.get("AGENTLOG_TEST_STEPS", "25"))


class Place:
    """One log, opened and closed at will, in an event loop of its own."""

    def __init__(self, server: EmbeddedPostgres, data: Path) -> None:
        self._server = server
        self._data = data
        self._settings = agentlog.Settings(schema=fresh_schema())
        self._runner = asyncio.Runner()
        self.tenants = itertools.count(1)
        self.store = self.run(self._open())

    def run(self, waiting: Awaitable[T]) -> T:
        async def wait() -> T:
            return await waiting

        return self._runner.run(wait())

    async def _open(self) -> agentlog.Store:
        return await agentlog.open(
            self._data, postgres=self._server.connection, settings=self._settings, tenant="", migrate=True
        )

    def reopen(self) -> None:
        """Close the store and open it again: what was in memory alone is gone."""
        self.run(self.store.close())
        self.store = self.run(self._open())

    def check(self) -> None:
        """Every projection table equals a fold of the log, from either copy."""
        log = self.store.log
        assert self.run(compare(log, source="segments")) == []
        assert self.run(compare(log, source="postgres")) == []

    def close(self) -> None:
        self.run(self.store.close())
        self._runner.close()


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

    @rule()
    def reopen(self) -> None:
        self.place.reopen()

    def teardown(self) -> None:
        self.place.check()


def run_machine(machine: type[StoreMachine], server: EmbeddedPostgres, **more: Any) -> None:
    """Run a machine's examples on a log of its own, then verify that log."""
    with tempfile.TemporaryDirectory() as directory:
        place = Place(server, Path(directory) / "data")
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
        finally:
            place.close()
