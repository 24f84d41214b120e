"""What agents did, as views: tool calls with their results, queue items, tasks, generations, compactions."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from eventlog.events import (
    QUEUE_ITEM,
    TASK,
    ConversationCompacted,
    GenerationStarted,
    ItemCancelled,
    ItemClaimed,
    ItemCompleted,
    ItemEnqueued,
    ItemFailed,
    ItemInterrupted,
    ItemMerged,
    ItemReleased,
    TaskCancelled,
    TaskClaimed,
    TaskCompleted,
    TaskDied,
    TaskEnqueued,
    TaskExpired,
    TaskFailed,
    TaskMerged,
    TaskNotified,
    TaskProgressed,
    TaskReleased,
    TaskRevived,
    raw,
)
from projections.queue import QUEUE_ITEMS
from projections.task import TASKS
from tests.projections.archive.history import History


def call(id: str | None, tool: str, **input: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": id, "name": tool, "input": input}


def result(id: str | None, content: Any, is_error: bool = False) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": id, "content": content, "is_error": is_error}


def test_each_call_has_its_own_input_and_the_first_result_that_names_it(tmp_path: Path) -> None:
    """Several calls stand in one message, and their results in others; some are answered twice or never."""
    history = History()
    history.message("s", [call("a", "Bash", command="é\n\x00"), call("b", "Read", path="x")], model="m")
    history.message("t", [result("a", "of another session")])
    history.message("s", [result("b", "two\nlines"), result("a", "\U0001f600 no", is_error=True)])
    history.message("s", [result("a", "again"), result("nobody's", "x"), result(None, "y")])
    history.message("s", [call("c", "Bash", command=""), call(None, "Bash")])
    archive = history.archive(tmp_path)
    archive.build(3)
    with archive.connect(history.head) as connection:
        rows = connection.sql(
            "select position, place, call_id, tool, input, input_bytes, result_position, result,"
            " result_bytes, error, duration_s from tool_calls order by position, place"
        ).rows()
    inputs = ['{"command":"é\\n\\u0000"}', '{"path":"x"}', '{"command":""}', "{}"]
    assert rows == [
        (1, 0, "a", "Bash", inputs[0], len(inputs[0].encode()), 3, "\U0001f600 no", 7, True, 2.0),
        (1, 1, "b", "Read", inputs[1], 12, 3, "two\nlines", 9, False, 2.0),
        (5, 0, "c", "Bash", inputs[2], 14, None, None, None, None, None),
        (5, 1, None, "Bash", inputs[3], 2, None, None, None, None, None),
    ]


# Of which "" and a text that is too long name no session, and so refer to none.
names = st.sampled_from((None, "s", "", "é" * 600))

item_events = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.one_of(
            st.builds(ItemEnqueued, st.just(raw("x")), names, st.integers(-1, 2)),
            st.just(ItemMerged(raw("y"))),
            st.builds(ItemClaimed, st.sampled_from(("w1", "w2"))),
            st.just(ItemCompleted()),
            st.builds(ItemReleased, st.none() | st.just("died")),
            st.builds(ItemFailed, st.none() | st.just("broke")),
            st.builds(ItemInterrupted, st.just("b"), st.booleans()),
            st.builds(ItemCancelled, st.none() | st.sampled_from(("late", "lost"))),
        ),
    ),
    min_size=1,
    max_size=12,
)


times = st.datetimes(timezones=st.just(UTC))  # any that Python holds; a table holds a few days less
reasons = st.none() | st.sampled_from(("broke", "late"))
task_events = st.lists(
    st.tuples(
        st.sampled_from(("", "acme")),
        st.sampled_from("ab"),
        st.one_of(
            st.builds(
                TaskEnqueued, st.just(raw(["x"])), st.sampled_from(("default", "mail")), names,
                st.integers(-1, 2), st.none() | times, st.none() | times, lane=names,
                retries_max=st.sampled_from((0, 3)),
            ),
            st.just(TaskMerged(raw(["y"]))),
            # More often than the rest: little happens to what nobody has.
            st.builds(TaskClaimed, st.sampled_from(("w1", "w2"))),
            st.builds(TaskClaimed, st.sampled_from(("w1", "w2"))),
            st.builds(TaskProgressed, st.none() | st.integers(0, 9)),
            st.builds(TaskReleased, reasons),
            st.builds(TaskFailed, times, reasons),
            st.just(TaskCompleted()),
            st.builds(TaskDied, reasons),
            st.just(TaskExpired()),
            st.builds(TaskCancelled, reasons),
            st.builds(TaskRevived, st.none() | times),
            st.just(TaskNotified()),
        ),
    ),
    min_size=1,
    max_size=30,
)  # fmt: skip

ITEM_COLUMNS = ("session", "status", "priority", "worker", "attempts", "reason")
TASK_COLUMNS = (
    "session", "queue", "lane", "status", "priority", "run_at", "expires_at", "worker", "attempts", "retries",
    "retries_max", "releases", "turn", "merged", "notified", "reason",
)  # fmt: skip
Live = dict[tuple[str, str], Any]


def assert_shown(
    history: History,
    live: Live,
    view: str,
    columns: tuple[str, ...],
    *,
    built: int = 0,
    tenant: str | None = None,
) -> None:
    """A view has one row per state, and in it what the state has. What comes after `built` is in no file."""
    key = view.removesuffix("s").removeprefix("queue_")
    query = f"select tenant, {key}, last_position, {', '.join(columns)} from {view}"
    last = {(event.tenant, event.stream.key): event.position for event in history.events()}
    with TemporaryDirectory() as directory:
        archive = history.archive(Path(directory))
        archive.build(built)
        with archive.connect(history.head, tenant=tenant) as connection:
            shown = {row[:2]: row[2:] for row in connection.sql(query).rows()}
    assert shown == {
        at: (last[at], *(getattr(one, column) for column in columns))
        for at, one in live.items()
        if tenant in (None, at[0])
    }


@settings(max_examples=30, deadline=None)
@given(item_events)
def test_queue_items_are_what_the_live_table_has(steps: list[tuple[str, Any]]) -> None:
    """In any order of events: the log takes them as they come."""
    history, live = History(), Live()
    for item, event in steps:
        placed = history.say(item, event, kind=QUEUE_ITEM)
        live["", item] = QUEUE_ITEMS.evolve(live.get(("", item)), placed, placed.version)
    assert_shown(history, live, "queue_items", ITEM_COLUMNS)


@settings(max_examples=30, deadline=None)
@given(task_events, st.integers(0, 30), st.sampled_from((None, "acme")))
def test_tasks_are_what_the_live_table_has(
    steps: list[tuple[str, str, Any]], built: int, seen: str | None
) -> None:
    """In any order of events, in files or not; whoever sees one tenant sees the tasks of that one."""
    history, live = History(), Live()
    for tenant, task, event in steps:
        placed = history.say(task, event, kind=TASK, tenant=tenant)
        live[tenant, task] = TASKS.evolve(live.get((tenant, task)), placed, placed.version)
    assert_shown(history, live, "tasks", TASK_COLUMNS, built=min(built, history.head), tenant=seen)


def test_waiting_and_running_are_told_apart(tmp_path: Path) -> None:
    """Seconds, by the log's own times; from the last time the item was enqueued."""
    history = History()
    for event in (
        ItemEnqueued(raw(1)), ItemClaimed("w"), ItemCompleted(), ItemEnqueued(raw(1)), ItemEnqueued(raw(2)),
        ItemClaimed("w"), ItemClaimed("v"), ItemCompleted(), ItemClaimed("u"),
    ):  # fmt: skip
        history.say("i", event, kind=QUEUE_ITEM)
    with history.connect(tmp_path) as connection:
        [row] = connection.sql("select * from queue_items").dicts()
    assert (row["wait_s"], row["run_s"], row["worker"], row["attempts"]) == (1.0, 1.0, "v", 3)


def test_a_task_waits_from_when_it_is_due_and_runs_from_its_last_claim(tmp_path: Path) -> None:
    """What was put off on purpose is no wait; a revived task waits and runs again."""
    history, due = History(), datetime(2026, 11, 22, 12, tzinfo=UTC)
    for task, clock, event in (
        ("t", "11:00:00", TaskEnqueued(raw([]), run_at=due)),
        ("t", "12:00:05", TaskClaimed("w")),
        ("t", "12:00:10", TaskFailed(due.replace(minute=30), "broke")),
        ("t", "12:30:00", TaskClaimed("v")),
        ("t", "12:30:07", TaskCompleted()),
        ("r", "11:00:00", TaskEnqueued(raw([]))),
        ("r", "11:00:00", TaskDied()),
        ("r", "12:00:00", TaskRevived()),
        ("r", "12:00:01", TaskClaimed("w")),
    ):
        history.say(task, event, kind=TASK, occurred_at=f"2026-11-22T{clock}.000000Z")
    with history.connect(tmp_path) as connection:
        revived, twice = connection.sql("select * from tasks order by task").dicts()
    assert (twice["wait_s"], twice["run_s"], twice["retries"], twice["attempts"]) == (5.0, 7.0, 1, 2)
    assert (twice["enqueued_at"].hour, twice["first_claimed_at"].second, twice["revived_at"]) == (11, 5, None)
    assert (revived["enqueued_at"].hour, revived["revived_at"], revived["wait_s"]) == (11, due, 1.0)
    assert (revived["finished_at"], revived["run_s"], revived["status"]) == (None, None, "running")


def test_what_nobody_has_when_it_ends_has_not_run(tmp_path: Path) -> None:
    """It waited: between a release or a failure and its end nothing was done."""
    history = History()
    for event in (ItemEnqueued(raw(1)), ItemClaimed("w"), ItemReleased(), ItemCancelled()):
        history.say("i", event, kind=QUEUE_ITEM)
    for event in (TaskEnqueued(raw([])), TaskClaimed("w"), TaskFailed(datetime.now(UTC)), TaskExpired()):
        history.say("t", event, kind=TASK)
    with history.connect(tmp_path) as connection:
        for view in ("queue_items", "tasks"):
            [row] = connection.sql(f"select run_s, finished_at, last_claimed_at from {view}").rows()
            assert row[0] is None, view
            assert None not in row[1:], view


def test_generations_and_compactions_have_a_row_each(tmp_path: Path) -> None:
    """Also a generation in which nothing was said yet."""
    history = History()
    history.message("s", "one")
    history.message("s", "two")
    history.say("s", ConversationCompacted(trigger="auto", tokens_before=900, tokens_after=100))
    history.say("s", GenerationStarted(1, 2))
    with history.connect(tmp_path) as connection:
        generations = connection.sql(
            "select generation, messages, first_position, last_position, started_position from generations"
            " order by generation"
        ).rows()
        compactions = connection.sql(
            "select session, trigger, tokens_before, tokens_saved, position from compactions"
        ).rows()
    assert generations == [(0, 2, 1, 2, None), (1, 0, None, None, 4)]
    assert compactions == [("s", "auto", 900, 800, 3)]
