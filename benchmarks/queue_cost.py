"""What a claim costs as the backlog grows, beside one hot session, and beside a long analytical query.

BACKLOG tasks are enqueued first; a million take some minutes.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
from rich.table import Table

from benchmarks.harness import console, percentile
from benchmarks.queue_store import fill, open_store

SMALL = 1_000
LARGE = int(os.environ.get("BACKLOG", "1000000"))
HOT = 50_000
CLAIMS = 300
RATIO_MAX = 2.0


async def claims(claim: Callable[[], Awaitable[Any]]) -> list[float]:
    """Seconds of each of some claims of one, one after another."""
    taken = []
    for _ in range(CLAIMS):
        start = time.perf_counter()
        found = await claim()
        taken.append(time.perf_counter() - start)
        assert found, "there was nothing to claim"
    return taken


async def backlog(table: Table) -> None:
    async with open_store(batch_events_max=1000) as store:

        async def claim() -> Any:
            return await store.tasks.claim("w", lease_s=None)

        await fill(store, SMALL + 20)
        await claims(claim)
        await fill(store, CLAIMS)
        few = await claims(claim)
        begin = time.perf_counter()
        await fill(store, LARGE)
        console.print(f"{LARGE:,} tasks enqueued in {time.perf_counter() - begin:.0f} s")
        await claims(claim)
        row(table, f"claim at {SMALL:,} and at {LARGE:,} pending", few, await claims(claim))
        alone = await claims(claim)
        stop = asyncio.Event()
        asking = asyncio.create_task(analyse(dict(store.log.reads.target), stop))
        await asyncio.sleep(0.5)
        beside = await claims(claim)
        stop.set()
        await asking
        row(table, "claim alone and beside a long query with its snapshot open", alone, beside)


async def analyse(server: dict[str, Any], stop: asyncio.Event) -> None:
    """Read the whole log again and again in one transaction, which keeps vacuum from cleaning up."""
    connection = await asyncpg.connect(**server)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        while not stop.is_set():
            await connection.fetch(
                "SELECT type, count(*), sum(length(data))"
                " FROM (SELECT * FROM agentlog.events LIMIT 200000) e GROUP BY type"
            )
    await connection.close()


async def hot_session(table: Table) -> None:
    async with open_store(batch_events_max=1000) as store:

        async def claim() -> Any:
            return await store.queue.claim("w", lease_s=None)

        async def others() -> None:
            await asyncio.gather(
                *(store.queue.enqueue(f"session {os.urandom(8).hex()}", n) for n in range(CLAIMS))
            )

        await others()
        await claims(claim)
        await others()
        quiet = await claims(claim)
        for _ in range(HOT // 5_000):
            await asyncio.gather(*(store.queue.enqueue("hot", n) for n in range(5_000)))
        await store.queue.claim("w", session="hot", lease_s=None)
        await others()
        row(table, f"claim without and beside a busy session of {HOT:,} items", quiet, await claims(claim))


def row(table: Table, name: str, before: list[float], after: list[float]) -> None:
    first, second = percentile(before, 0.5), percentile(after, 0.5)
    ratio = second / first
    table.add_row(
        name, f"{first:.2f} ms", f"{second:.2f} ms", f"{percentile(after, 0.99):.2f} ms", f"{ratio:.2f} ×",
        f"< {RATIO_MAX:g} ×", "reached" if ratio < RATIO_MAX else "not reached",
    )  # fmt: skip


async def run() -> None:
    """Measure and print."""
    table = Table("what", "p50 before", "p50 after", "p99 after", "ratio", "target", "")
    await hot_session(table)
    await backlog(table)
    console.print(table)
