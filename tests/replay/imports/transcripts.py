"""A small language for transcripts in tests, and the way to the real ones. Holds no test."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from eventlog.envelope import NewEvent
from eventlog.events import UnknownEvent, decode_event
from replay.imports.claude_code import Transcript
from replay.imports.lines import read_lines
from replay.imports.thread import Thread, read_thread

CHECKOUT = Path(__file__).parents[3]
# Next to the checkout, so that several checkouts can share one copy of a corpus that is no part of any.
BESIDE_THE_CHECKOUT = CHECKOUT.parent / "shared" / "transcripts"
CORPUS = Path(os.environ.get("AGENTLOG_TRANSCRIPTS", BESIDE_THE_CHECKOUT))
SAMPLE = CHECKOUT / "agentlog" / "sample"

needs_corpus = pytest.mark.skipif(
    not (CORPUS / "manifest.json").is_file(),
    reason=f"no real transcripts at {CORPUS}: set AGENTLOG_TRANSCRIPTS to their directory",
)

SESSION_ID = "5c1f3f0e-7a1b-4f7e-9f57-0d6b1c9a2e44"


def envelope(kind: str, number: int = 1, **fields: Any) -> dict[str, Any]:
    """A record with the fields every user, assistant, system and progress record has."""
    return {
        "parentUuid": None,
        "isSidechain": False,
        "cwd": "/home/ada/project",
        "sessionId": SESSION_ID,
        "version": "2.1.39",
        "gitBranch": "main",
        "type": kind,
        "uuid": f"uuid-{number}",
        "timestamp": f"2026-01-02T03:04:{number % 60:02d}.006Z",
        **fields,
    }


def said(text: Any, number: int = 1, **fields: Any) -> dict[str, Any]:
    """A user record."""
    return envelope("user", number, message={"role": "user", "content": text}, **fields)


def answered(number: int = 2, *, id: str | None = "msg_1", output: int = 7, **fields: Any) -> dict[str, Any]:
    """An assistant record with usage: one line of the response `id`."""
    usage = {
        "input_tokens": 3,
        "output_tokens": output,
        "cache_read_input_tokens": 1000,
        "cache_creation_input_tokens": 50,
    }
    message = {
        "role": "assistant",
        "model": "claude-model-a",
        "content": [{"type": "text", "text": f"answer {number}"}],
        "stop_reason": None,
        "usage": usage,
        **({"id": id} if id is not None else {}),
    }
    return envelope("assistant", number, message={**message, **fields.pop("message", {})}, **fields)


def dump(record: Any) -> bytes:
    """A record as Claude Code writes it: compact, not escaped where UTF-8 will do."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()


def write(path: Path, records: Iterable[Any]) -> Path:
    """Write a transcript, one line per record."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(dump(record) + b"\n" for record in records))
    return path


def thread_of(path: Path) -> Thread | None:
    with open(path, "rb") as file:
        return read_thread(path, read_lines(file))


def convert(*records: Any, thread: Thread | None = None, tenant: str = "") -> list[NewEvent]:
    """The events of a transcript of these records, without the one that begins the session."""
    events = []
    transcript = Transcript(thread or Thread(SESSION_ID, SESSION_ID, None, None), tenant)
    for number, record in enumerate(records, 1):
        events += transcript.convert(record if isinstance(record, bytes) else dump(record), number).events
    assert events[0].type == "session_created"
    return events[1:]


def read(event: NewEvent) -> Any:
    """The event's struct."""
    struct = decode_event(event.type, event.schema, event.data, event.encoding)
    assert not isinstance(struct, UnknownEvent), struct
    return struct


def plain(raw: msgspec.Raw) -> Any:
    """The value of a Raw field."""
    return json.loads(bytes(raw))
