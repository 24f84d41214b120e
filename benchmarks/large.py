"""Memory of a rebuild of a log that fits into no memory: `python -m benchmarks large`, half an hour.

Sessions of 100 events and items of a queue, as in `past`. AGENTLOG_BENCH_REPLAY_EVENTS says how many events,
10,000,000 for the target; each takes about 1.2 KB of disk. Nothing here is a matter of time.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

from benchmarks.harness import console
from benchmarks.past import EVENTS, Largest, fill
from eventlog.clock import SystemClock
from eventlog.embedded.server import attach
from eventlog.log import Log
from projections.catalog import INLINE, VIEWS_SQL
from replay.rebuild import rebuild
from replay.restore import restore_postgres
from replay.shares import shares_needed

MEMORY_MB_MAX = 300


async def run() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="agentlog-bench-") as folder:
        data = Path(folder) / "data"
        count = await asyncio.to_thread(fill, data)
        console.print(f"  {EVENTS:,} events are in the segments")
        server = await attach(data, clock=SystemClock())
        try:
            await restore_postgres(data, server.connection)
            console.print("  and in Postgres")
            opening = Log.open(data, server.connection, projections=INLINE, views_sql=[VIEWS_SQL])
            async with await opening as log:
                largest, start = Largest(), time.perf_counter()
                shares = await shares_needed(log, INLINE)
                report = await rebuild(log, progress=largest.look)
        finally:
            await server.close()
    reached = "reached" if largest.mb <= MEMORY_MB_MAX else "not reached"
    console.print(
        f"rebuild of {count:,} events, {sum(report.rows.values()):,} rows, in {shares} shares:"
        f" largest process {largest.mb} MB; target ≤ {MEMORY_MB_MAX}: {reached};"
        f" {time.perf_counter() - start:.0f} s, {len(report.differences)} differences",
        highlight=False,
    )
