"""A message holds its record: each value once, and the record can be had back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventlog.events import MessageAppended, Usage
from replay.imports.original import original_record
from tests.replay.imports.transcripts import SESSION_ID, answered, convert, dump, envelope, plain, read, said


def event_of(record: Any) -> Any:
    (event,) = convert(record)
    return event


def test_an_assistant_record_becomes_a_message_field_by_field() -> None:
    """What is in a field is not in `source` a second time; raw usage is, since it says more."""
    record = answered(
        4, parentUuid="uuid-3", requestId="req_1", toolUseResult={"a": 1}, message={"stop_reason": "end_turn"}
    )
    event = event_of(record)
    message = read(event)
    assert isinstance(message, MessageAppended)
    assert (message.message_id, message.parent_id, message.role) == ("uuid-4", "uuid-3", "assistant")
    assert (message.model, message.response_id, message.request_id) == ("claude-model-a", "msg_1", "req_1")
    assert (message.stop_reason, message.sidechain, message.compact_summary) == ("end_turn", False, False)
    assert message.usage == Usage(3, 7, 1000, 50)
    assert plain(message.content) == [{"type": "text", "text": "answer 4"}]
    assert event.occurred_at == "2026-01-02T03:04:04.006000Z"
    assert plain(message.source) == {
        "cwd": "/home/ada/project",
        "version": "2.1.39",
        "gitBranch": "main",
        "toolUseResult": {"a": 1},
        "message": {"usage": record["message"]["usage"]},
    }


def test_flags_become_fields() -> None:
    """Inline sub-agents and the summary after a compaction."""
    assert read(event_of(said("a", isSidechain=True))).sidechain
    assert read(event_of(said("a", isCompactSummary=True))).compact_summary
    assert not read(event_of(said("a", isCompactSummary=False))).compact_summary


@pytest.mark.parametrize("field", ["uuid", "sessionId", "requestId", "parentUuid"])
def test_an_empty_name_comes_back_empty(field: str) -> None:
    """A message needs an id, so one without gets the event's; the record keeps what it had."""
    record = said("hi", **{field: ""})
    assert original_record(convert(json.dumps(record).encode())[0], session=SESSION_ID) == record


odd = st.sampled_from(
    [None, True, 7, 1.5, "", "x", "user", [], ["x"], {}, {"role": "user"}, "\ud800", "2026-01-02T03:04:05Z"]
)
flags = st.sampled_from(["isSidechain", "isCompactSummary", "todos", "cwd", "extra", "source"])
names = flags | st.sampled_from(["uuid", "parentUuid", "sessionId", "timestamp", "requestId", "message"])
inner_names = st.sampled_from(["role", "content", "model", "id", "stop_reason", "usage", "type", "extra"])


@given(
    st.sampled_from([said("hi"), answered()]),
    st.dictionaries(names, odd, max_size=3),
    st.lists(names, max_size=3),
    st.dictionaries(inner_names, odd, max_size=3),
    st.lists(inner_names, max_size=2),
)
def test_the_record_can_be_had_back_whatever_its_fields_hold(
    record: dict[str, Any],
    changed: dict[str, Any],
    dropped: list[str],
    inner_changed: dict[str, Any],
    inner_dropped: list[str],
) -> None:
    """Wrong types, absent fields, null instead of absent: nothing is lost, nothing is made up."""
    message = {**record["message"], **inner_changed}
    record = {
        **record,
        "message": {name: message[name] for name in message if name not in inner_dropped},
        **changed,
    }
    record = {name: value for name, value in record.items() if name not in dropped}
    events = convert(json.dumps(record).encode())
    assert original_record(events[0], session=SESSION_ID) == record


@pytest.mark.parametrize(
    "stamp",
    [
        "2026-01-02T03:04:05.006Z",
        "2026-01-02T03:04:05Z",
        "2026-01-02T03:04:05.006007Z",
        "2026-01-02T04:04:05.006+01:00",
        "yesterday",
        "2026-01-02T03:04:05",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59.999Z",
        "",
    ],
)
def test_a_timestamp_of_any_form_comes_back(stamp: str) -> None:
    """Only the usual form is left out of `source`."""
    record = said("a", timestamp=stamp)
    assert original_record(event_of(record), session=SESSION_ID) == record


@pytest.mark.parametrize("stamp", ["yesterday", "2026-01-02T03:04:05", "0001-01-01T00:00:00+23:59", None, 7])
def test_a_time_that_cannot_be_read_is_none(stamp: Any) -> None:
    """No time zone is no time; a made-up one would be worse than none."""
    assert event_of(said("a", timestamp=stamp)).occurred_at is None


def test_a_name_that_occurs_twice_keeps_the_whole_line() -> None:
    """Whichever value a reader takes, both are there."""
    line = dump(said("a"))[:-1] + b',"cwd":"/elsewhere"}'
    assert bytes(read(event_of(line)).source) == line
    nested = dump(said("a")).replace(b'"role":', b'"role":"system","role":')
    assert bytes(read(event_of(nested)).source) == nested


def test_numbers_and_spelling_stay_as_written() -> None:
    """Content and source are verbatim."""
    line = dump(said("CONTENT", extra="EXTRA")).replace(
        b'"CONTENT"', b'[1.0,12345678901234567890123,"\\u00e9"]'
    )
    line = line.replace(b'"EXTRA"', b"1E5")
    message = read(event_of(line))
    assert bytes(message.content) == b'[1.0,12345678901234567890123,"\\u00e9"]'
    assert b'"extra":1E5' in bytes(message.source)


def test_a_message_that_is_no_object_is_kept_as_a_record() -> None:
    """As seen in a hand-written fixture."""
    record = envelope("user", message="error")
    event = event_of(record)
    assert event.type == "record_kept"
    assert original_record(event, session=SESSION_ID) == record
