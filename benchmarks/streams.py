"""Grow a log from 0 to 200,000 streams without ANALYZE: the append rate must hold.

Plans made while a table was empty are used when it is large. Baseline: the rate of the first
20,000 streams in the same run. Autovacuum is left as it is, so nothing helps that users lack.
"""

from __future__ import annotations

import asyncio
import os
import time

from benchmarks.harness import Result, console, open_log, percentile, show
from benchmarks.workload import Workload
from eventlog.command import Command
from eventlog.envelope import check_stream
from eventlog.log import Log

STREAMS = int(os.environ.get("AGENTLOG_BENCH_STREAMS", "200000"))
STEP = max(STREAMS // 10, 1)
AGENTS = 128


async def grow(log: Log, workload: Workload, first: int, count: int) -> tuple[float, list[float]]:
    """(events/s, seconds of each append) while `count` new streams get one message each."""
    taken: list[float] = []
    numbers = iter(range(first, first + count))

    async def agent() -> None:
        for number in numbers:
            stream = check_stream("bench", "session", f"grown:{number}")
            start = time.perf_counter()
            await log.append(Command([workload.message(log, stream)]))
            taken.append(time.perf_counter() - start)

    begin = time.perf_counter()
    await asyncio.gather(*(agent() for _ in range(AGENTS)))
    return count / (time.perf_counter() - begin), taken


async def run() -> None:
    """Measure and print."""
    workload = Workload(median_bytes=300)
    results = []
    async with open_log() as (log, _, _):
        await grow(log, workload, 10_000_000, 500)
        first_rate = 0.0
        for start in range(0, STREAMS, STEP):
            rate, taken = await grow(log, workload, start, STEP)
            first_rate = first_rate or rate
            ratio = rate / first_rate
            results.append(
                Result(
                    f"{start + STEP:,} streams",
                    rate,
                    percentile(taken, 0.5),
                    percentile(taken, 0.99),
                    f"{ratio:.2f} × the first step",
                )
            )
            console.print(f"  {start + STEP:,} streams: {rate:,.0f}/s", highlight=False)
        last = rate / first_rate
    results[-1] = results[-1]._replace(target="≥ 0.67 ×", reached=last >= 0.67)
    show(f"new streams, {AGENTS} agents, one message each, no ANALYZE", results)
