"""Running `agentlog …` in this process, against the shared server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from agentlog.cli import main
from eventlog.embedded.server import EmbeddedPostgres

# A small transcript: two sessions would be the same with more words.
SESSION = "11111111-2222-4333-8444-555555555555"
LINES = [
    {
        "type": "user",
        "uuid": "u1",
        "message": {"role": "user", "content": "please fix the \x1b[31mred\x1b[0m bug"},
    },
    {
        "type": "assistant",
        "uuid": "u2",
        "parentUuid": "u1",
        "message": {
            "id": "msg_1",
            "role": "assistant",
            "model": "claude-sonnet-4-5",
            "content": [{"type": "text", "text": "It is fixed."}],
            "usage": {"input_tokens": 10, "output_tokens": 5},
        },
    },
]


class Answer(NamedTuple):
    """What a command line did."""

    status: int
    out: str
    err: str

    @property
    def rows(self) -> list[Any]:
        """Its JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def lines(self) -> list[str]:
        """Its plain rows, without the names of their columns."""
        return self.out.splitlines()[1:]

    @property
    def document(self) -> Any:
        """Its one JSON document."""
        (row,) = self.rows
        return row


Cli = Callable[..., Answer]


@pytest.fixture
def environment(
    postgres_server: EmbeddedPostgres, schema_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The test's log, named by variables; returns the data directory, which is not made yet."""
    where = postgres_server.connection
    url = f"postgresql://{where['user']}@/{where['database']}?host={where['host']}&port={where['port']}"
    monkeypatch.setenv("AGENTLOG_POSTGRES", url)
    monkeypatch.setenv("AGENTLOG_SCHEMA", schema_name)
    monkeypatch.setenv("AGENTLOG_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def cli(environment: Path, capfd: pytest.CaptureFixture[str]) -> Cli:
    """Run a command line in this process; words are arguments, each one whole."""

    def run(*words: str) -> Answer:
        capfd.readouterr()
        status = main(words)
        return Answer(status, *capfd.readouterr())

    assert run("schema", "migrate").status == 0
    return run


@pytest.fixture
def transcript(tmp_path: Path) -> Path:
    """A transcript of Claude Code with two messages, one of them hostile to terminals."""
    path = tmp_path / f"{SESSION}.jsonl"
    common = {
        "sessionId": SESSION,
        "isSidechain": False,
        "timestamp": "2026-01-02T03:04:05.678Z",
        "cwd": "/p",
    }
    path.write_text("".join(json.dumps({**common, **line}) + "\n" for line in LINES))
    return path


def start(*words: str) -> subprocess.Popen[str]:
    """Start a command line as a process of its own, with pipes."""
    return subprocess.Popen(
        [sys.executable, "-m", "agentlog", *words],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )  # fmt: skip
