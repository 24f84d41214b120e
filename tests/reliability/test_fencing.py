"""A slice of `make fencing`: a few races of several writers, and every scene between them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from eventlog.embedded.server import EmbeddedPostgres
from tests.reliability.fencing.__main__ import run_series
from tests.reliability.fencing.crew import crew
from tests.reliability.fencing.scenes import (
    NEEDING,
    SCENES,
    Scene,
    a_file_system_that_became_read_only_refuses,
    play,
)
from tests.reliability.fencing.series import Series
from tests.reliability.report import Report

RACES = 4
PROCESSES = 3


async def test_invariant_1_and_2_hold_for_several_writers_whatever_happens_to_them(
    postgres_server: EmbeddedPostgres, tmp_path: Path
):
    """Processes and hosts that are paused, cut off, killed, forked, copied; a failure names its seed."""
    report = Report("fencing", random.SystemRandom().randrange(2**32))
    async with crew(PROCESSES) as workers:
        connection = postgres_server.connection
        await run_series(report, Counter(), 0, RACES, tmp_path, workers, connection)
    assert report.failures == []


@pytest.mark.parametrize(
    "scene",
    [
        pytest.param(
            scene,
            id=scene.__name__,
            marks=pytest.mark.root if scene is a_file_system_that_became_read_only_refuses else (),
        )
        for scene in (*SCENES, *NEEDING)
    ],
)
async def test_what_several_writers_can_come_to(
    postgres_server: EmbeddedPostgres, tmp_path: Path, scene: Scene
):
    """Each scene has one right outcome, and the log is judged after it."""
    why_not: Callable[[], str] = NEEDING.get(scene, lambda: "")
    if reason := why_not():
        pytest.skip(reason)
    async with crew(2) as workers:
        series = Series(tmp_path, postgres_server.connection, workers, random.Random(0), Counter())
        assert await play(series, scene) == []
