"""Import Claude Code transcripts: generated ones of real shape; real ones if AGENTLOG_TRANSCRIPTS is set.

Baseline in the same run: reading the same files and decoding each line as JSON, nothing else.
"""

from __future__ import annotations

import json
import os
import random
import tempfile
import time
from pathlib import Path

import msgspec

from benchmarks.harness import Result, open_log, show
from benchmarks.workload import Workload
from replay.imports.runner import import_paths

SESSIONS = 40
LINES = 250


def write_sessions(folder: Path, seed: int = 1) -> None:
    """Write SESSIONS transcripts of LINES lines: messages, tool results and progress lines."""
    rng, workload = random.Random(seed), Workload(seed)
    for number in range(SESSIONS):
        session = f"00000000-0000-4000-8000-{number:012d}"
        with (folder / f"{session}.jsonl").open("w") as file:
            for line in range(LINES):
                kind = rng.choices(("assistant", "user", "progress"), (30, 25, 45))[0]
                record: dict[str, object] = {
                    "type": kind,
                    "uuid": f"{number:08d}-0000-4000-8000-{line:012d}",
                    "parentUuid": None,
                    "sessionId": session,
                    "timestamp": f"2026-01-01T{line // 3600:02d}:{line // 60 % 60:02d}:{line % 60:02d}.000Z",
                    "cwd": "/home/agent/project",
                    "version": "2.1.0",
                }
                if kind == "progress":
                    record["data"] = {"type": "bash_progress", "output": workload.content()[:200]}
                else:
                    record["message"] = {"role": kind, "content": workload.content()}
                file.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n")  # as it does


def bare_decode(folder: Path) -> tuple[int, float]:
    """(lines, seconds) of reading and decoding every line."""
    decode, lines, start = msgspec.json.Decoder().decode, 0, time.perf_counter()
    for path in folder.rglob("*.jsonl"):
        for line in path.read_bytes().splitlines():
            decode(line)
            lines += 1
    return lines, time.perf_counter() - start


async def measure(name: str, folder: Path) -> list[Result]:
    lines, decode_s = bare_decode(folder)
    async with open_log() as (log, _, data):
        start = time.perf_counter()
        first = await import_paths(log, [folder], quarantine_dir=data / "quarantine")
        first_s = time.perf_counter() - start
        start = time.perf_counter()
        second = await import_paths(log, [folder], quarantine_dir=data / "quarantine")
        second_s = time.perf_counter() - start
    assert second.events_new == 0, "a second import appends nothing"
    return [
        Result(f"{name}: read and decode lines", lines / decode_s, 0, 0),
        Result(
            f"{name}: import", first.events_new / first_s, 0, 0, f"{decode_s / first_s:.3f} × bare decode"
        ),
        Result(f"{name}: import again, nothing new", first.events_new / second_s, 0, 0),
    ]


async def run() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        write_sessions(Path(folder))
        results = await measure("generated", Path(folder))
    if transcripts := os.environ.get("AGENTLOG_TRANSCRIPTS"):
        results += await measure("real transcripts", Path(transcripts) / "claude-code")
    show("import of Claude Code transcripts", results)
