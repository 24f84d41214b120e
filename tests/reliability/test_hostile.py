"""Hostile content through the whole store: kept to the byte in both copies, whatever happens to one."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from msgspec import Raw

from eventlog.command import Command
from eventlog.envelope import MAX_EVENT_BYTES, NewEvent, StreamId, check_stream, encode_line, new_event
from eventlog.errors import AgentlogError, BadPayload, EventTooLarge
from eventlog.events import MessageAppended, new, raw
from eventlog.log import Log
from eventlog.payload import decode_payload, encode_payload, exact_json
from eventlog.segment.format import MAX_LINE_BYTES, SALT_OFFSET, decode_file_header
from eventlog.strict import strict_json
from projections.archive import Archive
from replay.imports.lines import LINE_BYTES_MAX
from replay.imports.runner import import_paths
from replay.imports.summary import ImportSummary
from replay.repair import repair
from replay.restore import restore_postgres, restore_segments
from replay.verify import verify
from tests.eventlog.segment.building import (
    DIRECTORY,
    FIRST,
    STREAM,
    History,
    filled,
    lines_of,
    machine,
    open_store,
)
from tests.eventlog.test_payload import JSON_VALUES
from tests.reliability.hostile import CONTENTS, IMAGES, NAMES, REFUSED
from tests.replay.imports.transcripts import said
from tests.replay.support import Spoiled


def said_by_user(content: Any, id: str, name: str | None = None, stream: StreamId = STREAM) -> NewEvent:
    """Return a message as a caller makes it; a Raw is handed on as it is."""
    given = content if isinstance(content, Raw) else raw(content)
    return new(stream, MessageAppended(id, "user", given, parent_id=name, model=name), id=id)


async def append_all(spoiled: Spoiled, contents: Sequence[Any]) -> list[NewEvent]:
    """Append each as a message, under names as hostile; return what was appended."""
    log, made = await spoiled.log(), []
    for number, content in enumerate(contents):
        name = NAMES[number % len(NAMES)]
        stream = StreamId(name, "session", NAMES[number // len(NAMES) % len(NAMES)] + name)
        made.append(said_by_user(content, spoiled.ids.next(), name, stream))
        await log.append(Command([made[-1]], idempotency_key=f"{name} {number}"))
    return made


async def assert_kept(log: Log, made: Sequence[NewEvent]) -> None:
    """Both copies hold the very bytes that were appended, and everything is as it should be."""
    wanted = [(event.stream, event.data, event.encoding) for event in made]
    rows = [row.event for row in await log.reads.page(0, len(made) + 1, len(made) + 1)]
    events = [event for block in log.segments.read() for event in block]
    assert [(row.stream, row.data, row.encoding) for row in rows] == wanted
    assert [(event.stream_id, bytes(event.data), event.encoding) for event in events] == wanted
    assert await verify(log, schema_check=False) == []


def exactly(text: bytes) -> Any:
    """JSON with numbers as they are written, members in order, doubles among them."""
    return json.loads(
        text, parse_int=str, parse_float=str, object_pairs_hook=lambda members: ("object", *members)
    )


async def test_invariant_9_hostile_content_survives_repair_and_both_restores(spoiled: Spoiled) -> None:
    """Append, damage in either copy, repair, loss of either copy, restore: always the same bytes."""
    made = await append_all(spoiled, CONTENTS)
    for event, content in zip(made, CONTENTS, strict=True):
        if isinstance(content, Raw):
            text = exact_json(event.data, event.encoding)
            if text.count(b"[") + text.count(b"{") < 500:
                assert ("content", exactly(bytes(content))) in exactly(text)
        else:
            assert decode_payload(event.data, event.encoding)["content"] == content
    await assert_kept(await spoiled.log(), made)
    await spoiled.close()

    path = spoiled.segments()[0]
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 0x10]) + whole[middle + 1 :])
    assert (await repair(spoiled.data, spoiled.postgres, settings=spoiled.settings)).left == []
    await spoiled.behind_the_guards("DELETE FROM {schema}.events WHERE position % 3 = 1")
    assert (await repair(spoiled.data, spoiled.postgres, settings=spoiled.settings)).left == []
    await assert_kept(await spoiled.log(), made)
    await spoiled.close()

    await spoiled.sql("DROP SCHEMA {schema} CASCADE")
    await restore_postgres(spoiled.data, spoiled.postgres, settings=spoiled.settings)
    spoiled.data = spoiled.data.with_name("anew")
    await restore_segments(spoiled.data, spoiled.postgres, settings=spoiled.settings)
    await assert_kept(await spoiled.log(), made)


async def test_the_archive_shows_hostile_content_and_loses_none(spoiled: Spoiled, tmp_path: Path) -> None:
    """DuckDB reads every row, archived and fresh; its JSON is strict, its text is the text."""
    made = await append_all(spoiled, CONTENTS)
    log = await spoiled.log()
    for content in CONTENTS:
        made.append(new_event(STREAM, "said", content, id=spoiled.ids.next()))
        await log.append(Command([made[-1]]))
    archive = Archive(tmp_path / "archive", log.segments.read, str(log.directory.log_id))
    archive.build(len(made) // 2)
    assert archive.check(len(made)) == []
    with archive.connect(len(made)) as connection:
        shown = connection.sql("select tenant, key, data from events order by position").rows()
        texts = connection.sql("select text, session from messages order by position").rows()
    for event, (tenant, key, data) in zip(made, shown, strict=True):
        assert (tenant, key) == (event.stream.tenant, event.stream.key)
        if event.type == "message_appended":
            assert data is None  # its parts are in `messages`
            continue
        exact = exact_json(event.data, event.encoding)
        assert data.encode() == (exact if event.encoding is None else strict_json(exact))
    for content, (text, _) in zip(CONTENTS, texts, strict=True):
        if isinstance(content, str):
            assert text == content.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


async def test_what_is_refused_leaves_no_trace(spoiled: Spoiled) -> None:
    """Before anything is written: neither copy has a position for it, and the next event takes that one."""
    await append_all(spoiled, ["before"])
    for content in REFUSED:
        with pytest.raises(BadPayload):
            new_event(STREAM, "said", content, id=spoiled.ids.next())
        with pytest.raises(BadPayload):
            said_by_user(content, spoiled.ids.next())
    assert (await (await spoiled.log()).head()).position == 1


def largest(spoiled: Spoiled, more: int = 0) -> NewEvent:
    """An event of MAX_EVENT_BYTES as the log counts, and `more`; most of it are control characters."""

    def sized(length: int) -> NewEvent:
        text = "\x01" * (length // 6) + "x" * (length % 6)
        return said_by_user(text, spoiled.ids.next())

    try:
        sized(MAX_EVENT_BYTES)
    except EventTooLarge as error:
        return sized(2 * MAX_EVENT_BYTES - error.length_bytes + more)
    raise AssertionError("the limit counts more than the text")


async def test_the_largest_event_goes_everywhere_and_one_byte_more_goes_nowhere(spoiled: Spoiled) -> None:
    """16 MiB, counted as encoded: six bytes for each control character."""
    with pytest.raises(EventTooLarge):
        largest(spoiled, more=1)
    event = largest(spoiled)
    assert 0 < MAX_LINE_BYTES - len(encode_line(event, 1, 1, "2026-11-22T07:44:36.123456Z")) < 384
    await (await spoiled.log()).append(Command([event]))
    await spoiled.close()
    await spoiled.sql("DROP SCHEMA {schema} CASCADE")
    await restore_postgres(spoiled.data, spoiled.postgres, settings=spoiled.settings)
    spoiled.data = spoiled.data.with_name("anew")
    await restore_segments(spoiled.data, spoiled.postgres, settings=spoiled.settings)
    await assert_kept(await spoiled.log(), [event])


@given(JSON_VALUES)
def test_no_line_holds_a_byte_that_every_magic_number_has(value: Any) -> None:
    """All frames of a segment begin with 0x184D2A50 to 5F: 0x18 is a control character, which JSON escapes.

    So text that zstd stores as it is never looks like a frame, even to who finds the salt out.
    """
    event = new_event(STREAM, "said", value, id="0190d5a0-0000-7000-8000-000000000001")
    line = encode_line(event, 1, 1, "2026-11-22T07:44:36.123456Z")
    assert min(line[:-1]) >= 0x20


def torn_tails(segment: bytes, history: History) -> dict[str, bytes]:
    """What a crash may leave behind the last block that looks like more of the log than it is."""
    salt, first_block = decode_file_header(segment).segment_id, segment[256:700]
    another = filled(history, [2, 3, 1]).files(DIRECTORY)[FIRST]
    cut = len(filled(history, [2, 3]).files(DIRECTORY)[FIRST])
    return {
        **IMAGES,
        "this very segment": segment,
        "its first block": first_block,
        "half of a header, then its first block": segment[256:300] + first_block,
        "its salt and noise": (b"\x51\x2a\x4d\x18\x98\x00\x00\x00" + salt).ljust(400, b"\x07"),
        "nothing but its salt": salt * 64,
        "the next block, of another segment of this log": another[cut:],
        "the same, behind a hole": bytes(512) + another[cut:],
        "zeros, then its first block": bytes(8192 - SALT_OFFSET) + first_block,
    }


def test_a_torn_tail_that_looks_like_blocks_is_cut_and_not_read() -> None:
    """Recovery never picks the thread up again behind an invalid byte: no phantom, and no false alarm."""
    history = History().commit(*CONTENTS[:4]).commit_many(2)
    files = filled(history, [2, 3]).files(DIRECTORY)
    del files[f"{DIRECTORY}/HEAD"]
    whole = files[FIRST]
    for name, tail in torn_tails(whole, history).items():
        io = machine({**files, FIRST: whole + tail})
        store = open_store(io, witness=5)
        (cut,) = store.recovery.cuts
        assert io.files("/data/quarantine")[cut.copy] == tail, name
        assert lines_of(store) == history.lines[:5], name
        store.append([history.block(5, 6)])
        assert lines_of(store) == history.lines
        assert list(store.verify()) == []


def test_a_block_full_of_images_is_torn_at_any_byte_without_a_phantom() -> None:
    """The content of the last block is the whole file before it, in each way text can hold bytes."""
    history = History().commit("a", "b")
    before = filled(history, [1, 1]).files(DIRECTORY)[FIRST]
    history.commit({"image": before.decode("latin-1")}, before.decode("utf-8", "surrogateescape"))
    files = filled(history, [1, 1, 2]).files(DIRECTORY)
    del files[f"{DIRECTORY}/HEAD"]
    start = len(before)
    for length in range(start, len(files[FIRST]), 5):
        store = open_store(machine({**files, FIRST: files[FIRST][:length]}))
        assert lines_of(store) == history.lines[:2]
        assert bool(store.recovery) == (length > start)


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS limits memory on Linux alone")
def test_forged_sizes_cost_no_more_memory_than_the_format_allows() -> None:
    """Zip bombs and lying headers, each read in a process that may not have more than BOMB_MEMORY_BYTES."""
    done = subprocess.run([sys.executable, "-m", "tests.reliability.bombs"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


async def test_a_hostile_transcript_gives_its_records_and_quarantines_the_rest(
    spoiled: Spoiled, tmp_path: Path
) -> None:
    """Invalid UTF-8, binary, UTF-16, a line that no event can hold: between good lines of odd content."""
    texts = [content for content in CONTENTS if isinstance(content, str)]
    good = [json.dumps(said(text, number)).encode() for number, text in enumerate(texts)]
    kept = [b"9" * 5_000, b'{"a":1,"a":2}', b"[" * 3_000 + b"]" * 3_000, b'{"type":"\\ud800"}']
    bad = [
        b"\xff\xfe", *(image.replace(b"\n", b"") for image in IMAGES.values()), b"NaN",
        b'{"a":"\xed\xa0\x80"}',
        '{"type":"user"}'.encode("utf-16-le"), b'{"a":"\x00"}',
        b'{"long":"' + b"x" * LINE_BYTES_MAX + b'"}',
    ]  # fmt: skip
    path = tmp_path / "5c1f3f0e-7a1b-4f7e-9f57-0d6b1c9a2e44.jsonl"
    lines = [*good[:1], *bad[:7], *good[1:], *kept, *bad[7:], good[0][:40]]
    path.write_bytes(b"\n".join(lines))
    log = await spoiled.log()
    quarantine = tmp_path / "quarantine"
    summary = await import_paths(log, [path], quarantine_dir=quarantine)
    assert copied(summary) == [*bad, good[0][:40]]
    assert summary.records == len(good) + len(kept)
    assert await verify(log, schema_check=False) == []
    again = await import_paths(log, [path], quarantine_dir=quarantine)
    assert (again.events_new, again.events_present) == (0, summary.events_new)


def copied(summary: ImportSummary) -> list[bytes]:
    return [Path(found.copy).read_bytes().rstrip(b"\n") for found in summary.quarantined]


def test_names_that_no_column_can_hold_are_refused_and_all_others_kept() -> None:
    """Every one of NAMES is a key and a tenant; NUL and lone surrogates are not."""
    for name in NAMES:
        assert check_stream(name, "session", name) == StreamId(name, "session", name)
    for name in ("\x00", "a\x00", "\ud800"):
        with pytest.raises(AgentlogError):
            check_stream("", "session", name)


def test_two_halves_of_a_pair_come_back_as_the_character_they_mean() -> None:
    """The one thing Python can say and JSON cannot: both are written \\ud83d\\ude00."""
    assert decode_payload(*encode_payload("\ud83d\ude00")) == "\U0001f600"


HALF_SAID = [
    b"[[" * 70 + b'"' + b'\\"' * 40_000,  # a string without an end, full of quotes that could begin one
    b"[[" * 70 + b'"' + b'\\"' * 40_000 + b"\\",
    b'"' * 40_000, b"[" * 40_000, b'{"a":' * 40_000, b"[" * 40_000 + b"]" * 40_000, b"1e+" * 40_000,
    b"1" * 40_000, b" " * 40_000 + b"x", b"{" + b'"\\ud800":1,' * 40_000 + b'"a":1}', b'"\\' + b"u" * 40_000,
]  # fmt: skip


@pytest.mark.parametrize("text", HALF_SAID, ids=range(len(HALF_SAID)))
def test_no_text_takes_more_time_than_its_length(text: bytes) -> None:
    """Texts that make a scan begin again at every character would hold up every caller of the event loop."""
    before = time.process_time()
    with contextlib.suppress(BadPayload):
        encode_payload([Raw(text)])
    strict_json(text)
    assert time.process_time() - before < 5
