"""Importing into a real log: once, again, grown, twice at once, and past what is unreadable."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from eventlog.command import Command
from eventlog.envelope import Event, StreamId
from eventlog.errors import BadInput
from eventlog.events import SESSION, SessionUpdated, Usage, new
from eventlog.log import Log
from replay.imports.original import original_record
from replay.imports.runner import import_paths
from replay.imports.summary import ImportSummary, Progress
from tests.replay.imports.transcripts import (
    CORPUS,
    SAMPLE,
    SESSION_ID,
    answered,
    dump,
    needs_corpus,
    said,
    write,
)


async def run(log: Log, *paths: Path, tenant: str = "", progress: Any = None) -> ImportSummary:
    quarantine = Path(log.directory.path) / "quarantine" / "import-test"
    return await import_paths(log, paths, tenant=tenant, quarantine_dir=quarantine, progress=progress)


async def session(log: Log, key: str, tenant: str = "") -> list[Event]:
    return await log.read_stream(StreamId(tenant, SESSION, key))


async def head(log: Log) -> int:
    return (await log.head()).position


def records(events: list[Event]) -> list[Any]:
    """The records of a session's stream, as they were in the file."""
    made = [original_record(event, session=events[0].stream.key) for event in events]
    return [record for record in made if record is not None]


def copies(summary: ImportSummary) -> list[bytes]:
    return [Path(found.copy).read_bytes() for found in summary.quarantined]


async def test_a_session_in_the_log_is_its_file_in_order(log: Log, tmp_path: Path) -> None:
    """Read back from Postgres, record by record."""
    lines = [said("a", 1), answered(2), {"type": "progress", "data": {}}, said("b\u2028\x00", 3)]
    summary = await run(log, write(tmp_path / "a.jsonl", lines))
    events = await session(log, SESSION_ID)
    assert events[0].type == "session_created"
    assert records(events) == lines
    assert (summary.files, summary.sessions, summary.records, summary.messages) == (1, 1, 4, 3)
    assert (summary.events_new, summary.events_present) == (5, 0)
    assert summary.tokens == {"claude-model-a": Usage(3, 7, 1000, 50)}


async def test_importing_again_appends_nothing(log: Log) -> None:
    """Sub-agents, queue items, repeated lines: every event is recognised."""
    first = await run(log, SAMPLE)
    position = await head(log)
    again = await run(log, SAMPLE)
    assert await head(log) == position == first.events_new
    assert (again.events_new, again.events_present) == (0, first.events_new)
    assert (again.records, again.messages, again.tokens) == (first.records, first.messages, first.tokens)


async def test_a_file_that_grew_appends_what_is_new(log: Log, tmp_path: Path) -> None:
    """Also when its last line was torn the first time: the log is then as if it had been whole."""
    text = b"".join(dump(answered(number, output=number)) + b"\n" for number in range(1, 9))
    path = tmp_path / "a.jsonl"
    path.write_bytes(text[:1700])
    first = await run(log, path)
    assert len(first.quarantined) == 1
    path.write_bytes(text)
    second = await run(log, path)
    assert not second.quarantined
    assert second.events_present == first.events_new > 1
    await run(log, path, tenant="whole")
    grown, whole = await session(log, SESSION_ID), await session(log, SESSION_ID, "whole")
    assert [bytes(event.data) for event in grown] == [bytes(event.data) for event in whole]
    assert len(grown) == 9


async def test_two_imports_at_once_append_each_event_once(log: Log, tmp_path: Path) -> None:
    """They conflict, read again and take turns."""
    path = write(tmp_path / "a.jsonl", [said("a", number) for number in range(400)])
    summaries = await asyncio.gather(*[run(log, path, SAMPLE) for _ in range(3)])
    ids = Counter([event.id async for block in log.read() for event in block])
    assert set(ids.values()) == {1}
    assert sum(summary.events_new for summary in summaries) == len(ids)
    for summary in summaries:
        assert summary.events_new + summary.events_present == len(ids)
    assert [read["message"]["content"] for read in records(await session(log, SESSION_ID))] == ["a"] * 400
    assert [read["uuid"] for read in records(await session(log, SESSION_ID))] == [
        f"uuid-{n}" for n in range(400)
    ]


class Stopped(Exception):
    """What a person's Ctrl-C is to the import: an error from outside of it."""


async def test_an_import_that_was_stopped_goes_on_where_it_stopped(log: Log, tmp_path: Path) -> None:
    """Wherever that was: a batch is in the log or it is not."""
    lines = [said("a", number) for number in range(300)]
    path = write(tmp_path / "a.jsonl", lines)

    def stop(progress: Progress) -> None:
        if progress.bytes_done > progress.bytes // 2:
            raise Stopped

    with pytest.raises(Stopped):
        await run(log, path, progress=stop)
    before = await head(log)
    assert 0 < before < 301
    summary = await run(log, path)
    assert (summary.events_present, summary.events_new) == (before, 301 - before)
    assert records(await session(log, SESSION_ID)) == lines


async def test_events_of_others_on_the_stream_do_not_disturb(log: Log, tmp_path: Path) -> None:
    """Someone renames the session between two imports."""
    path = write(tmp_path / "a.jsonl", [said("a")])
    await run(log, path)
    renamed = new(StreamId("", SESSION, SESSION_ID), SessionUpdated(title="Mine"), id=log.ids.next())
    await log.append(Command([renamed]))
    write(path, [said("a"), said("b", 2)])
    assert (await run(log, path)).events_new == 1
    types = [event.type for event in await session(log, SESSION_ID)]
    assert types == ["session_created", "message_appended", "session_updated", "message_appended"]


async def test_tenants_import_the_same_file_apart(log: Log) -> None:
    """Neither sees the other's events as its own."""
    first = await run(log, SAMPLE, tenant="acme")
    second = await run(log, SAMPLE, tenant="other")
    assert first.events_new == second.events_new > 0


async def test_a_copy_of_a_file_is_the_same_transcript(log: Log, tmp_path: Path) -> None:
    """Backups lie about; neither events nor tokens double."""
    one, two = (write(tmp_path / name / "a.jsonl", [said("a"), answered()]) for name in ("one", "two"))
    summary = await run(log, one, two)
    assert (summary.files, summary.sessions, summary.events_new, summary.events_present) == (2, 1, 3, 3)
    assert (summary.messages, summary.tokens["claude-model-a"].output_tokens) == (2, 7)


async def test_an_orphan_sub_agent_is_imported_with_its_parents_name(log: Log, tmp_path: Path) -> None:
    """Its main file may be on another machine."""
    path = tmp_path / SESSION_ID / "subagents" / "agent-a1b2.jsonl"
    await run(log, write(path, [said("look", isSidechain=True, agentId="a1b2")]))
    created = (await session(log, f"{SESSION_ID}:a1b2"))[0]
    assert created.value["parent"] == SESSION_ID
    assert await session(log, SESSION_ID) == []


async def test_tables_show_what_was_imported(log: Log) -> None:
    """The folds take the events: messages, tokens, queue and todos of the sample's first session."""
    await run(log, SAMPLE)
    rows = await log.reads.fetch(
        "SELECT sum(message_count) AS m, sum(compaction_count) AS c FROM {schema}.conversations"
    )
    assert (rows[0]["m"], rows[0]["c"]) == (66, 1)
    rows = await log.reads.fetch("SELECT status, count(*) AS n FROM {schema}.queue_items GROUP BY status")
    assert {row["status"]: row["n"] for row in rows} == {"completed": 2, "cancelled": 3}
    rows = await log.reads.fetch("SELECT total, completed FROM {schema}.todo_lists")
    assert [tuple(row) for row in rows] == [(3, 3)]
    rows = await log.reads.fetch(
        "SELECT count(*) AS n FROM {schema}.sessions WHERE parent IS NOT NULL AND agent = 'a7c41e9'"
    )
    assert rows[0]["n"] == 1


async def test_unreadable_spans_are_copied_and_the_rest_is_imported(log: Log, tmp_path: Path) -> None:
    """The summary names each."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(dump(said("a")) + b'\n{"torn":\n\n\xff\n' + dump(said("b", 2)) + b"\n42")
    summary = await run(log, path)
    assert [(found.line, found.length_bytes) for found in summary.quarantined] == [(2, 9), (4, 2), (6, 2)]
    assert (summary.records, summary.blank_lines) == (2, 1)
    assert copies(summary) == [b'{"torn":\n', b"\xff\n", b"42"]
    assert len(records(await session(log, SESSION_ID))) == 2


async def test_a_path_that_cannot_be_imported_is_named_and_others_go_on(log: Log, tmp_path: Path) -> None:
    """A missing file, a picture, an empty file, a file of another tool."""
    picture, empty, other = tmp_path / "a.png", tmp_path / "empty.jsonl", tmp_path / "codex.jsonl"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n\x00\xff")
    empty.touch()
    other.write_text('{"type":"response_item"}\n')
    good = write(tmp_path / "good.jsonl", [said("a")])
    summary = await run(log, tmp_path / "missing", picture, empty, other, good)
    assert [refused.path for refused in summary.refused] == [
        str(tmp_path / "missing"),
        str(picture),
        str(other),
    ]
    assert all(refused.path in refused.reason for refused in summary.refused)
    assert (summary.files, summary.empty, summary.events_new) == (1, [str(empty)], 2)
    assert await head(log) == 2


async def test_an_import_of_nothing_at_all_is_an_error(log: Log, tmp_path: Path) -> None:
    """A misspelt path must not look like success."""
    with pytest.raises(BadInput, match="misspelt cannot be imported: No such file"):
        await run(log, tmp_path / "misspelt")
    assert await head(log) == 0


async def test_a_file_without_permission_is_named(log: Log, tmp_path: Path) -> None:
    """And nothing of it is guessed."""
    path = write(tmp_path / "a.jsonl", [said("a")])
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read every file, as root does")
    with pytest.raises(BadInput, match="Permission denied"):
        await run(log, path)


async def test_a_name_that_is_no_utf_8_is_imported_and_shown(log: Log, tmp_path: Path) -> None:
    """Linux allows any bytes; the summary must still be printable."""
    good, nameless, broken = (tmp_path / os.fsdecode(b"%b\xff.jsonl" % name) for name in (b"a", b"b", b"c"))
    try:
        good.write_bytes(dump(said("a")) + b"\ntorn")
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    nameless.write_bytes(b'{"type":"user"}\n')
    broken.write_bytes(b"torn")
    summary = await run(log, tmp_path)
    assert summary.events_new == 2
    assert copies(summary) == [b"torn"]
    printed = msgspec.json.encode(summary).decode()
    assert printed.count("\ufffd.jsonl") == 5
    assert "cannot name a session" in printed


async def test_an_item_popped_from_a_long_queue_is_split_over_commands(log: Log, tmp_path: Path) -> None:
    """One popAll may cancel more items than a command takes."""
    operation = {"type": "queue-operation", "sessionId": SESSION_ID}
    lines = [{**operation, "operation": "enqueue", "content": str(number)} for number in range(300)]
    path = write(tmp_path / "a.jsonl", [*lines, {**operation, "operation": "popAll"}])
    assert (await run(log, path)).events_new == 1 + 300 + 1 + 300
    assert (await run(log, path)).events_new == 0


async def test_progress_tells_of_files_and_bytes(log: Log) -> None:
    """Never backwards, and complete at the end."""
    seen: list[Progress] = []
    await run(log, SAMPLE, progress=seen.append)
    assert seen[-1].files_done == seen[-1].files == 5
    assert seen[-1].bytes_done == seen[-1].bytes == sum(p.stat().st_size for p in SAMPLE.rglob("*.jsonl"))
    assert [tick.files_done for tick in seen] == sorted(tick.files_done for tick in seen)


@needs_corpus
async def test_the_real_transcripts_are_in_the_log_as_the_manifest_counts_them(log: Log) -> None:
    """32 files; the tables agree with the summary."""
    summary = await run(log, CORPUS / "claude-code")
    counts = (summary.files, summary.sessions, summary.records, summary.messages, summary.compactions)
    assert counts == (32, 32, 8835, 3410, 4)
    assert not summary.quarantined
    assert not summary.refused
    rows = await log.reads.fetch(
        "SELECT sum(output_tokens)::bigint AS n, count(*) AS k FROM {schema}.conversations"
    )
    assert rows[0]["n"] == sum(usage.output_tokens for usage in summary.tokens.values()) == 236_056
    assert (await run(log, CORPUS / "claude-code")).events_new == 0
