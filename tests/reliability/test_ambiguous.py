"""A short slice of the ambiguous commits, with every kind of cut (ambiguous.py has the long run)."""

from __future__ import annotations

import random
from pathlib import Path

from eventlog.embedded.server import EmbeddedPostgres
from tests.reliability.ambiguous import run


async def test_invariant_5_every_cut_commit_is_resolved_to_the_truth(
    postgres_server: EmbeddedPostgres, short_path: Path
):
    seed = random.SystemRandom().randrange(2**32)
    report = await run(postgres_server.connection, short_path, seed, commits=60)
    assert not report.failures, f"seed {seed}: {report.failures}"
    assert report.counts["duplicates"] == report.counts["wrong_answers"] == 0
    assert int(report.counts["ambiguous_commits"]) >= 60
