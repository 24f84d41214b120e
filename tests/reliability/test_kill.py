"""A short slice of `make kill`: processes die by kill -9, at random and at calls; nothing told is lost."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from eventlog.embedded.server import EmbeddedPostgres
from tests.reliability.kill.calls import SCENES, CallKills
from tests.reliability.kill.place import new_place
from tests.reliability.kill.series import Kills, run_series, until_noted
from tests.reliability.kill.straced import Straced, why_not
from tests.reliability.kill.victim import start

EVERY = {scene.name: scene for scene in SCENES}


async def test_invariant_2_what_was_told_before_a_kill_is_there_afterwards(
    tmp_path: Path, postgres_server: EmbeddedPostgres
):
    """Whatever the process did: append, open, verify, rebuild, repair, restore, import."""
    seed = random.randrange(2**32)
    kills = Kills(tmp_path, postgres_server.connection)
    await run_series(kills, seed=seed, kills=6, lanes=1)
    assert kills.failures == [], f"seed {seed}"
    assert kills.counts["kills"] >= 6


async def test_an_import_that_was_killed_is_repeated_to_completion(
    tmp_path: Path, postgres_server: EmbeddedPostgres
):
    """It finds what is there and adds the rest, once."""
    kills = Kills(tmp_path, postgres_server.connection)
    await kills.series(random.randrange(2**32), 2, works={"import": 1})
    assert kills.failures == []


@pytest.mark.parametrize(
    ("scene", "how", "step"),
    [
        ("append, rotate, seal, close", "middle", 2),
        ("recovery of a torn tail", "before", 11),
        ("repair by writing anew", "before", 17),
    ],
)
async def test_invariant_7_a_process_that_dies_at_a_call_leaves_what_the_next_one_takes_up(
    tmp_path: Path, postgres_server: EmbeddedPostgres, scene: str, how: str, step: int
):
    """Some of the calls; `make kill` goes through all of them."""
    kills = CallKills(tmp_path, postgres_server.connection)
    await kills.every(EVERY[scene], how, step=step)
    assert kills.failures == []
    assert kills.counts.total() >= 3


async def test_no_call_that_changes_the_directory_goes_round_the_seam(
    tmp_path: Path, postgres_server: EmbeddedPostgres
):
    """As strace sees it, which also kills the unmodified process at some of them."""
    if reason := why_not():
        pytest.skip(reason)
    kills = Straced(tmp_path, postgres_server.connection)
    await kills.every(EVERY["append, rotate, seal, close"], step=8)
    assert kills.failures == []
    assert kills.counts.total() >= 1


async def test_a_victim_dies_by_the_signal_and_not_by_itself(
    tmp_path: Path, postgres_server: EmbeddedPostgres
):
    """Otherwise the kills would prove nothing."""
    async with new_place(tmp_path, postgres_server.connection) as place:
        process = await start(place.plan("append", agents=2))
        await until_noted(place, place.notes.stat().st_size, process)
        assert process.running
        process.kill()
        assert await process.ended() == -9
