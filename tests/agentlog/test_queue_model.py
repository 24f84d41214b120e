"""The queue against a plain model: any operations, in any order, by workers and hosts that die in between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from agentlog.errors import BadInput, Busy, ClaimLost, Refused
from agentlog.queue_answers import ANSWERS, ENQUEUE, INTERRUPT, MERGE, REJECT, ROLLBACK
from tests.support.machine import StoreMachine, run_machine

SESSIONS = st.sampled_from([None, "s", "s:x"])


@dataclass
class Row:
    """What the store should know of one item."""

    order: int
    session: str | None
    priority: int
    bodies: list[Any]
    status: str = "pending"
    attempts: int = 0
    claim: int | None = None  # the token of the newest claim, where it counts
    over: bool = False  # nobody renews that claim


class Lines(StoreMachine):
    """The model: items by id, and every claim there ever was."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, Row] = {}
        self.claims: list[Any] = []

    def line(self, session: str | None, status: str = "pending") -> list[str]:
        """Ids of a session's items of a status, in the order they are to be claimed in."""
        found = [(-row.priority, row.order, id) for id, row in self.rows.items()
                 if (row.session, row.status) == (session, status)]  # fmt: skip
        return [id for _, _, id in sorted(found)]

    def claimable(self, wanted: str | None) -> list[str]:
        """Heads of the sessions that work on nothing, and all that is for anybody."""
        heads = [self.line(session)[:1] for session in ("s", "s:x")
                 if wanted in (None, session) and not self.line(session, "claimed")]  # fmt: skip
        return [id for head in heads for id in head] + (self.line(None) if wanted is None else [])

    def release_what_is_over(self) -> bool:
        over = [row for row in self.rows.values() if row.status == "claimed" and row.over]
        for row in over:
            row.status, row.claim, row.over = "pending", None, False
        return bool(over)

    @rule(session=SESSIONS, priority=st.sampled_from([-1, 0, 0, 7]), answer=st.sampled_from(ANSWERS))
    def enqueue(self, session: str | None, priority: int, answer: str) -> None:
        body = f"body {len(self.rows)}"
        enqueuing = self.store.queue.enqueue(
            session, body, priority=priority, when_busy=answer, tenant=self.tenant
        )
        if answer != ENQUEUE and session is None:
            with pytest.raises(BadInput):
                self.run(enqueuing)
            return
        waiting = self.line(session)
        working = [id for id in self.line(session, "claimed") if not self.rows[id].over]
        if answer == REJECT and (waiting or working):
            with pytest.raises(Busy):
                self.run(enqueuing)
            return
        id = self.run(enqueuing)
        if answer == MERGE and waiting:
            assert id == waiting[0]
            self.rows[id].bodies.append(body)
            return
        if answer in (INTERRUPT, ROLLBACK):
            priority = max([priority, *(self.rows[first].priority + 1 for first in waiting[:1])])
            for stopped in working:
                self.rows[stopped].status = "interrupted" if answer == INTERRUPT else "rolled_back"
        self.rows[id] = Row(len(self.rows), session, priority, [body])

    @rule(session=SESSIONS, limit=st.integers(1, 3), dies=st.booleans())
    def claim(self, session: str | None, limit: int, dies: bool) -> None:
        # A claim that is over at once would be found so by the very call that makes it.
        limit = 1 if dies else limit
        won = self.run(
            self.store.queue.claim(
                "w", session=session, limit=limit, lease_s=0.0 if dies else None, tenant=self.tenant
            )
        )
        left = list(won)
        while True:
            free = self.claimable(session)
            missing = limit - (len(won) - len(left))
            now, left = left[: min(missing, len(free))], left[min(missing, len(free)) :]
            urgent = sorted((self.rows[id].priority for id in free), reverse=True)
            assert {item.id for item in now} <= set(free), "it was not its turn"
            assert sorted((item.priority for item in now), reverse=True) == urgent[:missing]
            for item in now:
                row = self.rows[item.id]
                row.status, row.claim, row.over = "claimed", item.token, dies
                row.attempts += 1
                assert (list(item.bodies), item.attempts) == (row.bodies, row.attempts)
            if len(free) >= missing or not self.release_what_is_over():
                break
        assert left == [], "more than there were"
        self.claims += won

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), how=st.sampled_from(["complete", "fail", "release"]))
    def end(self, data: st.DataObject, how: str) -> None:
        """By whoever has it, or had it once."""
        held = data.draw(st.sampled_from(self.claims))
        row = self.rows[held.id]
        ends = {"complete": "completed", "fail": "failed", "release": "pending"}
        holds = row.claim == held.token and row.status == "claimed"
        again = row.claim == held.token and how != "release" and row.status == ends[how]
        done_all_the_same = row.claim == held.token and (how, row.status) == ("complete", "cancelled")
        ending = getattr(self.store.queue, how)(held)
        if not (holds or again or done_all_the_same):
            with pytest.raises(ClaimLost):
                self.run(ending)
            return
        assert (self.run(ending) is None) == again
        row.status, row.over = ends[how], False
        if how == "release":
            row.claim = None

    @precondition(lambda self: self.rows)
    @rule(data=st.data(), if_pending=st.booleans())
    def cancel(self, data: st.DataObject, if_pending: bool) -> None:
        id = data.draw(st.sampled_from(sorted(self.rows)))
        row = self.rows[id]
        cancelling = self.store.queue.cancel(id, if_pending=if_pending, tenant=self.tenant)
        if row.status == "completed" and not if_pending:
            with pytest.raises(Refused):
                self.run(cancelling)
            return
        open_ = row.status == "pending" or (row.status == "claimed" and not if_pending)
        assert (self.run(cancelling) is not None) == open_
        if open_:
            row.status = "cancelled"

    @precondition(lambda self: self.rows)
    @rule(data=st.data())
    def requeue(self, data: st.DataObject) -> None:
        id = data.draw(st.sampled_from(sorted(self.rows)))
        row = self.rows[id]
        requeuing = self.store.queue.requeue(id, tenant=self.tenant)
        if row.status in ("pending", "claimed", "completed"):
            with pytest.raises(Refused):
                self.run(requeuing)
            return
        self.run(requeuing)
        row.status, row.claim, row.over = "pending", None, False

    @invariant()
    def every_item_stands_where_the_model_has_it(self) -> None:
        found = self.run(self.store.queue.list(limit=1000, tenant=self.tenant))
        assert {item.id: (item.status, item.attempts, item.priority) for item in found} == {
            id: (row.status, row.attempts, row.priority) for id, row in self.rows.items()
        }
        for session in ("s", "s:x"):
            waiting = self.run(self.store.queue.pending(session, limit=1000, tenant=self.tenant))
            assert [item.id for item in waiting] == self.line(session)


def test_the_queue_is_what_lists_would_be(postgres_server):
    """Invariant 6 besides: at the end of each run the live tables equal a rebuild."""
    run_machine(Lines, postgres_server)
