"""Tasks against a plain model: any operations, in any order, by workers and hosts that die in between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from agentlog.errors import ClaimLost, Refused
from agentlog.task_changes import Limits
from agentlog.task_lanes import RELEASES_MAX
from tests.support.machine import StoreMachine, run_machine

RETRIES_MAX = 1
LANES = {"one": 1, "two": 2}  # how many of them run at a time
OPEN = ("pending", "running")


@dataclass
class Row:
    """What the store should know of one task."""

    order: int
    session: str | None
    messages: list[Any]
    priority: int = 0
    lane: str | None = None
    late: bool = False  # its time is over already
    unique: bool = False
    status: str = "pending"
    retries: int = 0
    releases: int = 0
    turn: int = 0
    notified: bool = False
    claim: int | None = None  # the token of the newest claim, where it counts
    over: bool = False  # nobody renews that claim

    def wait(self) -> None:
        self.status, self.claim, self.over = "pending", None, False


class Duties(StoreMachine):
    """The model: tasks by id, and every claim there ever was."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, Row] = {}
        self.claims: list[Any] = []

    @rule(
        priority=st.sampled_from([-1, 0, 0, 7]),
        lane=st.sampled_from([None, None, "one", "two"]),
        late=st.integers(0, 5).map(lambda n: n == 0),
    )
    def enqueue(self, priority: int, lane: str | None, late: bool) -> None:
        limits = None if lane is None else Limits(lane=lane, running_max=LANES[lane])
        id = self.run(
            self.store.tasks.enqueue(
                [len(self.rows)], priority=priority, limits=limits, ttl_s=0.0 if late else None,
                retries_max=RETRIES_MAX, backoff_s=0.0, tenant=self.tenant,
            )
        )  # fmt: skip
        self.rows[id] = Row(len(self.rows), None, [len(self.rows)], priority, lane, late)

    @rule(session=st.sampled_from(["s", "s:x"]), what=st.sampled_from(["x", "y"]), merge=st.booleans())
    def enqueue_under_a_rule(self, session: str, what: str, merge: bool) -> None:
        """What waits with the same messages, or at all, takes it in."""
        id = self.run(
            self.store.tasks.enqueue(
                [what], session=session, unique=not merge, merge=merge, retries_max=RETRIES_MAX,
                backoff_s=0.0, tenant=self.tenant,
            )
        )  # fmt: skip
        waiting = [key for key, row in self.rows.items() if (row.session, row.status) == (session, "pending")]
        alike = [key for key in waiting if self.rows[key].unique and self.rows[key].messages[:1] == [what]]
        if merge and waiting:
            assert id == min(waiting, key=lambda key: self.rows[key].order)
            self.rows[id].messages.append(what)
        elif not merge and alike:
            assert id in alike
        else:
            self.rows[id] = Row(len(self.rows), session, [what], unique=not merge)

    def claimable(self) -> list[int]:
        """Priorities of what may be claimed at once, the highest first."""
        free = [row.priority for row in self.waiting() if row.lane is None]
        for lane, running_max in LANES.items():
            running = sum((row.lane, row.status) == (lane, "running") for row in self.rows.values())
            in_lane = [row.priority for row in self.waiting() if row.lane == lane]
            free += sorted(in_lane, reverse=True)[: max(0, running_max - running)]
        return sorted(free, reverse=True)

    def waiting(self) -> list[Row]:
        return [row for row in self.rows.values() if row.status == "pending" and not row.late]

    def sweep(self) -> bool:
        """What the store does when there is less than was asked for; whether anything waits again."""
        released = False
        for row in self.rows.values():
            if row.status == "pending" and row.late:
                row.status = "expired"
            elif row.status == "running" and row.over:
                if row.releases + 1 >= RELEASES_MAX:
                    row.status, row.over = "dead", False
                else:
                    row.wait()
                    row.releases += 1
                    released = True
        return released

    @rule(limit=st.integers(1, 3), dies=st.booleans())
    def claim(self, limit: int, dies: bool) -> None:
        # A claim that is over at once would be found so by the very call that makes it.
        limit = 1 if dies else limit
        won = self.run(
            self.store.tasks.claim("w", limit=limit, lease_s=0.0 if dies else None, tenant=self.tenant)
        )
        left = list(won)
        while True:
            free = self.claimable()
            missing = limit - (len(won) - len(left))
            now, left = left[: min(missing, len(free))], left[min(missing, len(free)) :]
            assert sorted((task.priority for task in now), reverse=True) == free[:missing]
            for task in now:
                row = self.rows[task.id]
                assert (row.status, row.late) == ("pending", False), "it was not free"
                assert (list(task.messages), task.retries, task.turn) == (row.messages, row.retries, row.turn)
                row.status, row.claim, row.over = "running", task.token, dies
            for lane, running_max in LANES.items():
                running = [row for row in self.rows.values() if (row.lane, row.status) == (lane, "running")]
                assert len(running) <= running_max
            if len(free) >= missing or not self.sweep():
                break
        assert left == [], "more than there were"
        self.claims += won

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), how=st.sampled_from(["complete", "fail", "release", "progress"]))
    def end(self, data: st.DataObject, how: str) -> None:
        """By whoever has it, or had it once."""
        held = data.draw(st.sampled_from(self.claims))
        row = self.rows[held.id]
        same = row.claim == held.token
        holds = same and row.status == "running"
        again = same and (how, row.status) in (("complete", "completed"), ("fail", "dead"))
        done_all_the_same = same and (how, row.status) == ("complete", "cancelled")
        arguments = (row.turn + 1,) if how == "progress" else ()
        ending = getattr(self.store.tasks, how)(held, *arguments)
        if not (holds or again or done_all_the_same):
            with pytest.raises(ClaimLost):
                self.run(ending)
            return
        assert (self.run(ending) is None) == again
        if again:
            return
        if how == "complete":
            row.status, row.over = "completed", False
        elif how == "progress":
            row.turn += 1
        elif how == "release":
            row.wait()
            row.releases += 1
        elif row.retries == RETRIES_MAX:
            row.status, row.over = "dead", False
        else:
            row.wait()
            row.retries += 1

    @precondition(lambda self: self.rows)
    @rule(data=st.data(), if_pending=st.booleans())
    def cancel(self, data: st.DataObject, if_pending: bool) -> None:
        id = data.draw(st.sampled_from(sorted(self.rows)))
        row = self.rows[id]
        cancelling = self.store.tasks.cancel(id, if_pending=if_pending, tenant=self.tenant)
        if row.status == "completed" and not if_pending:
            with pytest.raises(Refused):
                self.run(cancelling)
            return
        open_ = row.status == "pending" or (row.status == "running" and not if_pending)
        assert (self.run(cancelling) is not None) == open_
        if open_:
            row.status = "cancelled"

    @precondition(lambda self: self.rows)
    @rule(
        data=st.data(), to=st.sampled_from(["revive", "pending", "completed", "dead", "cancelled", "running"])
    )
    def put(self, data: st.DataObject, to: str) -> None:
        """Into a status, by hand."""
        id = data.draw(st.sampled_from(sorted(self.rows)))
        row, tasks = self.rows[id], self.store.tasks
        putting = (
            tasks.revive(id, tenant=self.tenant)
            if to == "revive"
            else tasks.set_status(id, to, tenant=self.tenant)
        )
        if (to == "revive" and row.status == "running") or (to == "running" and row.status != "running"):
            with pytest.raises(Refused):
                self.run(putting)
            return
        wanted = "pending" if to == "revive" else to
        assert (self.run(putting) is None) == (row.status == wanted)
        if row.status == wanted:
            return
        if wanted == "pending" or (wanted in ("dead", "cancelled") and row.status not in OPEN):
            # Revived: with all its retries, and time without end.
            row.wait()
            row.retries, row.releases, row.late, row.notified = 0, 0, False, False
        row.status, row.over = wanted, False

    @precondition(lambda self: self.rows)
    @rule(data=st.data())
    def mark_notified(self, data: st.DataObject) -> None:
        id = data.draw(st.sampled_from(sorted(self.rows)))
        marking = self.store.tasks.mark_notified(id, tenant=self.tenant)
        assert (self.run(marking) is None) == self.rows[id].notified
        self.rows[id].notified = True

    @invariant()
    def every_task_stands_where_the_model_has_it(self) -> None:
        found = self.run(self.store.tasks.list(limit=1000, tenant=self.tenant))
        assert {
            task.id: (task.status, task.retries, task.releases, task.turn, task.notified) for task in found
        } == {
            id: (row.status, row.retries, row.releases, row.turn, row.notified)
            for id, row in self.rows.items()
        }


def test_tasks_are_what_a_dict_would_be(postgres_server):
    """Nobody gets what another holds; retries, releases and dead letters are exact. Invariant 6 besides."""
    run_machine(Duties, postgres_server)
