"""The reference page says what the code does."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec
import pytest
from msgspec import Raw

from eventlog.events import EVENT_TYPES, Todo, UnknownEvent, Usage, decode_event
from eventlog.events.fields import Count, Integer, LargeCount, Seconds, Time, Word
from eventlog.events.task import Rate

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "events.md").read_text(encoding="utf-8")
NAMES: list[tuple[Any, str]] = [
    (Integer, "integer"), (Count, "count"), (LargeCount, "large count"),
    (Time, "time"), (Word, "word"), (Seconds, "seconds"),
    (Rate, "number"), (float, "number"),
    (str, "text"), (bool, "boolean"), (Raw, "JSON"), (Decimal, "decimal"), (Usage, "usage"),
]  # fmt: skip


def section(name: str) -> str:
    found = re.search(rf"^(###+) {name}\n(.*?)(?=^##|\Z)", PAGE, re.M | re.S)
    assert found, f"docs/reference/events.md has no section {name}"
    return found[2]


def type_name(annotation: Any) -> str:
    if get_origin(annotation) is tuple:
        kind = get_args(annotation)[0]
        return f"list of {dict(NAMES).get(kind) or kind.__name__.lower()}"
    for candidate in (annotation, *get_args(annotation)):
        for kind, name in NAMES:
            if candidate == kind:
                return name
    raise AssertionError(f"{annotation} has no name in the reference")


@pytest.mark.parametrize(
    ("name", "struct"), [*EVENT_TYPES.items(), ("usage", Usage), ("todo", Todo)], ids=lambda value: str(value)
)
def test_every_field_is_documented_with_its_type(name: str, struct: Any) -> None:
    """In the order of the struct, and no field that does not exist."""
    rows = re.findall(r"^\| `(\w+)` \| ([\w ]+) \| (\S.*) \|$", section(name), re.M)
    fields = msgspec.structs.fields(struct)
    assert [(row[0], row[1]) for row in rows] == [(field.name, type_name(field.type)) for field in fields]
    assert [row[2].startswith("*required*") for row in rows] == [field.required for field in fields]


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_every_event_says_when_it_happens_and_has_an_example_with_every_field(name: str) -> None:
    """People copy examples."""
    text = section(name).strip()
    assert re.match(r"[A-Z].*\.", text)
    example = re.search(r"```json\n(.*)\n```", text)
    assert example
    assert set(json.loads(example[1])) == set(EVENT_TYPES[name].__struct_fields__)
    assert not isinstance(decode_event(name, 1, example[1].encode(), None), UnknownEvent)


def test_the_page_documents_no_event_that_does_not_exist() -> None:
    """A renamed event leaves no ghost behind."""
    assert set(re.findall(r"^### (\w+)$", PAGE, re.M)) == set(EVENT_TYPES)
