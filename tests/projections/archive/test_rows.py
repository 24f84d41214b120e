"""Events become rows, exactly."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from eventlog.envelope import Event, StreamId, new_event
from eventlog.events import (
    SESSION,
    ConversationCompacted,
    GenerationStarted,
    RecordKept,
    SessionCreated,
    SessionEnded,
    Usage,
    decode_event,
    raw,
)
from eventlog.payload import decode_payload
from projections.archive.columns import EventRow, MessageRow, SessionChangeRow
from projections.archive.rows import Cursor, Rows, event_row, rows_of
from tests.projections.archive.history import History


def said(event: Event) -> Any:
    return decode_event(event.type, event.schema, event.data, event.encoding)


def test_an_event_row_is_the_line() -> None:
    """`data` and `meta` verbatim: numbers to the digit, fields in their order."""
    history = History()
    event = history.place(
        new_event(
            StreamId("acme", "queue_item", "q:1"), "odd_thing",
            Raw(b'{"b":1.10,"a":12345678901234567890123}'),
            id=history.next_id(), schema=3, meta=b'{"host":"h"}', occurred_at="2025-01-02T03:04:05.000000Z",
        )
    )  # fmt: skip
    assert rows_of(event, Cursor()) == (
        Rows(
            EventRow(
                position=1, tenant="acme", kind="queue_item", key="q:1", version=1, type="odd_thing",
                schema=3, id=event.id, time="2026-11-22T07:44:37.123456Z",
                occurred_at="2025-01-02T03:04:05.000000Z",
                data='{"b":1.10,"a":12345678901234567890123}', meta='{"host":"h"}',
            ),
            None,
            None,
        ),
        Cursor(),
    )  # fmt: skip


def test_a_message_row_has_every_field_of_the_message_and_its_place() -> None:
    """Nothing a message says about itself is left out."""
    event = History().message(
        "s", [{"type": "text", "text": "hi"}], tenant="acme", message_id="m", role="assistant",
        parent_id="p", model="claude-sonnet-4-5", response_id="r", request_id="q", stop_reason="end_turn",
        usage=Usage(1, 2, 3, 4, 5), cost=Decimal("0.1234567890123"), sidechain=True, compact_summary=True,
        source=raw({"cwd": "/"}),
    )  # fmt: skip
    made, cursor = rows_of(event, Cursor(2, 7))
    assert cursor == Cursor(2, 8)
    assert made.message == MessageRow(
        position=1, tenant="acme", session="s", version=1, generation=2, seq=7, message_id="m",
        parent_id="p", role="assistant", text="hi", attachments=0, model="claude-sonnet-4-5",
        response_id="r", request_id="q", stop_reason="end_turn", input_tokens=1, output_tokens=2,
        cache_read_tokens=3, cache_write_tokens=4, reasoning_tokens=5, cost="0.1234567890", sidechain=True,
        compact_summary=True, time="2026-11-22T07:44:37.123456Z", day="2026-11-22",
        bytes=len(bytes(event.data)), source='{"cwd":"/"}', event_id=event.id, event_schema=1, meta="{}",
    )  # fmt: skip
    assert (made.event, made.change) == (None, None), "its payload stands in its row alone"


def test_the_day_is_that_of_the_source() -> None:
    """An import of last year's transcripts belongs to last year."""
    history = History()
    event = history.say(
        "s",
        said(history.message("s")),
        occurred_at="2025-12-31T23:59:59.999999Z",
    )
    message = rows_of(event, Cursor())[0].message
    assert message is not None
    assert message.day == "2025-12-31"


def test_generation_and_seq_count_messages_over_compactions_and_generations() -> None:
    """Compaction hides messages and starts nothing; only a generation starts over."""
    history = History()
    for event in (
        None, ConversationCompacted(), None, GenerationStarted(1, 2), None, None,
        GenerationStarted(7, 4), GenerationStarted(7, 4), GenerationStarted(3, 4), None,
    ):  # fmt: skip
        history.message("s") if event is None else history.say("s", event)
    cursor = Cursor()
    places = []
    for event in history.events():
        made, cursor = rows_of(event, cursor)
        if made.message is not None:
            places.append((made.message.generation, made.message.seq))
    assert places == [(0, 0), (0, 1), (1, 0), (1, 1), (9, 0)]
    assert len(set(places)) == len(places)


def test_a_message_of_a_newer_schema_keeps_its_place_without_content() -> None:
    """The messages after it must not change their seq when the release that reads it arrives."""
    history = History()
    data = {"message_id": "m", "role": "user", "content": "x"}
    event = history.place(
        new_event(StreamId("", SESSION, "s"), "message_appended", data, id=history.next_id(), schema=9)
    )
    made, cursor = rows_of(event, Cursor())
    assert cursor == Cursor(0, 1)
    assert made.message is not None
    assert (made.message.role, made.message.text, made.message.seq) == (None, None, 0)


def test_a_message_on_a_stream_of_another_kind_is_no_message_of_a_session() -> None:
    """A queue item called like a session must not add to it."""
    history = History()
    event = history.say("s", said(history.message("s")), kind="queue_item")
    assert rows_of(event, Cursor(1, 1)) == (Rows(event_row(event), None, None), Cursor(1, 1))


def test_changes_of_a_session_say_what_they_give_and_no_more() -> None:
    """NULL means "nothing said", so that the last value given can be found."""
    history = History()
    created = rows_of(history.say("s", SessionCreated(title="T", parent="p")), Cursor())[0].change
    ended = rows_of(history.say("s", SessionEnded()), Cursor())[0].change
    kept = rows_of(history.say("s", RecordKept("codex", raw({"x": 1}))), Cursor())[0].change
    assert created == SessionChangeRow(
        position=1, tenant="", session="s", version=1, type="session_created", title="T", state="active",
        parent="p", time="2026-11-22T07:44:37.123456Z",
    )  # fmt: skip
    assert ended is not None
    assert (ended.state, ended.title) == ("ended", None)
    assert kept is not None
    assert (kept.type, kept.state) == ("record_kept", None)


@pytest.mark.parametrize("cost", ["1e9", "-123456789.5", "1e-999999"])
def test_a_cost_that_no_column_holds_is_null_or_rounded(cost: str) -> None:
    """Any finite decimal may be in the log; the column has 8 digits before the point and 10 after."""
    message = rows_of(History().message("s", cost=Decimal(cost)), Cursor())[0].message
    assert message is not None
    assert message.cost in (None, "0.0000000000")


def test_an_encoded_payload_is_shown_as_strict_json_and_its_text_with_replacement_characters() -> None:
    """The log keeps the lone surrogate; readers of strict JSON and UTF-8 cannot."""
    history = History()
    message = rows_of(history.message("s", "cut \ud83d here"), Cursor())[0].message
    assert message is not None
    assert (message.text, message.encoding) == ("cut \ufffd here", "base64")
    kept = rows_of(history.say("s", RecordKept("codex", raw("cut \ud83d here"))), Cursor())[0].event
    assert kept is not None
    assert decode_payload(kept.data.encode(), None)["record"] == "cut \ufffd here"


def test_an_encoding_of_a_later_release_is_shown_as_it_stands() -> None:
    """What we cannot read must not stop the archive of all the rest."""
    history = History()
    history.message("s")
    line = history.say("s", RecordKept("codex", raw(1))).data
    history.lines = [line.replace(b'"data":', b'"encoding":"base91","data":') for line in history.lines]
    message, kept = (rows_of(event, Cursor())[0] for event in history.events())
    assert kept.event is not None
    assert kept.event.data == bytes(line).decode()
    assert message.message is not None
    assert message.message.text is None


@given(
    st.sampled_from(("message_appended", "generation_started", "session_created", "session_updated", "todo")),
    st.integers(1, 3),
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: st.dictionaries(
            st.sampled_from(("message_id", "role", "content", "usage", "generation", "title", "cost")),
            inner,
            max_size=5,
        ),
        max_leaves=8,
    ),
)
def test_rows_are_made_of_any_event_the_log_can_hold(type: str, schema: int, data: object) -> None:
    """The log takes any data under any type; the fold has no way to refuse it."""
    history = History()
    event = history.place(
        new_event(StreamId("", SESSION, "s"), type, data, id=history.next_id(), schema=schema)
    )
    made, cursor = rows_of(event, Cursor(4, 2))
    assert (made.message is not None) == (type == "message_appended")
    assert cursor >= Cursor(4, 2)
