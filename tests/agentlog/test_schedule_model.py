"""Schedules against a plain model: any operations, in any order, with the store reopened in between."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from agentlog.errors import NotFound
from agentlog.schedule_definition import Definition
from tests.support.machine import StoreMachine, run_machine

IDS = st.sampled_from(["a", "a:b", "b"])
# Minutes between ticks, and the expression that says so.
EVERY = st.sampled_from([(1, "* * * * *"), (5, "*/5 * * * *"), (60, "0 * * * *")])
T0 = datetime(2026, 12, 1, tzinfo=UTC)


class Model:
    """What the store should know of one schedule; times are whole minutes since T0."""

    def __init__(self, every: int, cron: str, now: int, paused: bool) -> None:
        self.every, self.cron, self.paused = every, cron, paused
        self.next = None if paused else now - now % every + every

    def resume(self, now: int) -> None:
        self.paused, self.next = False, now - now % self.every + self.every


class Schedules(StoreMachine):
    def __init__(self) -> None:
        super().__init__()
        self.minute = 0
        self.schedules: dict[str, Model] = {}
        self.ever: set[str] = set()
        self.fired: list[tuple[str, int]] = []

    @property
    def named(self) -> dict[str, Any]:
        return {"tenant": self.tenant}

    @property
    def timed(self) -> dict[str, Any]:
        return {"tenant": self.tenant, "now": T0 + timedelta(minutes=self.minute)}

    @rule(minutes=st.sampled_from([1, 4, 5, 61]))
    def time_passes(self, minutes: int) -> None:
        self.minute += minutes

    def set(self, id: str, every: tuple[int, str], paused: bool) -> None:
        known = self.schedules.get(id)
        new = Model(*every, self.minute, paused)
        if known is not None and known.cron == new.cron and not paused and known.next is not None:
            new.next = known.next  # what is due stays due
        self.schedules[id] = new
        self.ever.add(id)

    @rule(id=IDS, every=EVERY, paused=st.sampled_from([None, True, False]))
    def put(self, id: str, every: tuple[int, str], paused: bool | None) -> None:
        self.run(
            self.store.schedule.set(
                id, every[1], id, late_s=0, catch_up="all", catch_up_max=100, paused=paused, **self.timed
            )
        )
        known = self.schedules.get(id)
        stays = known is not None and known.paused
        self.set(id, every, stays if paused is None else paused)

    @rule(every=st.dictionaries(IDS, EVERY, max_size=3))
    def replace(self, every: dict[str, tuple[int, str]]) -> None:
        sets = {
            id: Definition(cron=one[1], body=id, late_s=0.0, catch_up="all", catch_up_max=100)
            for id, one in every.items()
        }
        self.run(self.store.schedule.replace(sets, **self.timed))
        self.schedules = {id: one for id, one in self.schedules.items() if id in every}
        for id, one in every.items():
            self.set(id, one, False)

    @rule(id=IDS, what=st.sampled_from(["pause", "resume", "delete", "trigger"]))
    def change(self, id: str, what: str) -> None:
        known, work = self.schedules.get(id), self.store.schedule
        changing = {
            "pause": lambda: work.pause(id, **self.named),
            "resume": lambda: work.resume(id, **self.timed),
            "delete": lambda: work.delete(id, **self.named),
            "trigger": lambda: work.trigger(id, **self.named),
        }[what]()
        if known is None and not (what == "delete" and id in self.ever):
            with pytest.raises(NotFound):
                self.run(changing)
            return
        done = self.run(changing)
        if known is None:
            assert done is None
        elif what == "pause":
            assert (done is None) == known.paused
            known.paused, known.next = True, None
        elif what == "resume":
            assert (done is None) == (not known.paused)
            if known.paused:
                known.resume(self.minute)
        elif what == "delete":
            del self.schedules[id]
        else:
            self.fired.append((id, -1))

    @rule()
    def fire(self) -> None:
        fired = self.run(self.store.schedule.fire(**self.timed))
        expected = []
        for id, known in self.schedules.items():
            if known.next is None or known.next > self.minute:
                continue
            ticks = list(range(known.next, self.minute + 1, known.every))
            expected += [(id, tick) for tick in ticks[-100:]]
            known.next = ticks[-1] + known.every
        got = [(one.schedule, int((one.tick - T0).total_seconds()) // 60) for one in fired]
        assert sorted(got) == sorted(expected)
        assert len(set(got)) == len(got)
        self.fired += got

    @invariant()
    def every_schedule_stands_where_it_should(self) -> None:
        found = {one.id: one for one in self.run(self.store.schedule.list(**self.named))}
        assert set(found) == set(self.schedules)
        for id, known in self.schedules.items():
            one = found[id]
            due = None if known.next is None else T0 + timedelta(minutes=known.next)
            assert (one.cron, one.body, one.paused, one.next_tick) == (known.cron, id, known.paused, due)
        assert self.run(self.store.queue.status(**self.named))["pending"] == len(self.fired)


def test_schedules_are_what_a_model_says(postgres_server):
    """Invariant 6 besides: at the end of each run the live tables equal a rebuild."""
    run_machine(Schedules, postgres_server)
