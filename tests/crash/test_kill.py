"""kill -9 of real processes and of the real server, then: nothing told is lost, nothing is there twice."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import agentlog
from eventlog.clock import SystemClock
from eventlog.embedded.server import attach

SESSIONS = 6
LINES = 120


class Notes:
    """What the agents of killed processes wrote down."""

    def __init__(self, path: Path) -> None:
        self.sent: set[str] = set()
        self.told: dict[str, int] = {}
        for line in path.read_text().splitlines() if path.exists() else []:
            word, id, *position = line.split()
            if word == "sent":
                self.sent.add(id)
            else:
                self.told[id] = int(position[0])


def start(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )


def wait_for(condition: object, process: subprocess.Popen[bytes]) -> None:
    """Wait until `condition()` is true; the process must still live then."""
    assert callable(condition)
    end = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, f"the process ended by itself with {process.returncode}"
        assert time.monotonic() < end, "nothing happened for a minute"
        time.sleep(0.01)


async def positions(data: Path) -> dict[str, int]:
    """Event ids and positions as both copies tell them, once each and without a gap."""
    async with agentlog.open(data) as store:
        found = [event async for block in store.log.read() for event in block]
        assert [event.position for event in found] == list(range(1, len(found) + 1))
        assert len({event.id for event in found}) == len(found)
        assert await store.verify() == []
        return {event.id: event.position for event in found}


@pytest.mark.parametrize("victim", ["process", "server", "both"])
async def test_what_was_told_before_a_kill_is_there_afterwards(tmp_path: Path, victim: str) -> None:
    """Invariants 2 and 5, with 12 agents, three times in one directory."""
    data, notes, seed = tmp_path / "data", tmp_path / "notes", random.randrange(2**32)
    rng = random.Random(seed)
    for _ in range(3):
        before = len(Notes(notes).told)
        process = start("-m", "tests.crash.appending", str(data), str(notes), "12")
        try:
            wait_for(lambda before=before: len(Notes(notes).told) > before + 20 + rng.randrange(200), process)
            if victim in ("server", "both"):
                server = await attach(data, clock=SystemClock())
                os.kill(server.pid, signal.SIGKILL)
                await server.close()
            if victim != "server":
                process.kill()
        finally:
            await asyncio.to_thread(_end, process)
        known, there = Notes(notes), await positions(data)
        lost = {id: place for id, place in known.told.items() if there.get(id) != place}
        assert not lost, f"seed {seed}"
        assert there.keys() <= known.sent, f"seed {seed}"


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let a process end by itself when its server died, or by force."""
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def transcripts(folder: Path) -> Path:
    """Write sessions that take a moment to import."""
    folder.mkdir()
    for number in range(SESSIONS):
        session = f"00000000-0000-4000-8000-{number:012d}"
        lines = [
            f'{{"type":"user","uuid":"{number:08d}-0000-4000-8000-{line:012d}","sessionId":"{session}",'
            f'"timestamp":"2026-01-01T00:00:00.000Z","message":{{"role":"user","content":"line {line}"}}}}\n'
            for line in range(LINES)
        ]
        (folder / f"{session}.jsonl").write_text("".join(lines))
    return folder


async def test_an_import_that_was_killed_is_repeated_to_completion(tmp_path: Path) -> None:
    """Killed at random moments; the last import finds what is there and adds the rest, once."""
    data, folder, seed = tmp_path / "data", transcripts(tmp_path / "transcripts"), random.randrange(2**32)
    rng = random.Random(seed)
    async with agentlog.open(data):
        pass  # the cluster is made, so that what is killed is the import
    for _ in range(3):
        process = start("-m", "agentlog", "--data", str(data), "import", "claude-code", str(folder))
        try:
            process.wait(rng.uniform(0.3, 2.0))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    async with agentlog.open(data) as store:
        again = await store.import_transcripts([folder])
        assert again.events_new + again.events_present == SESSIONS * (LINES + 1), f"seed {seed}"
        assert (await store.import_transcripts([folder])).events_new == 0
        assert (await store.status()).messages == SESSIONS * LINES
        assert await store.verify() == [], f"seed {seed}"
