"""The event line: fields, bytes, limits, both hashes; and that none of it ever changes."""

from __future__ import annotations

import json
import struct
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventlog.envelope import (
    CHAIN_START,
    MAX_EVENT_BYTES,
    MAX_KEY_BYTES,
    MAX_META_BYTES,
    MAX_TENANT_BYTES,
    Event,
    NewEvent,
    StreamId,
    chain_hash,
    check_id,
    check_stream,
    decode_lines,
    encode_line,
    encode_meta,
    format_time,
    new_event,
    parse_time,
    time_to_us,
    unplaced,
    us_to_time,
)
from eventlog.errors import BadIdentifier, BadInput, BadPayload, EventTooLarge

GOLDEN = Path(__file__).parent.parent / "golden" / "event"
ID = "0190d5a0-0000-7000-8000-000000000001"
STREAM = StreamId("acme", "session", "agent:main")
TIME = "2026-11-22T07:44:36.123456Z"

identifiers = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
names = st.sampled_from(["session", "queue_item", "a", "z9_" * 21])
moments = st.datetimes(timezones=st.just(UTC))


@st.composite
def new_events(draw: Any) -> NewEvent:
    stream = check_stream(draw(identifiers), draw(names), draw(identifiers.filter(bool)))
    data = draw(
        st.none()
        | st.text(st.characters(codec=None, exclude_categories=()))
        | st.floats(allow_nan=False, allow_infinity=False)
    )
    return new_event(
        stream,
        draw(names),
        {"value": data},
        id=str(draw(st.uuids())),
        schema=draw(st.integers(1, 32_767)),
        meta=encode_meta(draw(st.dictionaries(identifiers, identifiers, max_size=2))),
        occurred_at=draw(st.none() | moments.map(format_time)),
    )


@given(new_events(), st.integers(1, 2**63 - 1), st.integers(1, 2**63 - 1), moments)
def test_an_event_comes_back_from_its_line_with_the_same_hash(
    event: NewEvent, position: int, version: int, time: datetime
):
    line = encode_line(event, position, version, format_time(time))
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    [read] = decode_lines(line)
    assert unplaced(read) == event
    assert (read.position, read.version, read.time) == (position, version, format_time(time))
    assert read.stream_id == event.stream
    assert encode_line(unplaced(read), read.position, read.version, read.time) == line


@given(new_events())
def test_the_line_is_json_with_the_fields_in_their_order(event: NewEvent):
    fields = json.loads(encode_line(event, 7, 3, TIME))
    order = ["position", "tenant", "stream", "version", "type", "schema", "id", "time"]
    order += ["occurred_at"] * (event.occurred_at is not None) + ["encoding"] * (event.encoding is not None)
    assert list(fields) == [*order, "data", "meta"]
    assert fields["stream"] == {"kind": event.stream.kind, "key": event.stream.key}


def test_a_block_of_lines_is_read_as_its_events_with_payloads_left_raw():
    said = [new_event(STREAM, "said", {"n": n}, id=ID) for n in range(3)]
    block = b"".join(encode_line(event, n + 1, n + 1, TIME) for n, event in enumerate(said))
    events = decode_lines(block)
    assert [event.position for event in events] == [1, 2, 3]
    assert [bytes(event.data) for event in events] == [b'{"n":0}', b'{"n":1}', b'{"n":2}']
    assert [event.value for event in events] == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert events[0].metadata == {}


@pytest.mark.parametrize("line", [b"nope\n", b"{}\n", b'{"position":1}\n'])
def test_a_line_that_is_no_event_is_refused(line: bytes):
    with pytest.raises(msgspec.DecodeError):
        decode_lines(line)


def test_the_hash_says_what_was_said_wherever_it_stands():
    event = new_event(STREAM, "said", {"n": 1}, id=ID)
    places = [(1, 1, TIME), (900, 7, us_to_time(0))]
    hashes = {unplaced(decode_lines(encode_line(event, *place))[0]).hash for place in places}
    assert hashes == {event.hash}


CHANGES: dict[str, Any] = {
    "tenant": {"stream": STREAM._replace(tenant="acmf")},
    "kind": {"stream": STREAM._replace(kind="sessions")},
    "key": {"stream": STREAM._replace(key="agent:mai")},
    "type": {"type": "sait"},
    "schema": {"schema": 2},
    "id": {"id": ID[:-1] + "2"},
    "occurred_at": {"occurred_at": "2026-11-22T07:44:36.123457Z"},
    "no occurred_at": {"occurred_at": None},
    "encoding": {"encoding": "base64"},
    "data": {"data": b'{"n":2}'},
    "meta": {"meta": b'{"a":1}'},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_any_change_of_what_was_said_changes_the_hash(change: dict[str, Any]):
    event = new_event(STREAM, "said", {"n": 1}, id=ID, occurred_at=TIME)
    [altered] = decode_lines(encode_line(msgspec.structs.replace(event, **change), 1, 1, TIME))
    assert unplaced(altered).hash != event.hash


def test_the_chain_depends_on_everything_before_and_on_the_place():
    event = new_event(STREAM, "said", {"n": 1}, id=ID)
    chain = chain_hash(CHAIN_START, 1, 1, 0, event.hash)
    others = [
        chain_hash(chain, 1, 1, 0, event.hash),
        chain_hash(CHAIN_START, 2, 1, 0, event.hash),
        chain_hash(CHAIN_START, 1, 2, 0, event.hash),
        chain_hash(CHAIN_START, 1, 1, 1, event.hash),
        chain_hash(CHAIN_START, 1, 1, 0, sha256(event.hash).digest()),
    ]
    assert len({chain, *others}) == 6


def members(line: str) -> dict[str, str]:
    """The fields of a line, each as the text that stands there; with the standard library alone."""
    found, at, decoder = {}, 1, json.JSONDecoder()
    while line[at - 1] != "}":
        name, colon = decoder.raw_decode(line, at)
        _, end = decoder.raw_decode(line, colon + 1)
        found[name] = line[colon + 1 : end]
        at = end + 1
    return found


def test_golden_lines_hash_as_docs_formats_event_md_says():
    """Computed from the page alone, with the standard library: what another program would write."""
    chain = bytes(32)
    lines = (GOLDEN / "lines.ndjson").read_bytes().decode().split("\n")[:-1]
    expected = json.loads((GOLDEN / "hashes.json").read_text())
    assert len(lines) == len(expected) == 5
    for line, known in zip(lines, expected, strict=True):
        fields = members(line)
        kept = [
            f'"{name}":{text}'
            for name, text in fields.items()
            if name not in ("position", "version", "time", "data")
        ]
        canonical = "{" + ",".join(kept) + "}"
        hash = sha256(canonical.encode() + sha256(fields["data"].encode()).digest()).digest()
        time = datetime.fromisoformat(json.loads(fields["time"]))
        time_us = (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        place = struct.pack(">qqq", int(fields["position"]), int(fields["version"]), time_us)
        chain = sha256(chain + place + hash).digest()
        assert {"position": int(fields["position"]), "hash": hash.hex(), "chain": chain.hex()} == known


def test_invariant_8_golden_lines_are_read_and_written_as_ever():
    """What any release wrote is read by every later one, to the byte."""
    lines = (GOLDEN / "lines.ndjson").read_bytes()
    events = decode_lines(lines)
    assert b"".join(encode_line(unplaced(e), e.position, e.version, e.time) for e in events) == lines
    chain, known = CHAIN_START, json.loads((GOLDEN / "hashes.json").read_text())
    for event, hashes in zip(events, known, strict=True):
        hash = unplaced(event).hash
        chain = chain_hash(chain, event.position, event.version, time_to_us(event.time), hash)
        assert (hash.hex(), chain.hex()) == (hashes["hash"], hashes["chain"])
    assert events[1].value["n"] == 12345678901234567890
    assert events[2].value == "\ud800 alone"
    assert (events[3].occurred_at, events[4].value) == ("0001-01-01T00:00:00.000000Z", None)


@pytest.mark.parametrize("text", ["a\x00b", "a\ud800", "\udfff", 7, None])
def test_identifiers_refuse_what_a_column_cannot_hold(text: Any):
    for make in (lambda: check_stream(text, "session", "k"), lambda: check_stream("", "session", text)):
        with pytest.raises(BadIdentifier):
            make()


def test_identifiers_have_limits_in_bytes():
    check_stream("é" * (MAX_TENANT_BYTES // 2), "session", "é" * (MAX_KEY_BYTES // 2))
    with pytest.raises(BadIdentifier, match="258 bytes long, over the limit of 256"):
        check_stream("é" * 129, "session", "k")
    with pytest.raises(BadIdentifier, match="1026 bytes long"):
        check_stream("", "session", "é" * 513)
    with pytest.raises(BadIdentifier, match="key is empty"):
        check_stream("acme", "session", "")


@pytest.mark.parametrize("kind", ["", "Session", "1a", "a-b", "a b", "a\n", "ä", "a" * 64, None])
def test_kinds_and_types_are_plain_names(kind: Any):
    with pytest.raises(BadIdentifier):
        check_stream("", kind, "k")
    if kind is not None:
        with pytest.raises(BadIdentifier):
            new_event(STREAM, kind, {}, id=ID)


def test_a_key_and_a_longer_key_never_touch_each_other():
    """Invariant 10: identity is columns. No joining of texts can mix two streams up."""
    ids = {StreamId("a", "session", "b:c"), StreamId("a:b", "session", "c"), StreamId("", "session", "a:b:c")}
    assert len({new_event(stream, "said", {}, id=ID).hash for stream in ids}) == 3


def longest_line(text: str, stream: StreamId) -> bytes:
    event = new_event(stream, "a" * 63, text, id=ID, schema=32_767, occurred_at=TIME)
    return encode_line(event, 2**63 - 1, 2**63 - 1, TIME)


@pytest.mark.parametrize("character", ["x", "\x01", "é"])
@pytest.mark.parametrize("stream", [STREAM, StreamId("\x01" * 256, "session", "\x01" * 1024)])
def test_the_limit_counts_the_encoded_line(character: str, stream: StreamId):
    """A control character takes six bytes. What is accepted fits, wherever it will stand in the log."""
    width = len(json.dumps(character, ensure_ascii=False).encode()) - 2
    room = (MAX_EVENT_BYTES - len(longest_line("", stream))) // width
    assert len(longest_line(character * (room - 100), stream)) <= MAX_EVENT_BYTES + 1
    with pytest.raises(EventTooLarge, match="16,777,216") as refused:
        new_event(stream, "said", character * (room + 400), id=ID)
    assert refused.value.length_bytes > refused.value.limit_bytes == MAX_EVENT_BYTES


@pytest.mark.parametrize("schema", [0, -1, 32_768])
def test_schemas_have_a_range(schema: int):
    with pytest.raises(BadInput, match="from 1 to 32767"):
        new_event(STREAM, "said", {}, id=ID, schema=schema)


@pytest.mark.parametrize(
    "meta", [{"a": "\ud800"}, {"a": float("nan")}, {"a": msgspec.Raw(b"[1e400]")}, [], None]
)
def test_meta_is_a_strict_json_object(meta: Any):
    """It is read by everyone, so it never travels encoded."""
    with pytest.raises(BadPayload):
        encode_meta(meta)


@pytest.mark.parametrize("value", [{"key": "k", "events": 1}, None])
def test_the_field_for_idempotency_keys_is_the_logs_own(value: Any):
    """A restore of Postgres would believe it: a key that no command ever had."""
    with pytest.raises(BadPayload, match="'idempotency', which is the log's own"):
        encode_meta({"host": "h", "idempotency": value})
    assert encode_meta({"inner": {"idempotency": value}}), "only the top level is"


def test_meta_has_a_limit():
    assert len(encode_meta({"a": "x" * (MAX_META_BYTES - 8)})) == MAX_META_BYTES
    with pytest.raises(BadPayload, match="65,537 bytes"):
        encode_meta({"a": "x" * (MAX_META_BYTES - 7)})


def test_ids_are_uuids_in_one_spelling():
    assert check_id("0190D5A0000070008000000000000001") == ID
    with pytest.raises(BadIdentifier, match="is not a UUID"):
        check_id("seven")


@given(moments)
def test_times_are_exact_to_the_microsecond_and_sort_as_text(moment: datetime):
    text = format_time(moment)
    assert parse_time(text) == moment
    assert us_to_time(time_to_us(text)) == text
    later = min(moment, datetime.max.replace(tzinfo=UTC) - timedelta(microseconds=1)) + timedelta(
        microseconds=1
    )
    assert format_time(later) >= text


def test_times_are_utc_on_the_line():
    east = timezone(timedelta(hours=5, minutes=30))
    assert format_time(datetime(2026, 11, 22, 13, 14, 36, tzinfo=east)) == "2026-11-22T07:44:36.000000Z"
    assert parse_time("2026-11-22T13:14:36+05:30") == datetime(2026, 11, 22, 7, 44, 36, tzinfo=UTC)


@pytest.mark.parametrize("text", ["yesterday", "2026-11-22T07:44:36", "0001-01-01T00:00:00+01:00", ""])
def test_a_time_without_a_zone_or_beyond_the_years_is_refused(text: str):
    with pytest.raises(BadInput):
        parse_time(text)


def test_a_moment_without_a_zone_or_beyond_the_years_is_refused():
    with pytest.raises(BadInput, match="no time zone"):
        format_time(datetime(2026, 11, 22))
    with pytest.raises(BadInput, match="years 1 to 9999"):
        format_time(datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))))


def test_a_stream_is_named_for_people_with_its_tenant():
    assert str(STREAM) == "session 'agent:main' of tenant 'acme'"
    assert str(STREAM._replace(tenant="")) == "session 'agent:main'"


def test_strings_are_escaped_in_one_way():
    """The hash is over bytes: another spelling of the same string would be another hash."""
    every = "".join(map(chr, range(1, 0x80))) + "é\u2028\U0001f600"
    line = encode_line(new_event(StreamId("", "session", every), "said", {}, id=ID), 1, 1, TIME)
    short = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 0x22: '\\"', 0x5C: "\\\\"}
    spelt = [short.get(ord(c), f"\\u{ord(c):04x}" if c < " " else c) for c in every]
    assert '"key":"{}"'.format("".join(spelt)).encode() in line


def test_events_do_not_change():
    event = decode_lines(encode_line(new_event(STREAM, "said", {}, id=ID), 1, 1, TIME))[0]
    assert isinstance(event, Event)
    with pytest.raises(AttributeError):
        event.position = 2  # type: ignore[misc]
