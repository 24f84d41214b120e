"""When todos were created, started and completed, as far as anybody can know."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from agentlog.plan_todos import dated
from eventlog.events import Todo

T0 = datetime(2026, 11, 22, 8, tzinfo=UTC)
T1, T2, T3 = (T0 + timedelta(hours=n) for n in (1, 2, 3))


def times(todo: Todo) -> tuple[datetime | None, datetime | None, datetime | None]:
    return todo.created_at, todo.started_at, todo.completed_at


def steps(*statuses: str) -> list[Todo]:
    """One todo through these statuses, an hour each."""
    found, before = [], ()
    for hour, status in enumerate(statuses):
        before = dated([Todo("a", status)], before, T0 + timedelta(hours=hour))
        found += before
    return found


def test_a_todo_has_the_time_of_each_step() -> None:
    """And keeps it while nothing changes."""
    found = steps("pending", "in_progress", "in_progress", "completed")
    assert [times(todo) for todo in found] == [
        (T0, None, None), (T0, T1, None), (T0, T1, None), (T0, T1, T3),
    ]  # fmt: skip
    assert times(steps("completed", "completed")[-1]) == (T0, None, T0)
    assert times(steps("in_progress")[0]) == (T0, T0, None)


def test_what_is_pending_again_has_neither_been_started_nor_completed() -> None:
    """What is taken up again was not completed; a word of the agent's own keeps the start."""
    assert times(steps("in_progress", "completed", "pending")[-1]) == (T0, None, None)
    assert times(steps("in_progress", "completed", "in_progress")[-1]) == (T0, T0, None)
    assert times(steps("in_progress", "blocked")[-1]) == (T0, T0, None)


def test_times_that_are_given_stand() -> None:
    """A source that knows better is believed."""
    given = Todo("a", "completed", created_at=T1, started_at=T2, completed_at=T3)
    assert dated([given], (), T0) == (given,)


def test_a_time_that_nobody_knows_is_not_made_up() -> None:
    """An imported list has none; only what happens from now on gets one."""
    old = (Todo("a", "in_progress"), Todo("b", "completed"))
    assert [times(todo) for todo in dated(old, old, T1)] == [(None, None, None)] * 2
    assert times(dated([Todo("a", "completed")], old, T1)[0]) == (None, None, T1)


def test_a_todo_is_known_by_its_id_or_else_by_its_content() -> None:
    """Two of the same content are two; NUL is shown as U+FFFD where the list comes from a table."""
    before = dated([Todo("a", "pending", id="1"), Todo("same", "pending"), Todo("same", "pending")], (), T0)
    after = dated(
        [
            Todo("same", "pending"),
            Todo("b", "pending", id="1"),
            Todo("same", "pending"),
            Todo("same", "pending"),
        ],
        before,
        T1,
    )
    assert [todo.created_at for todo in after] == [T0, T0, T0, T1]
    assert dated([Todo("1", "pending")], before, T1)[0].created_at == T1
    assert (
        dated([Todo("\x00", "pending")], [Todo("\ufffd", "pending", created_at=T0)], T1)[0].created_at == T0
    )
