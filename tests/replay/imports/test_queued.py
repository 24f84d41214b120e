"""Queue operations become items with a life of their own, and no line of them is lost."""

from __future__ import annotations

from typing import Any

import pytest

from eventlog.envelope import NewEvent
from eventlog.events import ItemCancelled, ItemClaimed, ItemEnqueued
from replay.imports.original import original_record
from tests.replay.imports.transcripts import SESSION_ID, convert, dump, plain, read


def operation(name: str, content: Any = None) -> dict[str, Any]:
    record = {"type": "queue-operation", "operation": name, "timestamp": "2026-01-02T03:04:05.006Z"}
    record["sessionId"] = SESSION_ID
    return record if content is None else {**record, "content": content}


def lives(*records: dict[str, Any]) -> list[list[str]]:
    """For each item, in the order they were enqueued: the types of its events."""
    items: dict[str, list[str]] = {}
    for event in convert(*records):
        if event.stream.kind == "queue_item":
            items.setdefault(event.stream.key, []).append(event.type)
    return list(items.values())


def enqueued(record: dict[str, Any]) -> NewEvent:
    (event,) = convert(record)
    return event


def test_an_item_says_what_waits_and_for_which_session() -> None:
    """Its key is the id of its first event: the same on every import, and never another item's."""
    event = enqueued(operation("enqueue", "do this next"))
    item = read(event)
    assert isinstance(item, ItemEnqueued)
    assert (plain(item.body), item.session) == ("do this next", SESSION_ID)
    assert event.stream.key == event.id


def test_dequeue_claims_and_completes_what_waited_longest() -> None:
    """Claude Code takes an item and is done with it."""
    first, second = operation("enqueue", "a"), operation("enqueue", "b")
    assert lives(first, second, operation("dequeue")) == [
        ["item_enqueued", "item_claimed", "item_completed"],
        ["item_enqueued"],
    ]
    claimed = read(convert(first, operation("dequeue"))[2])
    assert claimed == ItemClaimed("claude-code")


def test_remove_cancels_what_waited_longest_and_pop_all_everything() -> None:
    """Both hand the text back to the person."""
    items = [operation("enqueue", text) for text in "abc"]
    cancelled = ["item_enqueued", "item_cancelled"]
    assert lives(*items, operation("remove")) == [cancelled, ["item_enqueued"], ["item_enqueued"]]
    assert lives(*items, operation("popAll")) == [cancelled] * 3
    assert read(convert(items[0], operation("popAll"))[-1]) == ItemCancelled("popAll")


@pytest.mark.parametrize("name", ["dequeue", "remove", "popAll", "shuffle", ""])
def test_an_operation_without_an_item_is_kept_all_the_same(name: str) -> None:
    """Files begin in the middle of a queue, and new operations will come."""
    (event,) = convert(operation(name))
    assert event.type == "record_kept"
    assert original_record(event, session=SESSION_ID) == operation(name)


@pytest.mark.parametrize("name", ["dequeue", "remove", "popAll", "shuffle"])
def test_every_operations_line_can_be_had_back(name: str) -> None:
    """An item's events have no room for it, so the session's stream keeps it."""
    events = convert(operation("enqueue", "a"), operation(name))
    originals = [
        record for event in events if (record := original_record(event, session=SESSION_ID)) is not None
    ]
    assert originals == [operation("enqueue", "a"), operation(name)]


@pytest.mark.parametrize(
    "record",
    [
        operation("enqueue", "text"),
        operation("enqueue", [{"type": "text", "text": "a"}]),
        operation("enqueue", ""),
        operation("enqueue"),
        {**operation("enqueue"), "content": None},
    ],
)
def test_an_enqueue_can_be_had_back_whatever_its_content(record: dict[str, Any]) -> None:
    """Absent and null are two things."""
    assert original_record(enqueued(record), session=SESSION_ID) == record


def test_an_enqueue_with_a_repeated_name_keeps_its_text() -> None:
    """Readers disagree about such records; the bytes decide."""
    line = dump(operation("enqueue", "a"))[:-1] + b',"content":"b"}'
    (event,) = convert(line)
    assert bytes(read(event).source) == line
