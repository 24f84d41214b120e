"""Messages in and out, exactly."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from agentlog.errors import BadInput, FormatTooNew
from agentlog.message import new_message, read_message
from eventlog.envelope import Event, Stream, StreamId
from eventlog.events import MessageAppended, Usage, new
from tests.support.histories import json_values

STREAM = StreamId("", "session", "main")
ID = "01a2026d-e755-7000-8380-0fec7bf211dd"


def there_and_back(message, **fields):
    """Append a message in thought, and read it."""
    said = new(STREAM, new_message(message, id=ID, **fields), id=ID)
    return read_message(placed(said.type, said.schema, said.data, said.encoding))


def placed(type, schema, data, encoding=None):
    return Event(
        position=7, tenant="", stream=Stream("session", "main"), version=3, type=type, schema=schema, id=ID,
        time="2026-11-22T07:44:36.123456Z", encoding=encoding, data=Raw(data), meta=Raw(b"{}"),
    )  # fmt: skip


@given(content=json_values, extra=st.dictionaries(st.text(max_size=8), json_values, max_size=4))
def test_a_message_comes_back_as_it_was_appended(content, extra):
    """Whatever a provider calls a message: content is opaque, and members nobody knows are kept."""
    message = {**extra, "role": "user", "content": content}

    found = there_and_back(message)

    assert found.message == message
    assert found.content == content
    assert found.source is None


def test_lone_surrogates_and_huge_numbers_come_back():
    """Seen in tool output; the line holds them as base64."""
    message = {"role": "tool", "content": "a\ud800b\x00", "tool_call_id": "\udfff", "n": 10**400}

    assert there_and_back(message).message == message


def test_the_messages_own_id_is_its_id_unless_another_is_given():
    """Providers name their messages; what has no name gets one."""
    assert there_and_back({"role": "user", "content": "x", "id": "msg_1"}).message_id == "msg_1"
    assert there_and_back({"role": "user", "content": "x", "id": "m"}, message_id="n").message_id == "n"
    assert there_and_back({"role": "user", "content": "x", "id": 5}).message_id == ID
    assert there_and_back({"role": "user", "content": "x"}).message_id == ID


def test_usage_and_cost_are_exact():
    """A float would not be."""
    found = there_and_back({"role": "assistant", "content": ""}, usage={"output_tokens": 5}, cost="0.1")

    assert found.usage == Usage(output_tokens=5)
    assert found.cost == Decimal("0.1")


@pytest.mark.parametrize(
    ("message", "fields", "said"),
    [
        ({"content": "x"}, {}, "role"),
        ({"role": 5, "content": "x"}, {}, "role"),
        ("hello", {}, "dict"),
        ({"role": "user"}, {"usage": {"tokens": 5}}, "'tokens'"),
        ({"role": "user"}, {"usage": {"input_tokens": "five"}}, "usage"),
        ({"role": "user"}, {"cost": 0.1}, "float"),
        ({"role": "user"}, {"cost": "much"}, "much"),
        ({"role": "user"}, {"cost": "1e999999"}, r"cost '1e999999' must be finite, below 10\^8"),
        ({"role": "user"}, {"cost": 10**8}, "below 10"),
        ({"role": "user"}, {"cost": "1e-51"}, "at most 50 digits"),
        ({"role": "user"}, {"cost": Decimal("NaN")}, "must be finite"),
        ({"role": "user"}, {"cost": "-0.1"}, "cost of a message is -0.1"),
        ({"role": "user"}, {"usage": {"output_tokens": -1}}, "output_tokens of a message is -1"),
    ],
)
def test_what_is_no_message_is_refused_in_words(message, fields, said):
    """Before anything is written."""
    with pytest.raises(BadInput, match=said):
        new_message(message, id=ID, **fields)


def test_a_message_may_correct_others_of_its_response():
    """Where a source splits one response, a later part may say less than an earlier one did."""
    found = there_and_back(
        {"role": "assistant", "content": ""}, usage={"output_tokens": -5}, cost="-0.1", response_id="r"
    )
    assert (found.usage, found.cost) == (Usage(output_tokens=-5), Decimal("-0.1"))


def test_other_events_are_no_messages():
    """A stream holds more than messages."""
    assert read_message(placed("session_created", 1, b"{}")) is None


def test_a_message_that_cannot_be_read_is_not_left_out():
    """A window with a hole would be taken for the whole."""
    for schema, data in [(2, b'{"said":"x"}'), (1, b'{"role":"user"}')]:
        with pytest.raises(FormatTooNew, match="position 7"):
            read_message(placed("message_appended", schema, data))


def test_what_an_importer_kept_of_its_source_shows_in_the_message():
    """An imported message reads like an appended one, and the rest of its record is there as well."""
    source = Raw(b'{"cwd":"/","message":{"type":"message"}}')
    said = MessageAppended("m", "assistant", Raw(b'"x"'), source=source)
    made = new(STREAM, said, id=ID)

    found = read_message(placed(made.type, 1, made.data))

    assert found.message == {"type": "message", "role": "assistant", "content": "x"}
    assert found.source == {"cwd": "/", "message": {"type": "message"}}
