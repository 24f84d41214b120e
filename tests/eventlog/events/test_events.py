"""Events: what was written is read back, for ever, and what cannot be read never raises."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import Raw

from eventlog.envelope import check_stream
from eventlog.errors import BadInput, BadPayload
from eventlog.events import (
    EVENT_TYPES,
    SCHEMAS,
    ConversationCompacted,
    ItemEnqueued,
    MessageAppended,
    SessionCreated,
    Todo,
    TodosReplaced,
    UnknownEvent,
    Usage,
    decode_event,
    event_type,
    new,
    raw,
)
from eventlog.payload import exact_json
from tests.support.histories import EVENT_ID, encoded, events

STREAM = check_stream("acme", "session", "agent:main")
GOLDEN = Path(__file__).parents[2] / "golden" / "events"
LINES = [
    (path.name.split(".")[0], int(path.name.split(".")[1]), line)
    for path in sorted(GOLDEN.glob("*.jsonl"))
    for line in path.read_bytes().splitlines()
]


@pytest.mark.parametrize(("type", "schema", "line"), LINES)
def test_every_released_shape_is_still_read(type: str, schema: int, line: bytes) -> None:
    """Old data stays readable: golden lines are never regenerated."""
    event = decode_event(type, schema, line, None)
    assert isinstance(event, EVENT_TYPES[type])
    if schema == SCHEMAS[type]:
        assert msgspec.json.encode(event) == line
        assert new(STREAM, event, id=EVENT_ID).data == line


def test_every_schema_of_every_type_has_a_golden_file() -> None:
    """A new event, or a new schema, comes with its golden lines: one with every field, one with few."""
    expected = {(type, schema) for type, present in SCHEMAS.items() for schema in range(1, present + 1)}
    assert {(type, schema) for type, schema, _ in LINES} == expected
    for type, present in SCHEMAS.items():
        lines = [line for name, schema, line in LINES if (name, schema) == (type, present)]
        # A field that was added to a shape comes with a line of its own; lines of before stay.
        assert set(EVENT_TYPES[type].__struct_fields__) in [set(msgspec.json.decode(line)) for line in lines]


def test_the_name_of_an_event_is_its_class_in_snake_case() -> None:
    """Type names are the public format; a renamed class must not rename them unseen."""
    assert event_type(MessageAppended) == "message_appended"
    assert list(EVENT_TYPES) == sorted(EVENT_TYPES, key=list(EVENT_TYPES).index)
    assert set(EVENT_TYPES) == {
        "session_created", "session_updated", "session_ended", "session_deleted", "record_kept",
        "alias_set", "alias_removed",
        "message_appended", "message_edited", "messages_removed", "head_moved", "conversation_cleared",
        "usage_recorded", "conversation_compacted", "summary_recorded", "generation_started",
        "item_enqueued", "item_merged", "item_claimed", "item_released", "item_completed", "item_failed",
        "item_interrupted", "item_cancelled", "turn_taken",
        "task_enqueued", "task_merged", "task_claimed", "task_progressed", "task_released", "task_completed",
        "task_failed", "task_died", "task_expired", "task_cancelled", "task_revived", "task_notified",
        "todos_replaced",
        "key_set", "key_deleted", "pairing_requested", "pairing_approved", "pairing_removed",
        "permission_granted", "permission_revoked",
        "plan_saved", "plan_approved", "plan_started", "plan_completed", "plan_failed", "plan_cleared",
        "job_enqueued", "job_updated", "job_poll_claimed", "job_polled", "job_poll_failed", "job_completed",
        "job_failed", "job_timed_out", "job_cancelled", "job_delivery_claimed", "job_delivered",
        "job_delivery_failed", "job_deleted",
        "schedule_set", "schedule_deleted", "schedule_paused", "schedule_resumed", "schedule_fired",
        "schedule_skipped", "schedule_triggered", "schedules_replaced",
        "effect_delivered",
    }  # fmt: skip


@settings(deadline=None)
@given(events)
def test_an_event_is_read_back_as_it_was_made(event: Any) -> None:
    """Unless its payload had to be encoded: then the shape is what can be read."""
    made = encoded(event)
    back = decode_event(made.type, made.schema, made.data, made.encoding)
    assert isinstance(back, type(event))
    if made.encoding is None:
        assert back == event


@settings(deadline=None)
@given(
    type=st.sampled_from(sorted(EVENT_TYPES)) | st.text(max_size=5),
    schema=st.integers(-1, 3),
    data=st.binary(max_size=40) | st.sampled_from([line for _, _, line in LINES]),
    encoding=st.sampled_from([None, "base64", "rot13"]),
)
@example("message_appended", 1, b"[" * 100_000, None)
@example("message_appended", 1, b'{"message_id":"\xff","role":"user","content":1}', None)
@example("message_appended", 1, b'{"message_id":"\\ud800","role":"user","content":1}', None)
@example("message_appended", 1, b'"W10="', "base64")
@example("session_created", 1, b'{"expires_at":"2026-02-30T00:00:00Z"}', None)
@example("session_created", 1, b'{"title":"a"', None)
@example("item_claimed", 1, b'{"worker":"w","lease_s":1e400}', None)
def test_reading_an_event_never_raises(type: str, schema: int, data: bytes, encoding: str | None) -> None:
    """Whatever stands in the log must not stop a rebuild."""
    event = decode_event(type, schema, data, encoding)
    known = type in EVENT_TYPES and schema == 1
    assert isinstance(event, UnknownEvent) or (known and isinstance(event, EVENT_TYPES[type]))


def test_an_unknown_event_says_what_is_unknown() -> None:
    """For whoever looks at a log that a newer release wrote."""
    assert decode_event("moon_landed", 1, b"{}", None) == UnknownEvent(
        "moon_landed", 1, "this release does not know the type"
    )
    assert decode_event("session_ended", 7, b"{}", None) == UnknownEvent(
        "session_ended", 7, "this release knows schema 1"
    )
    unknown = decode_event("session_ended", 1, b'{"reason":3}', None)
    assert isinstance(unknown, UnknownEvent)
    assert unknown.reason == "Expected `str | null`, got `int` - at `$.reason`"


def test_fields_of_a_later_release_are_ignored() -> None:
    """A field may be added without a new schema: the older release reads the rest."""
    data = b'{"message_id":"1","role":"user","content":"hi","mood":{"new":true}}'
    assert decode_event("message_appended", 1, data, None) == MessageAppended("1", "user", raw("hi"))


def message(**fields: Any) -> MessageAppended:
    return MessageAppended(**{"message_id": "1", "role": "user", "content": raw("hi"), **fields})


@pytest.mark.parametrize(
    ("event", "complaint"),
    [
        (message(message_id=5), "Expected `str`, got `int` - at `$.message_id`"),
        (message(usage=Usage(10**15)), "Expected `int` <= 2147483647"),
        (message(cost=Decimal("NaN")), "cost of message_appended is NaN"),
        (message(cost=Decimal("Infinity")), "cost of message_appended is Infinity"),
        (message(content=Raw(b"")), "content of message_appended: data is not JSON"),
        (message(content=Raw(b"NaN")), "content of message_appended: data is not JSON"),
        (message(content=Raw(b'"\xff"')), "content of message_appended: data is not UTF-8"),
        (message(content=Raw(b'1,"role":"system"')), "content of message_appended: data is not JSON"),
        (SessionCreated(expires_at=datetime(2026, 1, 1)), "with a timezone component"),
        (ConversationCompacted(tokens_before=-1), "Expected `int` >= 0"),
        (ItemEnqueued(raw(1), priority=2**31), "Expected `int` <= 2147483647"),
    ],
)
def test_what_could_not_be_read_back_is_refused(event: Any, complaint: str) -> None:
    """Before it is in the log, where nobody can change it; a Raw cannot smuggle in another field."""
    with pytest.raises(BadPayload) as refused:
        new(STREAM, event, id=EVENT_ID)
    assert complaint in str(refused.value)


def test_what_is_no_event_is_refused() -> None:
    """A struct of the vocabulary that is not an event by itself."""
    with pytest.raises(BadInput, match="Usage is no event"):
        new(STREAM, Usage(), id=EVENT_ID)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "content",
    [b'"\\ud800"', b'{"a":1e400}', b"[" * 129 + b"]" * 129, b'{"a":[1,2]}', b"12345678901234567890"],
)
def test_content_comes_back_exactly(content: bytes) -> None:
    """Invariant 9: content is opaque and exact, whichever way it has to travel."""
    made = new(STREAM, message(content=Raw(content)), id=EVENT_ID)
    assert content in exact_json(made.data, made.encoding)
    assert isinstance(decode_event(made.type, 1, made.data, made.encoding), MessageAppended)


def test_white_space_around_and_inside_of_a_raw_is_compacted() -> None:
    """An event is one line, and `Raw` is copied as it is."""
    made = new(STREAM, message(content=Raw(b' {"a": 1,\n "b": 2} ')), id=EVENT_ID)
    assert made.data == b'{"message_id":"1","role":"user","content":{"a":1,"b":2}}'


def test_text_with_a_lone_surrogate_next_to_a_raw_is_kept() -> None:
    """msgspec refuses the one, the standard library the other; the event needs both."""
    made = new(STREAM, SessionCreated(title="\ud800", config=Raw(b'{"a":0.10}')), id=EVENT_ID)
    assert exact_json(made.data, made.encoding) == b'{"title":"\\ud800","config":{"a":0.10}}'
    back = decode_event(made.type, 1, made.data, made.encoding)
    assert back == SessionCreated(title="\ufffd", config=Raw(b'{"a":0.10}'))


def test_a_list_is_as_good_as_a_tuple() -> None:
    """For callers that do not look at the type."""
    made = new(STREAM, TodosReplaced([Todo("a", "pending")]), id=EVENT_ID)  # type: ignore[arg-type]
    assert made.data == b'{"todos":[{"content":"a","status":"pending"}]}'
