"""Whose transcript a file is, for all three homes of sub-agents and for odd files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from eventlog.errors import BadInput
from replay.imports.thread import TITLE_CHARACTERS_MAX, Thread
from tests.replay.imports.transcripts import (
    CORPUS,
    SESSION_ID,
    envelope,
    needs_corpus,
    said,
    thread_of,
    write,
)


def thread(path: Path, *records: object) -> Thread:
    found = thread_of(write(path, records))
    assert found is not None
    return found


def test_a_main_file_is_its_session(tmp_path: Path) -> None:
    """With what its first records tell about it."""
    found = thread(tmp_path / f"{SESSION_ID}.jsonl", said("Hello\n  there", 7))
    assert found == Thread(
        SESSION_ID, SESSION_ID, None, None,
        title="Hello there", directory="/home/ada/project", git_branch="main", tool_version="2.1.39",
        started_at="2026-01-02T03:04:07.006000Z",
    )  # fmt: skip


def test_the_session_id_counts_and_not_the_name_of_the_file(tmp_path: Path) -> None:
    """Transcripts get renamed."""
    assert thread(tmp_path / "renamed.jsonl", said("hello")).session == SESSION_ID


@pytest.mark.parametrize("name", [f"{SESSION_ID}/subagents/agent-a1b2.jsonl", "agent-a1b2.jsonl"])
@pytest.mark.parametrize("fields", [{"agentId": "a1b2", "isSidechain": True}, {}])
def test_a_sub_agents_file_is_a_session_with_a_parent(
    tmp_path: Path, name: str, fields: dict[str, Any]
) -> None:
    """In its folder (2.1) or beside the main file (2.0), named by its records or by its name alone."""
    found = thread(tmp_path / name, said("look", **fields))
    assert (found.session, found.parent, found.agent) == (f"{SESSION_ID}:a1b2", SESSION_ID, "a1b2")


def test_a_main_file_with_inline_sub_agents_stays_the_main_one(tmp_path: Path) -> None:
    """Version 1.0 wrote both into one file, and a sub-agent may speak first."""
    first = said("look", isSidechain=True, agentId="a1b2")
    found = thread(tmp_path / f"{SESSION_ID}.jsonl", first, said("hello", 2))
    assert (found.session, found.parent, found.agent) == (SESSION_ID, None, None)


def test_a_session_called_like_a_sub_agent_has_another_key(tmp_path: Path) -> None:
    """Session `a:b` and sub-agent `b` of session `a` must never touch each other."""
    (tmp_path / "sub").mkdir()
    main = thread(tmp_path / "main.jsonl", said("hello", sessionId="a:b"))
    sub_agent = thread(tmp_path / "sub" / "agent-b.jsonl", said("hello", sessionId="a", agentId="b"))
    assert (main.session, sub_agent.session, sub_agent.parent) == ("a%3Ab", "a:b", "a")


def test_a_sub_agents_file_without_session_id_takes_it_from_its_folder(tmp_path: Path) -> None:
    """`<session>/subagents/agent-<id>.jsonl` says all there is to know."""
    found = thread(tmp_path / "main" / "subagents" / "agent-x.jsonl", {"type": "user"})
    assert (found.session, found.parent, found.agent) == ("main:x", "main", "x")


def test_a_file_without_session_id_is_named_by_its_stem(tmp_path: Path) -> None:
    """Snapshots and summaries carry none."""
    found = thread(tmp_path / "notes.jsonl", {"type": "summary", "summary": "About tides", "leafUuid": "x"})
    assert (found.session, found.session_id, found.title) == ("notes", None, "About tides")


def test_the_first_session_id_of_a_file_decides(tmp_path: Path) -> None:
    """Exports of other tools hold two (oddity 5); the records keep their own."""
    found = thread(
        tmp_path / "export.jsonl", {"version": "0.1"}, said("a", sessionId="one"), said("b", sessionId="two")
    )
    assert found.session == "one"


@pytest.mark.parametrize("session_id", ["", "a\0b", "\ud800", 7, None, ["x"], "x" * 5000])
def test_a_session_id_that_cannot_be_a_key_is_passed_over(tmp_path: Path, session_id: object) -> None:
    """The next record may have a better one."""
    path = tmp_path / "odd.jsonl"
    path.write_text("\n".join(json.dumps(record) for record in [said("a", sessionId=session_id), said("b")]))
    found = thread_of(path)
    assert found is not None
    assert found.session == SESSION_ID


@pytest.mark.parametrize(
    "before",
    [
        said("notice", isMeta=True),
        said("summary so far", isCompactSummary=True),
        said("<command-name>/clear</command-name>"),
        said("[Request interrupted by user]"),
        said([{"type": "tool_result", "tool_use_id": "t", "content": "42"}]),
        said([]),
        said({"not": "content"}),
        said(None),
        envelope("user", message="error"),
    ],
)
def test_the_title_is_what_a_person_typed_first(tmp_path: Path, before: dict[str, object]) -> None:
    """Not what the tool put in the person's place."""
    found = thread(tmp_path / "a.jsonl", before, said([{"type": "text", "text": "Bake bread"}], 2))
    assert found.title == "Bake bread"


def test_a_typed_title_is_better_than_a_summary(tmp_path: Path) -> None:
    """Summary lines mostly tell of another file: their leaf is elsewhere in 35 of 39 cases."""
    summary = {"type": "summary", "summary": "Another conversation", "leafUuid": "elsewhere"}
    assert thread(tmp_path / "a.jsonl", summary, said("Bake bread")).title == "Bake bread"


def test_a_long_title_is_shortened(tmp_path: Path) -> None:
    """It is shown in lists."""
    title = thread(tmp_path / "a.jsonl", said("bake  " * 40)).title
    assert title is not None
    assert len(title) <= TITLE_CHARACTERS_MAX
    assert title.startswith("bake bake")
    assert title.endswith("…")


@pytest.mark.parametrize("text", [b"", b"\n\n", b" \r\n"])
def test_a_file_without_content_is_nobodys(tmp_path: Path, text: bytes) -> None:
    """Empty, and no error: a sub-agent that never spoke leaves one."""
    path = tmp_path / "empty.jsonl"
    path.write_bytes(text)
    assert thread_of(path) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00\xff", "no line of it is JSON"),
        (b"# Notes\n\nBuy bread\n", "no line of it is JSON"),
        (
            b'{"type":"session_meta","payload":{}}\n{"type":"response_item"}\n',
            "2 lines of it are JSON, but none",
        ),
        (b'[1]\n"x"\n{"silly":"this"}\n', "3 lines of it are JSON, but none"),
    ],
)
def test_what_is_no_transcript_is_refused_by_name(tmp_path: Path, text: bytes, reason: str) -> None:
    """A picture, notes, another tool's log: nothing of them belongs in the log."""
    path = tmp_path / "stray.jsonl"
    path.write_bytes(text)
    with pytest.raises(BadInput, match=reason) as refused:
        thread_of(path)
    assert str(path) in str(refused.value)


@needs_corpus
@pytest.mark.parametrize("folder", ["codex", "codex-tui-log", "pi", "openhands", "mint-bench"])
def test_other_tools_transcripts_are_refused(folder: str) -> None:
    """They are JSON lines as well, and importing them here would keep them as noise."""
    paths = sorted((CORPUS / folder).rglob("*.jsonl"))
    assert paths
    for path in paths:
        with pytest.raises(BadInput, match="no transcript of Claude Code"):
            thread_of(path)
