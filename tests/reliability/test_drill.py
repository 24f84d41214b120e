"""A slice of `make drill`: a few thousand events, restored in both directions and from a base backup."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tests.reliability.drill import Drill, try_opening
from tests.reliability.report import Report


async def test_either_copy_is_restored_from_the_other_with_the_same_chain_rows_and_projections():
    """The log is large enough for several commands on both sides of the base backup."""
    report = Report("drill", 3)
    with tempfile.TemporaryDirectory(prefix="agentlog-drill-") as root:
        os.chmod(root, 0o755)  # the server may run as another user
        await Drill(Path(root), report, events=2_500).run()
    assert report.failures == []
    assert report.counts["restore_postgres_events_per_s"]


def test_a_segment_whose_writer_was_killed_opens_with_every_synced_event():
    """The time is measured at full size by `make drill`; here that nothing is missing."""
    report = Report("drill", 3)
    try_opening(report, length_bytes=300_000)
    assert report.failures == []
