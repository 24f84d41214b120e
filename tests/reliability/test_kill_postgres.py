"""A short slice of `make kill-postgres`: the server dies under an open store, which goes on by itself."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reliability.kill_postgres.cycles import TOGETHER, Cycles


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory that a server under another user may pass through."""
    with tempfile.TemporaryDirectory(prefix="agentlog-test-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@pytest.mark.parametrize("embedded", [False, True], ids=["given by its address", "embedded"])
async def test_invariant_5_whatever_happens_to_postgres_what_was_told_is_there_and_appends_go_on(
    folder: Path, embedded: bool
):
    """Killed, stopped, paused, its sessions broken off: the same store, opened once."""
    cycles, seed = Cycles(folder), random.randrange(2**32)
    await cycles.series(seed, 3, embedded=embedded)
    assert cycles.failures == []
    assert cycles.counts["acknowledged commands"] > 0


async def test_invariant_2_what_was_told_before_process_and_server_were_killed_is_there_afterwards(
    folder: Path,
):
    cycles = Cycles(folder)
    await cycles.together(random.randrange(2**32), 2)
    assert cycles.failures == []
    assert cycles.counts[TOGETHER] == 2
