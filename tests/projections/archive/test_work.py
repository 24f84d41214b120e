"""What agents did, as views: tool calls with their results, queue items, generations, compactions."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from eventlog.events import (
    QUEUE_ITEM,
    ConversationCompacted,
    GenerationStarted,
    ItemCancelled,
    ItemClaimed,
    ItemCompleted,
    ItemEnqueued,
    ItemFailed,
    ItemInterrupted,
    ItemReleased,
    raw,
)
from projections.queue import QUEUE_ITEMS
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


item_events = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.one_of(
            st.builds(ItemEnqueued, st.just(raw("x")), st.none() | st.just("s"), st.integers(-1, 2)),
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


@settings(max_examples=30, deadline=None)
@given(item_events)
def test_queue_items_are_what_the_live_table_has(steps: list[tuple[str, Any]]) -> None:
    """In any order of events: the log takes them as they come."""
    history, live = History(), dict[str, Any]()
    for item, event in steps:
        placed = history.say(item, event, kind=QUEUE_ITEM)
        live[item] = QUEUE_ITEMS.evolve(live.get(item), placed, placed.version)
    with TemporaryDirectory() as directory, history.connect(Path(directory)) as connection:
        rows = connection.sql(
            "select item, session, status, priority, worker, attempts, reason from queue_items"
        ).rows()
    assert sorted(rows) == sorted(
        (item, one.session, one.status, one.priority, one.worker, one.attempts, one.reason)
        for item, one in live.items()
    )


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
