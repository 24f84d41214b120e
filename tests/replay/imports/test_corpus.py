"""Real transcripts: counts, totals and every single record, against loops that share no code with ours."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from eventlog.events import Usage
from replay.imports.claude_code import Converted, Transcript
from replay.imports.lines import read_lines
from replay.imports.original import original_record
from replay.imports.summary import ImportSummary
from tests.replay.imports.transcripts import CORPUS, SAMPLE, needs_corpus, thread_of

FIGURES = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_input_tokens": "cache_read_tokens",
    "cache_creation_input_tokens": "cache_write_tokens",
}


def real_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (CORPUS / folder).rglob("*.jsonl"))


def converted(path: Path) -> Iterator[tuple[bytes, str, Converted]]:
    """Each line of a file with its session and its events."""
    thread = thread_of(path)
    if thread is None:
        return
    transcript = Transcript(thread, "")
    with open(path, "rb") as file:
        for line in read_lines(file):
            assert line.content is not None
            yield line.content, thread.session, transcript.convert(line.content, line.number)


def naive_totals(paths: list[Path]) -> dict[str, Counter[str]]:
    """Tokens by model: the last usage of each message.id in a file, lines without an id each."""
    totals: dict[str, Counter[str]] = {}
    for path in paths:
        last: dict[Any, tuple[str, dict[str, Any]]] = {}
        for number, line in enumerate(path.read_bytes().split(b"\n")):
            record = json.loads(line) if line else None
            message = record.get("message") if isinstance(record, dict) else None
            if isinstance(record, dict) and isinstance(message, dict) and message.get("usage"):
                last[message.get("id", number)] = (message["model"], message["usage"])
        for model, usage in last.values():
            figures = Counter({ours: usage.get(theirs, 0) for theirs, ours in FIGURES.items()})
            totals[model] = totals.get(model, Counter()) + figures
    return {model: figures for model, figures in totals.items() if +figures}


def our_totals(paths: list[Path]) -> dict[str, Counter[str]]:
    summary = ImportSummary()
    for path in paths:
        for _, _, line in converted(path):
            summary.count(line)
    return {model: +Counter(msgspec.structs.asdict(usage)) for model, usage in summary.tokens.items()}


@needs_corpus
def test_counts_are_those_of_the_manifest() -> None:
    """One session per file, each line a record, no bad line."""
    rows = {row["file"]: row for row in json.loads((CORPUS / "manifest.json").read_bytes())}
    sessions = set()
    for path in real_files("claude-code"):
        row = rows[str(path.relative_to(CORPUS))]
        summary = ImportSummary()
        for _, session, line in converted(path):
            sessions.add(session)
            summary.count(line)
        assert summary.records == row["records"], path
        assert summary.messages == row["messages"], path
        assert summary.compactions == row["compactions"], path
    assert len(sessions) == sum(
        row["sessions"] for name, row in rows.items() if name.startswith("claude-code/")
    )


@needs_corpus
def test_hand_written_fixtures_count_as_the_manifest_says() -> None:
    """Its records are objects; three lines of one file are other JSON values."""
    rows = {row["file"]: row for row in json.loads((CORPUS / "manifest.json").read_bytes())}
    for path in real_files("edge-fixtures"):
        row = rows[str(path.relative_to(CORPUS))]
        lines = list(converted(path))
        assert sum(line.startswith(b"{") for line, _, _ in lines) == row["records"], path
        if path.name != "edge_cases.jsonl":
            assert sum(found.message for _, _, found in lines) == row["messages"], path


@pytest.mark.parametrize("folder", ["sample", "claude-code", "edge-fixtures"])
def test_every_record_can_be_had_back_and_every_id_is_its_own(folder: str) -> None:
    """Nothing is lost, nothing is kept twice; lines that are messages keep no whole record beside."""
    paths = sorted(SAMPLE.rglob("*.jsonl")) if folder == "sample" else real_files(folder)
    if not paths:
        pytest.skip(f"no real transcripts at {CORPUS}: set AGENTLOG_TRANSCRIPTS to their directory")
    ids: Counter[str] = Counter()
    whole = 0
    for path in paths:
        for line, session, found in converted(path):
            records = [original_record(event, session=session) for event in found.events]
            assert [record for record in records if record is not None] == [json.loads(line)]
            ids.update(event.id for event in found.events)
            whole += sum(
                event.type == "message_appended" and "type" in json.loads(event.data)["source"]
                for event in found.events
            )
    assert set(ids.values()) == {1}
    assert folder == "edge-fixtures" or not whole


@needs_corpus
@pytest.mark.parametrize("folder", ["claude-code", "edge-fixtures"])
def test_token_totals_equal_an_independent_count(folder: str) -> None:
    """Each response once, by its last line, in each file."""
    paths = real_files(folder)
    assert our_totals(paths) == naive_totals(paths)


@needs_corpus
def test_token_totals_of_the_real_files_are_known() -> None:
    """Written down once, so that both counts cannot go wrong together."""
    known = {
        "claude-sonnet-4-20250514": Usage(1533, 75848, 8377717, 405045),
        "claude-sonnet-4-5-20250929": Usage(1674, 14035, 3705606, 360854),
        "claude-opus-4-6": Usage(5985, 146067, 58697006, 1423443),
        "claude-haiku-4-5-20251001": Usage(435, 106, 1392470, 151175),
    }
    expected = {model: +Counter(msgspec.structs.asdict(usage)) for model, usage in known.items()}
    assert our_totals(real_files("claude-code")) == expected


@needs_corpus
def test_no_response_is_in_two_real_files() -> None:
    """So counting by file counts each once over all files; hand-written fixtures do share ids."""
    files: dict[str, set[Path]] = {}
    for path in real_files("claude-code"):
        for line, _, found in converted(path):
            if found.message and (id := json.loads(line)["message"].get("id")):
                files.setdefault(id, set()).add(path)
    assert files
    assert all(len(paths) == 1 for paths in files.values())


def test_the_sample_shows_every_kind_of_event_an_import_makes() -> None:
    """It is what the demo runs on."""
    summary, types = ImportSummary(), Counter[str]()
    paths = sorted(SAMPLE.rglob("*.jsonl"))
    for path in paths:
        for _, _, line in converted(path):
            summary.count(line)
            types.update(event.type for event in line.events)
    assert (len(paths), summary.records, summary.messages, summary.compactions) == (5, 83, 66, 1)
    assert set(types) == {
        "session_created", "message_appended", "record_kept", "conversation_compacted", "summary_recorded",
        "item_enqueued", "item_claimed", "item_completed", "item_cancelled", "todos_replaced",
    }  # fmt: skip
    assert our_totals(paths) == naive_totals(paths)
    assert len(summary.tokens) == 2
