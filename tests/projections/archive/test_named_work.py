"""Named queries about sessions, queues and days, on small histories, with answers worked out by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from eventlog.events import (
    ConversationCompacted,
    GenerationStarted,
    ItemCancelled,
    ItemClaimed,
    ItemCompleted,
    ItemEnqueued,
    ItemFailed,
    ItemMerged,
    ItemReleased,
    SessionCreated,
    TaskClaimed,
    TaskCompleted,
    TaskDied,
    TaskEnqueued,
    TaskExpired,
    TaskFailed,
    TaskMerged,
    TaskProgressed,
    raw,
)
from tests.projections.archive.asking import ask, asking, at, said, used
from tests.projections.archive.history import History


def moment(day: int, hour: int = 12, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


def test_the_hours_of_a_week_are_counted_by_the_sources_own_time() -> None:
    """The 1st is a Sunday, 7; the 2nd a Monday, 1."""
    history = History()
    call = [{"type": "tool_use", "id": "c", "name": "Bash", "input": {}}]
    said(history, "a", at(1, "23:59:59"))
    said(history, "a", at(2, "00:00:00"))
    said(history, "b", at(2, "00:30:00"), call)
    said(history, "b", at(9, "00:10:00"), tenant="acme")

    assert ask(history, "activity_by_hour") == [(1, 0, 3, 1, 3), (7, 23, 1, 0, 1)]
    assert ask(history, "activity_by_hour", until="2026-11-02") == [(1, 0, 2, 1, 2), (7, 23, 1, 0, 1)]


def family() -> History:
    """A root of 2 messages, two children of 1, a grandchild of 3; an orphan; two in a circle; a loner."""
    history = History()
    for key, parent in (
        ("root", None), ("one", "root"), ("two", "root"), ("deep", "one"),
        ("orphan", "gone"), ("x", "y"), ("y", "x"),
    ):  # fmt: skip
        history.say(key, SessionCreated(title=key.title(), agent="coder", parent=parent), tenant="acme")
    said(history, "root", at(1), role="user", tenant="acme")
    used(history, "root", at(1, "12:30:00"), (0, 10), "1", tenant="acme")
    used(history, "two", at(1, "12:10:00"), (0, 20), "0.25", tenant="acme")
    used(history, "one", at(1, "12:20:00"), (0, 30), tenant="acme")  # of unknown cost
    for minute in (21, 22, 23):
        used(history, "deep", at(1, f"12:{minute}:00"), (0, 1), "2", tenant="acme")
    used(history, "orphan", at(2), (0, 5), "3", tenant="acme")
    used(history, "x", at(3), (0, 6), "0.5", tenant="acme")
    used(history, "y", at(4), (0, 7), "0.75", tenant="acme")
    # Another tenant's session with the same key is in no family of this one.
    used(history, "root", at(5), (0, 100))
    return history


def test_a_tree_costs_what_all_of_it_costs() -> None:
    """Each session is in one tree; circles are none, and are not lost either."""
    with asking(family()) as ask:
        costs, two = ask("session_tree_cost"), ask("session_tree_cost", count=2)
    assert costs == [
        (
            "acme", "root", "Root", "coder", 4, 2, 7, 63, Decimal("1"), Decimal("7.25"),
            moment(1), moment(1, 12, 30),
        ),
        ("acme", "orphan", "Orphan", "coder", 1, 0, 1, 5, Decimal("3"), Decimal("3"), moment(2), moment(2)),
        ("acme", "y", "Y", "coder", 1, 0, 1, 7, Decimal("0.75"), Decimal("0.75"), moment(4), moment(4)),
        ("acme", "x", "X", "coder", 1, 0, 1, 6, Decimal("0.5"), Decimal("0.5"), moment(3), moment(3)),
        ("", "root", None, None, 1, 0, 1, 100, None, None, moment(5), moment(5)),
    ]  # fmt: skip
    assert two == costs[:2]


def test_a_tree_lists_its_sessions_parents_first() -> None:
    """Siblings in the order they began: two was at work before one."""
    rows = ask(family(), "session_tree", session="root", tenant="acme")
    assert [(row[1], row[2], row[3], row[7], row[9]) for row in rows] == [
        ("root", None, 0, 2, Decimal("1")),
        ("two", "root", 1, 1, Decimal("0.25")),
        ("one", "root", 1, 1, None),
        ("deep", "one", 2, 3, Decimal("6")),
    ]
    assert [row[1] for row in ask(family(), "session_tree", session="x")] == ["x", "y"]
    assert ask(family(), "session_tree", session="nobody") == []


def test_the_longest_sessions_are_those_of_most_messages() -> None:
    """How long is told in seconds of the source's own time."""
    history = family()
    history.say("deep", GenerationStarted(1, 3), tenant="acme")
    history.say("deep", ConversationCompacted(), tenant="acme")
    first, second = ask(history, "longest_sessions", count=2)
    assert first == (
        "acme", "deep", "Deep", "coder", 3, 2, 1, 120.0, 3, Decimal("6"),
        moment(1, 12, 21), moment(1, 12, 23),
    )  # fmt: skip
    assert second[:8] == ("acme", "root", "Root", "coder", 2, 1, 0, 1800.0)


def test_a_timeline_has_the_latest_sessions_in_the_order_they_began() -> None:
    """Sessions in which nothing was said have no time."""
    history = family()
    history.say("silent", SessionCreated())
    rows = ask(history, "session_timeline", count=4)
    assert [(row[0], row[1], row[9], row[10]) for row in rows] == [
        ("acme", "orphan", moment(2), moment(2)),
        ("acme", "x", moment(3), moment(3)),
        ("acme", "y", moment(4), moment(4)),
        ("", "root", moment(5), moment(5)),
    ]
    assert rows[0][2:9] == ("gone", "Orphan", "coder", "active", 1, 0, Decimal("3"))


def test_a_compaction_saves_what_was_before_less_what_is_after() -> None:
    """As the source says it, else as the responses around it show it, else it is not in the sum.

    a: 1,000 - 200 as said, and 500 as said - 150 of the response after it (100 + 40 + 10): 1,150 of 1,500.
    b: nothing said and no response after it.
    """
    history = History()
    history.say("a", SessionCreated(title="A"))
    history.say("a", ConversationCompacted("auto", 1000, 200), occurred_at=at(1))
    used(history, "a", at(1), (7, 1, 3), response="r1")
    history.say("a", ConversationCompacted("manual", 500), occurred_at=at(2))
    used(history, "a", at(2), (0, 9), response="without input")
    used(history, "a", at(2), (100, 9, 40, 10), response="r2")
    used(history, "b", at(2), (100, 1))
    history.say("b", ConversationCompacted("auto"), occurred_at=at(3))

    assert ask(history, "compaction_savings") == [
        ("", "a", "A", 2, 1, 0, 1500, 350, 1150, 1150 / 1500),
        ("", "b", None, 1, 1, 1, None, None, None, None),
    ]
    assert ask(history, "compaction_savings", until="2026-11-01") == [
        ("", "a", "A", 1, 1, 0, 1000, 200, 800, 0.8)
    ]


def test_messages_of_a_tree_are_told_by_what_they_are() -> None:
    """In the order they were said, whoever of the family said them; an error stands before all else."""
    history = History()
    history.say("child", SessionCreated(parent="root"))
    text, call = {"type": "text", "text": "x"}, {"type": "tool_use", "id": "c", "name": "Bash", "input": {}}
    done = {"type": "tool_result", "tool_use_id": "c", "content": "fine"}
    said(history, "root", at(1, "12:00:00"), role="user")
    said(history, "root", at(1, "12:00:01"), [text, call])
    said(history, "root", at(1, "12:00:03"), [done, {**done, "is_error": True}], role="user")
    said(history, "child", at(1, "12:00:02"), [done], role="user")
    used(history, "root", at(1, "12:00:04"), (0, 9))
    said(history, "root", at(1, "12:00:05"), role="system")
    said(history, "stranger", at(1))

    with asking(history) as ask:
        rows = ask("session_tree_messages", session="root")
        first = ask("session_tree_messages", session="root", count=1)
    assert [(row[1], row[5], row[6], row[7]) for row in rows] == [
        ("root", "prompt", None, None), ("root", "call", "Bash", None), ("child", "result", None, None),
        ("root", "error", None, None), ("root", "answer", None, 9), ("root", "other", None, None),
    ]  # fmt: skip
    assert first == rows[:1]
    assert (rows[2][2], rows[2][3].second, rows[2][4]) == (5, 2, "user")


def called(history: History, tool: str, id: str, clock: str, *, day: int = 1) -> None:
    said(history, "s", at(day, clock), [{"type": "tool_use", "id": id, "name": tool, "input": {}}])


def finished(history: History, id: str, clock: str, *, error: bool = False, day: int = 1) -> None:
    result = {"type": "tool_result", "tool_use_id": id, "content": "é", "is_error": error}
    said(history, "s", at(day, clock), [result], role="user")


def test_tools_are_slow_by_their_slowest_calls_and_fail_by_their_results() -> None:
    """Bash takes 2, 10 and 3 s and fails once; Read takes 1 s, or does not answer; Web fails after 5 s."""
    history = History()
    for n, seconds in enumerate((2, 10, 3)):
        called(history, "Bash", f"b{n}", f"10:0{n}:00")
        finished(history, f"b{n}", f"10:0{n}:{seconds:02d}", error=n == 1)
    called(history, "Read", "r1", "11:00:00")
    finished(history, "r1", "11:00:01")
    called(history, "Read", "r2", "11:01:00")
    called(history, "Web", "w1", "11:00:00", day=2)
    finished(history, "w1", "11:00:05", error=True, day=2)

    with asking(history) as ask:
        slowest, failing = ask("slowest_tools"), ask("failing_tools")
        slowest_first = ask("slowest_tools", until="2026-11-01", count=1)
        failing_first = ask("failing_tools", until="2026-11-01")
    assert slowest == [
        ("Bash", 3, 0, 3.0, 10.0, 10.0, 15.0, 6),
        ("Web", 1, 0, 5.0, 5.0, 5.0, 5.0, 2),
        ("Read", 2, 1, 1.0, 1.0, 1.0, 1.0, 2),
    ]
    assert failing == [("Web", 1, 1, 1, 1.0, 0), ("Bash", 3, 3, 1, 1 / 3, 0)]
    assert (slowest_first, failing_first) == (slowest[:1], failing[1:])


def queued(
    history: History, key: str, *steps: tuple[Any, str], tenant: str = "", kind: str = "queue_item"
) -> None:
    for event, clock in steps:
        history.say(key, event, kind=kind, tenant=tenant, occurred_at=at(1, clock))


ENQUEUED, CLAIMED, COMPLETED, CANCELLED = (
    ItemEnqueued(raw(1)),
    ItemClaimed("w"),
    ItemCompleted(),
    ItemCancelled(),
)


def queue() -> History:
    history = History()
    queued(history, "a", (ENQUEUED, "10:00:00"), (CLAIMED, "10:00:10"), (COMPLETED, "10:01:10"))
    queued(history, "b", (ENQUEUED, "10:00:00"), (CLAIMED, "10:00:20"), (CLAIMED, "10:05:00"))
    queued(history, "b", (COMPLETED, "10:05:30"))
    queued(history, "a", (ENQUEUED, "10:00:00"), (CANCELLED, "10:00:30"), tenant="acme")
    queued(history, "c", (ENQUEUED, "10:00:00"), (CLAIMED, "10:00:30"), (ENQUEUED, "11:00:00"))
    queued(history, "c", (CLAIMED, "11:00:02"))
    return history


def tasks() -> History:
    """One is done at its third claim, one is dead after its first, one expired, one waits."""
    history = History()
    new, claimed, merged = TaskEnqueued(raw([])), TaskClaimed("w"), TaskMerged(raw([]))
    for key, tenant, *steps in (
        ("a", "", (TaskEnqueued(raw([]), run_at=moment(1, 10)), "09:00:00"), (merged, "09:30:00")),
        ("a", "", (claimed, "10:00:03"), (TaskFailed(moment(1, 10, 5)), "10:00:10"), (claimed, "10:05:01")),
        ("a", "", (claimed, "10:06:00"), (TaskProgressed(1), "10:06:10"), (TaskCompleted(), "10:06:20")),
        ("b", "", (new, "10:00:00"), (claimed, "10:00:05"), (TaskDied(), "10:00:06")),
        ("c", "", (new, "10:00:00"), (TaskExpired(), "10:09:00")),
        ("c", "acme", (new, "10:00:00")),
    ):
        queued(history, key, *steps, tenant=tenant, kind="task")
    return history


def test_waits_and_runs_have_percentiles() -> None:
    """Waits 10, 20, 30, 2 s; runs 60 s and, from the second claim, 30 s."""
    assert ask(queue(), "queue_percentiles") == [
        ("item", "wait", 4, 10.0, 30.0, 30.0, 30.0),
        ("item", "run", 2, 30.0, 60.0, 60.0, 60.0),
    ]
    assert ask(queue(), "queue_percentiles", since="2026-11-02") == []


def test_an_item_waits_again_when_it_is_given_back_and_no_message_that_joins_it_ends_its_wait() -> None:
    """10 s and 5 s. What failed does not wait: only enqueuing it again brings it back."""
    history = History()
    queued(history, "a", (ENQUEUED, "10:00:00"), (ItemMerged(raw(2)), "10:00:04"), (CLAIMED, "10:00:10"))
    queued(history, "a", (ItemReleased(), "10:01:00"), (CLAIMED, "10:01:05"), (ItemFailed(), "10:01:07"))
    queued(history, "a", (CLAIMED, "10:02:00"))
    assert ask(history, "queue_percentiles") == [("item", "wait", 2, 5.0, 10.0, 10.0, 10.0)]


def test_a_task_waits_from_when_it_is_due() -> None:
    """3 s after its time to run at, 1 s after that of its retry, and 5 s; it runs from its last claim."""
    assert ask(tasks(), "queue_percentiles") == [
        ("task", "wait", 3, 3.0, 5.0, 5.0, 5.0),
        ("task", "run", 1, 20.0, 20.0, 20.0, 20.0),
    ]
    assert ask(tasks(), "queue_percentiles", tenant="acme") == []


def test_retries_are_claims_beyond_the_first() -> None:
    """One item was never claimed, one once, two twice."""
    history = queue()
    assert ask(history, "retries") == [
        ("item", 0, 1, 0, 0, 1, 0, 0.25),
        ("item", 1, 1, 1, 0, 0, 0, 0.25),
        ("item", 2, 2, 1, 0, 0, 1, 0.5),
    ]
    queued(history, "b", (ENQUEUED, "12:00:00"), (ItemFailed(), "12:00:01"))
    assert ask(history, "retries")[2] == ("item", 2, 2, 0, 1, 0, 1, 0.5)


def test_tasks_are_counted_apart_from_items() -> None:
    """Two were never claimed, one of them expired; one died of its first claim, one was done by its third."""
    assert ask(tasks(), "retries") == [
        ("task", 0, 2, 0, 0, 1, 1, 0.5),
        ("task", 1, 1, 0, 1, 0, 0, 0.25),
        ("task", 3, 1, 1, 0, 0, 0, 0.25),
    ]
    assert ask(tasks(), "retries", tenant="acme") == [("task", 0, 1, 0, 0, 0, 1, 1.0)]
    assert ask(tasks(), "retries", since="2026-11-02") == []


def test_a_day_is_unlike_its_week_by_its_distance_in_deviations() -> None:
    """Messages 1, 3, 1, 3, 1, 3, 2, then 12, all in one session.

    Their mean is 2, their deviation (1 + 1 + 1 + 1 + 1 + 1 + 0) / 6 = 1, so 12 is 10 deviations away. One
    session a day deviates by nothing, which counts as a tenth of the mean.
    """
    history = History()
    for day, count in enumerate((1, 3, 1, 3, 1, 3, 2, 12), 1):
        for _ in range(count):
            said(history, "s", at(day))

    assert ask(history, "anomalies") == [(date(2026, 11, 8), "messages", 12.0, 2.0, 1.0, 10.0)]
    assert ask(history, "anomalies", threshold=10.5) == []
    assert [row[1:] for row in ask(history, "anomalies", threshold=0)] == [
        ("messages", 12.0, 2.0, 1.0, 10.0),
        ("sessions", 1.0, 1.0, 0.0, 0.0),
    ]


def test_days_without_anything_count_as_days() -> None:
    """Six silent ones and one of seven messages have a mean of 1. After a silent week none is judged."""
    history = History()
    for _ in range(7):
        said(history, "s", at(1))
    said(history, "s", at(8))
    said(history, "s", at(17))

    found = {row[:2]: row[2:5] for row in ask(history, "anomalies", threshold=0)}
    assert found[date(2026, 11, 8), "messages"] == (1.0, 1.0, pytest.approx(7**0.5))
    assert {day.day for day, _ in found} == {*range(8, 16)}
