"""What keeping tasks alive costs, how often hosts collide, and how long it takes from enqueue to start."""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
from rich.table import Table

import agentlog
from agentlog.lease import Lease
from benchmarks.harness import console, percentile
from benchmarks.queue_store import fill, open_store

RUNNING = 1_000
SECONDS = 60.0
WAL_MAX = 1_000_000
HOSTS = (1, 4, 8)


async def kept_alive(store: agentlog.Store, table: Table) -> None:
    """A minute in which nothing happens but that a thousand tasks run."""
    await fill(store, RUNNING)
    admin = await asyncpg.connect(**dict(store.log.reads.target))
    async with Lease(store._scope) as lease:
        held = await store.tasks.claim("w", limit=RUNNING, lease=lease)
        assert len(held) == RUNNING
        # What was just enqueued is cleaned up before: that is no part of keeping alive.
        await admin.execute("VACUUM ANALYZE")
        await admin.execute("CHECKPOINT")
        head = (await store.log.head()).position
        wal = await admin.fetchval("SELECT pg_current_wal_lsn() - '0/0'")
        await asyncio.sleep(SECONDS)
        written = int(await admin.fetchval("SELECT pg_current_wal_lsn() - '0/0'") - wal)
        events = (await store.log.head()).position - head
    await admin.close()
    reached = "reached" if events == 0 and written < WAL_MAX else "not reached"
    table.add_row(
        f"{RUNNING:,} running tasks for {SECONDS:g} s", f"{events} events, {written:,} B of WAL",
        f"0 events, < {WAL_MAX:,} B", reached,
    )  # fmt: skip


async def collisions(store: agentlog.Store, table: Table) -> None:
    """Claims of ten by several hosts at once, all of one queue."""
    target = dict(store.log.reads.target)
    for count in HOSTS:
        await fill(store, 6_000)
        async with AsyncExitStack() as stack:
            hosts = []
            for _ in range(count):
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="agentlog-bench-"))
                hosts.append(await stack.enter_async_context(agentlog.open(folder, postgres=target)))
            end = time.perf_counter() + 4

            async def work(host: agentlog.Store, end: float = end) -> None:
                while time.perf_counter() < end:
                    await host.tasks.complete_many(await host.tasks.claim("w", limit=10))

            await asyncio.gather(*map(work, hosts))
            won = sum(host.tasks.claimer.won for host in hosts)
            lost = sum(host.tasks.claimer.lost for host in hosts)
        table.add_row(
            f"{count} hosts claim tens of one queue",
            f"{100 * lost / (won + lost):.1f} % lost ({won:,} won)",
            "",
            "",
        )


async def latency(store: agentlog.Store, table: Table) -> None:
    """From before enqueuing to the first line of the handler, 20 a second, all in one process."""
    taken: list[float] = []
    work = store.tasks.work(queue="latency")

    async def handle(task: Any) -> None:
        taken.append(time.perf_counter() - task.messages[0])

    async def consume() -> None:
        async for task in work:
            task.start(handle)

    consuming = asyncio.create_task(consume())
    for _ in range(100):
        await store.tasks.enqueue([time.perf_counter()], queue="latency")
        await asyncio.sleep(0.05)
    work.stop()
    await consuming
    table.add_row(
        "from enqueue to start",
        f"p50 {percentile(taken, 0.5):.1f} ms, p99 {percentile(taken, 0.99):.1f} ms",
        "",
        "",
    )


async def run() -> None:
    """Measure and print."""
    table = Table("what", "found", "target", "")
    async with open_store() as store:
        await latency(store, table)
        await kept_alive(store, table)
        await collisions(store, table)
    console.print(table)
