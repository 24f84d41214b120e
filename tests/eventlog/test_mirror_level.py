"""Being level with Postgres means being on disk, whoever wrote it."""

from __future__ import annotations

from random import Random
from typing import Any

from eventlog.mirror import Mirror
from tests.eventlog.segment.building import History, lines_of, machine, open_store
from tests.support.lossy_io import LossyIo


async def test_what_another_process_wrote_is_synced_before_it_counts_as_copied():
    """It may be killed before its own sync: then the next power cut takes what somebody here was told."""
    history = History().commit_many(4)
    io = machine()
    other = open_store(io)
    nothing_to_read: Any = None
    mirror = Mirror(lambda: open_store(io), nothing_to_read)
    other.append([history.block(0, 4)])
    await mirror.catch_up(4)
    assert mirror.durable_position == 4
    after_power_cut = LossyIo(Random(0), io.machine.root.after_crash(Random(0)))
    assert lines_of(open_store(after_power_cut, witness=4)) == history.lines
    await mirror.close()
