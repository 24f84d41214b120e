"""Lines decoded for a fold give the same rows as events do, whatever they hold. No Postgres."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventlog.envelope import Event, NewEvent, StreamId, decode_lines, encode_line, new_event, us_to_time
from eventlog.events import EVENT_TYPES, MessageAppended, decode_event, new, raw
from eventlog.projection import Foldable
from projections.catalog import INLINE
from projections.own import own_projection
from replay import fold_lines
from replay.fold_all import FoldAll
from replay.fold_lines import decode_for
from tests.replay.test_fold_all import folded, logged
from tests.support.histories import EVENT_ID, other_histories, session_histories

STREAM = StreamId("", "session", "s")


def message(content: Any, **fields: Any) -> NewEvent:
    return new(STREAM, MessageAppended("m", "user", raw(content), **fields), id=EVENT_ID)


def odd(type: str, data: Any, schema: int = 1) -> NewEvent:
    """An event that its maker's release could write, and this one may not be able to read."""
    return new_event(STREAM, type, data, id=EVENT_ID, schema=schema)


UNREADABLE = [
    message("a\ud800"),  # travels as base64
    odd("a_newer_type", {"a": 1}),
    odd("message_appended", {"message_id": "m", "role": "user", "content": 1}, schema=2),
    odd("message_appended", {"message_id": 1}),
    odd("message_appended", [1]),
]
READABLE = [
    message("a\x00b", model="\x00"),
    odd("message_appended", {"message_id": "m", "role": "user", "content": 1, "a_newer_field": 1}),
    odd("item_enqueued", {"body": 1}),
]
ODD = UNREADABLE + READABLE


def lines(*events: NewEvent) -> bytes:
    return b"".join(encode_line(event, n, n, us_to_time(n)) for n, event in enumerate(events, 1))


def lines_of(events: Sequence[Event]) -> list[bytes]:
    return [encode_line(_unplaced(event), event.position, event.version, event.time) for event in events]


def _unplaced(event: Event) -> NewEvent:
    """The event without its place; its hash is not looked at."""
    said = (event.type, event.schema, event.id, event.occurred_at, event.encoding)
    return NewEvent(event.stream_id, *said, bytes(event.data), bytes(event.meta), b"")


@settings(deadline=None, max_examples=100)
@given(
    session_histories,
    other_histories,
    st.lists(st.sampled_from(ODD), max_size=4),
    st.randoms(use_true_random=False),
    st.integers(1, 5),
)
def test_invariant_6_a_fold_of_lines_is_that_of_their_events(
    sessions: list[NewEvent], others: list[NewEvent], odd: list[NewEvent], chance: Any, size: int
) -> None:
    history = sessions + others + odd
    chance.shuffle(history)
    events = logged(history)
    written, plain, fast = lines_of(events), FoldAll(INLINE), FoldAll(INLINE)
    plain.add(events)
    for at in range(0, len(written), size):
        fast.add(decode_for(fast.projections)(b"".join(written[at : at + size])))
    assert folded(fast) == folded(plain)
    assert (fast.position, fast.events, fast.version_gaps) == (plain.position, plain.events, [])
    assert set(fast.streams) == set(plain.streams)


@pytest.mark.parametrize("event", UNREADABLE, ids=range(len(UNREADABLE)))
def test_what_cannot_be_read_in_place_is_an_event(event: NewEvent) -> None:
    """All of its block is: such events are few."""
    text = lines(message("before"), event)
    assert fold_lines._Lines(tuple(INLINE))(text) == decode_lines(text)


@pytest.mark.parametrize("event", READABLE, ids=range(len(READABLE)))
def test_what_is_only_odd_is_read_in_place_all_the_same(event: NewEvent) -> None:
    [read], [same] = decode_for(tuple(INLINE))(lines(event)), decode_lines(lines(event))
    assert read.said == decode_event(event.type, event.schema, event.data, None)
    assert (read.position, read.stream, read.time) == (same.position, same.stream, same.time)


def test_what_every_fold_takes_as_said_is_decoded_with_its_line() -> None:
    [read] = decode_for(tuple(INLINE))(lines(message("hello")))
    assert read.said == MessageAppended("m", "user", raw("hello"))
    assert not hasattr(read, "data")


class Seen(msgspec.Struct, frozen=True):
    messages: int = 0


def test_a_fold_that_looks_at_the_data_gets_it() -> None:
    """As a user's own does."""
    own = own_projection(
        "own", kind="session", state=Seen, evolve=lambda state, said, version: Seen(len(said["content"])),
        types=["message_appended"],
    )  # fmt: skip
    fold = FoldAll([*INLINE, own])
    [read] = decode_for(fold.projections)(lines(message("hello")))
    fold.add([read])
    assert read.said is None
    assert fold.streams[STREAM].states()[-1] == Seen(5)


class Everything:
    """A fold that knows nothing beforehand."""

    name, version, kind, row_key, state = "everything", 1, "session", (), Seen
    begins: frozenset[str] = frozenset()
    types = frozenset(EVENT_TYPES)
    table_sql = upsert_sql = load_sql = ""

    def evolve(self, state: Any, event: Foldable, version: int) -> Any:
        return Seen(len(bytes(event.data)))


def test_other_lines_are_as_events_are() -> None:
    text = lines(message("hello"))
    [read], [same] = decode_for((Everything(),))(text), decode_lines(text)
    for name in Event.__struct_fields__:
        assert getattr(read, name) == getattr(same, name), name


def test_types_of_a_later_release_are_decoded_with_the_others_once_they_were_met(monkeypatch: Any) -> None:
    """Or a log that is full of them would be decoded twice. Up to a number: each takes memory."""
    decode, block = fold_lines._Lines(tuple(INLINE)), lines(message("hello"), odd("a_newer_type", {"a": 1}))
    first, second = decode(block), decode(block)
    assert [first[0].said, second[0].said] == [None, MessageAppended("m", "user", raw("hello"))]
    assert bytes(second[1].data) == b'{"a":1}'
    monkeypatch.setattr(fold_lines, "TYPES_MAX", len(decode._kinds))
    other = lines(message("hello"), odd("another_type", {}))
    assert decode(other) == decode_lines(other)
    assert decode(block) == decode_lines(block)


@pytest.mark.parametrize("type", ["", "a\x00b", "a.b", "\u2028", "x" * 100_000], ids=range(5))
def test_a_type_that_no_release_writes_is_folded_as_nothing(type: str) -> None:
    """Only a forged line has it; what tells that is `verify`, and no fold stumbles over it."""
    forged = lines(odd("a_newer_type", {"a": 1})).replace(b'"a_newer_type"', msgspec.json.encode(type))
    decode, block = fold_lines._Lines(tuple(INLINE)), lines(message("hello")) + forged
    for _ in range(2):
        fold = FoldAll(INLINE)
        fold.add(decode(block))
        assert (fold.events, [event.type for event in decode_lines(block)][1]) == (2, type)


@pytest.mark.parametrize("text", [b"{}\n", b"\xff\n", b"[" * 100_000, b'{"type":"message_appended"}\n'])
def test_what_is_no_event_is_told_in_the_words_of_decode_lines(text: bytes) -> None:
    with pytest.raises(msgspec.DecodeError) as told:
        decode_for(tuple(INLINE))(text)
    with pytest.raises(msgspec.DecodeError) as expected:
        decode_lines(text)
    assert str(told.value) == str(expected.value)
