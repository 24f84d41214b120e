"""Commands: what can never be appended is refused before anything is sent."""

from __future__ import annotations

import pytest

from eventlog.command import (
    MAX_COMMAND_BYTES,
    MAX_EVENTS_PER_COMMAND,
    Command,
    KeyNote,
    key_note,
    with_key_note,
)
from eventlog.envelope import NewEvent, StreamId, decode_lines, encode_line, new_event, unplaced
from eventlog.errors import BadIdentifier, BadInput
from eventlog.segment.format import MAX_COUNT, MAX_RAW_BYTES
from eventlog.settings import BATCH_BYTES_LIMIT, Settings

ID = "0190d5a0-0000-7000-8000-000000000001"
STREAM = StreamId("acme", "session", "one")


def said(data: object = None, stream: StreamId = STREAM) -> NewEvent:
    return new_event(stream, "said", data, id=ID)


@pytest.mark.parametrize("count", [0, MAX_EVENTS_PER_COMMAND + 1])
def test_a_command_has_at_least_one_event_and_a_limit(count: int):
    with pytest.raises(BadInput, match=f"{count} events"):
        Command([said()] * count).check()


def test_the_largest_number_of_events_is_accepted():
    Command([said()] * MAX_EVENTS_PER_COMMAND).check()


def test_a_command_has_a_limit_in_bytes():
    event = said("x" * (8 * 1024 * 1024))
    Command([event] * 3).check()
    with pytest.raises(BadInput, match="over the limit of 33,554,432; append its events as several"):
        Command([event] * 4).check()


def test_the_counted_bytes_are_never_fewer_than_the_lines_take():
    """Otherwise a batch that Postgres has committed would not fit into a block of the segment."""
    for stream in (STREAM, StreamId("\x01" * 256, "s", "\x01" * 1024), StreamId("é" * 128, "s", "ü" * 512)):
        event = new_event(stream, "a" * 63, "x" * 100, id=ID, occurred_at="2026-11-22T07:44:36.000000Z")
        line = encode_line(event, 2**63 - 1, 2**63 - 1, "2026-11-22T07:44:36.000000Z")
        assert len(line) <= Command([event]).check()


def test_the_largest_batch_fits_into_a_block():
    """A batch is one command, or several within the settings' limits."""
    assert max(MAX_COMMAND_BYTES, BATCH_BYTES_LIMIT) <= MAX_RAW_BYTES
    assert MAX_EVENTS_PER_COMMAND + Settings(batch_events_max=10_000).batch_events_max <= MAX_COUNT


@pytest.mark.parametrize("version", [-1, 1.0, "1", None])
def test_expected_versions_are_counted_from_zero(version: object):
    with pytest.raises(BadInput, match="must be a whole number from 0"):
        Command([said()], expected={STREAM: version}).check()  # type: ignore[dict-item]


def test_a_command_keeps_to_one_tenant():
    """Invariant 10: what one tenant does never depends on another's streams."""
    other = StreamId("other", "session", "one")
    with pytest.raises(BadInput, match="must keep to one tenant"):
        Command([said(), said(stream=other)]).check()
    with pytest.raises(BadInput, match="must keep to one tenant"):
        Command([said()], expected={other: 0}).check()
    Command([said()], expected={StreamId("acme", "plan", "two"): 0}).check()


@pytest.mark.parametrize("key", ["a\x00", "\ud800", "x" * 513, 7])
def test_idempotency_keys_are_identifiers(key: str):
    with pytest.raises(BadIdentifier, match="idempotency key"):
        Command([said()], idempotency_key=key).check()


def test_an_unknown_durability_is_refused():
    with pytest.raises(BadInput, match="durability 'disk'"):
        Command([said()], durability="disk").check()
    Command([said()], durability="postgres").check()


@pytest.mark.parametrize("meta", [b"{}", b'{"host":"h"}'])
def test_a_keyed_command_notes_its_key_in_the_first_events_meta(meta: bytes):
    """The segments hold nothing else of the command, and Postgres may have to be restored from them."""
    first = new_event(STREAM, "said", 1, id=ID, meta=meta)
    noted = with_key_note(Command([first, said(2)], idempotency_key='"odd\\ key"'))
    assert key_note(noted.events[0].meta) == KeyNote('"odd\\ key"', 2)
    assert key_note(noted.events[1].meta) is None
    line = encode_line(noted.events[0], 1, 1, "2026-11-22T07:44:36.000000Z")
    assert unplaced(decode_lines(line)[0]) == noted.events[0]


@pytest.mark.parametrize("meta", [b"{}", b'{"idempotency":7}', b'{"idempotency":{"key":1}}'])
def test_meta_of_another_making_is_no_note(meta: bytes):
    """`meta` is free-form: whatever stands there must not stop a restore."""
    assert key_note(meta) is None
