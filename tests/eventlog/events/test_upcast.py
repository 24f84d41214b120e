"""Upcasting: an old shape is read as the present one. Shown with shapes that never existed."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import Raw

from eventlog.events import EVENT_TYPES, SCHEMAS
from eventlog.events.upcast import UPCASTERS, Fields, upcast


def text_becomes_content(fields: Fields) -> Fields:
    content = fields.pop("text")
    return {**fields, "content": content}


def role_is_written_down(fields: Fields) -> Fields:
    return {"role": Raw(b'"user"'), **fields}


REGISTRY = {("note_made", 1): text_becomes_content, ("note_made", 2): role_is_written_down}


def test_an_old_shape_is_lifted_step_by_step() -> None:
    """Each upcaster knows one change; values it does not name stay as they were, to the digit."""
    old = b'{"text":"hi","at":1.10}'
    assert upcast("note_made", 1, old, 3, REGISTRY) == b'{"role":"user","at":1.10,"content":"hi"}'
    assert upcast("note_made", 2, b'{"content":1}', 3, REGISTRY) == b'{"role":"user","content":1}'


@pytest.mark.parametrize("schema", [0, -1, 4])
def test_a_schema_nobody_released_is_a_missing_step(schema: int) -> None:
    """The caller makes an UnknownEvent of it."""
    with pytest.raises(KeyError):
        upcast("note_made", schema, b"{}", 3, REGISTRY)


def test_data_that_is_no_object_is_not_lifted() -> None:
    """The caller makes an UnknownEvent of it."""
    with pytest.raises(msgspec.DecodeError):
        upcast("note_made", 1, b"[]", 3, REGISTRY)


def test_every_past_schema_has_its_upcaster_and_no_other_has() -> None:
    """Old data stays readable: raising a schema without an upcaster would lose it."""
    assert set(UPCASTERS) == {(type, schema) for type in EVENT_TYPES for schema in range(1, SCHEMAS[type])}
