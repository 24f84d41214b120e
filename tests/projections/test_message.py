"""One message: what was appended, and what edits make of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from eventlog.errors import BadPayload, FormatTooNew
from eventlog.events import MessageAppended, MessageEdited, Usage, raw
from projections.message import Message, add_usage, exact_fields, read_message, with_edit


def message(**fields: Any) -> Message:
    said = MessageAppended("m", "user", raw("hi"), **fields)
    return Message(said, None, 1, 1, 0)


def test_an_edit_gives_fields_adds_up_and_clears() -> None:
    """Names that are no field mean nothing: an event may come from another release."""
    edit = MessageEdited(
        "m", role="tool", content=raw([1]), usage=Usage(-1, 2), cost=Decimal("-0.1"),
        cleared=("model", "mood", "message_id"),
    )  # fmt: skip
    found = with_edit(message(model="x", usage=Usage(3), cost=Decimal("0.3")), edit, 9, None)

    assert (found.role, found.content, found.model, found.message_id) == ("tool", [1], None, "m")
    assert (found.usage, found.cost, found.edited_version) == (Usage(2, 2), Decimal("0.2"), 9)
    assert with_edit(message(), MessageEdited("m", cleared=("content",)), 2, None).content is None
    assert with_edit(message(), edit, 2, None).cost == Decimal("-0.1")


def test_usage_is_added_and_subtracted_kind_by_kind() -> None:
    """None is nothing."""
    assert add_usage(None, Usage(1, 2, 3, 4, 5)) == Usage(1, 2, 3, 4, 5)
    assert add_usage(Usage(5, 5, 5, 5, 5), Usage(1, 2, 3, 4, 5), -1) == Usage(4, 3, 2, 1, 0)


def test_opaque_values_that_strict_json_cannot_say_are_kept_exactly() -> None:
    """They are decoded from the payload as it stands, and go back as they were."""
    assert exact_fields(b"{}", None) is None
    odd = message().changed(content="\ud800", metadata=None)

    assert (odd.content, odd.metadata) == ("\ud800", None)
    assert bytes(odd.exactly().content) == b'"\\ud800"'
    with pytest.raises(BadPayload):
        message().changed(content=float("nan"))
    with pytest.raises(TypeError):
        message().changed(mood="good")


def test_what_comes_back_is_decoded_anew_at_each_look() -> None:
    """Whoever changes it changes no message."""
    one = message(metadata=raw({"a": []}), source=raw({"message": {"name": "n"}}))
    one.metadata["a"].append(1)

    assert one.metadata == {"a": []}
    assert (one.message, one.source) == ({"name": "n", "role": "user", "content": "hi"}, None)
    assert one.asdict()["time"] == "1970-01-01T00:00:00.000000Z"


@pytest.mark.parametrize(("schema", "data"), [(9, b"{}"), (1, b"[]"), (1, b'{"role":1}'), (1, b"\xff")])
def test_a_message_that_cannot_be_read_is_told_with_its_position(schema: int, data: bytes) -> None:
    """By whichever way it was tried."""
    with pytest.raises(FormatTooNew, match="position 7"):
        read_message(schema, data, None, 7)


def test_a_message_that_is_printed_is_readable() -> None:
    """What a newcomer sees first: words, not how they are kept."""
    assert repr(message()) == "Message(message_id='m', role='user', content='hi', version=1, position=1, …)"
