"""Claim + complete, against pgqueuer, procrastinate and a bare SKIP LOCKED table on the same server.

Every transition of ours is an event in the log, and both copies are durable when the call returns.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import asyncpg
from rich.table import Table

from benchmarks.harness import console
from benchmarks.queue_peers import Bare, Peer, Pgqueuer, Procrastinate
from benchmarks.queue_store import Ours, open_store

SECONDS = 2.5
WORKERS = (1, 4, 8)
AGENTS = 64
# (batch, peer) → how many times its rate ours should be; with 8 workers only, where one at a time.
TARGETS = {(50, "pgqueuer"): 2.0, (50, "procrastinate"): 20.0, (1, "procrastinate"): 3.0}
TRANSITIONS = 15_000


async def rate(peer: Peer, workers: int, batch: int, admin: asyncpg.Connection) -> tuple[float, float]:
    """(jobs/s, WAL bytes per job) of so many workers."""
    done = 0
    end = time.perf_counter() + SECONDS

    async def work(number: int) -> None:
        nonlocal done
        while time.perf_counter() < end:
            count = await peer.take(number, batch)
            done += count
            if not count:
                return

    wal = await admin.fetchval("SELECT pg_current_wal_lsn() - '0/0'")
    begin = time.perf_counter()
    await asyncio.gather(*map(work, range(workers)))
    taken = time.perf_counter() - begin
    written = await admin.fetchval("SELECT pg_current_wal_lsn() - '0/0'") - wal
    return done / taken, float(written) / max(1, done)


async def measure(peer: Peer, server: dict[str, Any], admin: asyncpg.Connection) -> dict[Any, Any]:
    found = {}
    await peer.open(server, max(WORKERS))
    await peer.fill(2_000)
    for batch in peer.batches:
        for workers in WORKERS:
            await peer.fill(30_000 if batch > 1 and peer.name != "agentlog" else 10_000)
            found[batch, workers] = await rate(peer, workers, batch, admin)
    await peer.close()
    return found


async def agents(store: Any) -> float:
    """Transitions/s of agents that enqueue, claim and complete, each one at a time."""
    done = 0
    end = time.perf_counter() + 2 * SECONDS

    async def agent(number: int) -> None:
        nonlocal done
        while time.perf_counter() < end:
            await store.tasks.enqueue(["x" * 200], queue="agents")
            held = await store.tasks.claim(f"agent {number}", queue="agents")
            done += 1 + len(held)
            for task in held:
                await store.tasks.complete(task)
                done += 1

    begin = time.perf_counter()
    await asyncio.gather(*map(agent, range(AGENTS)))
    return done / (time.perf_counter() - begin)


async def run() -> None:
    """Measure and print."""
    found = {}
    async with open_store() as store:
        server = dict(store.log.reads.target)
        admin = await asyncpg.connect(**server)
        for peer in (Bare(), Pgqueuer(), Procrastinate()):
            await admin.execute(f"CREATE DATABASE {type(peer).__name__.lower()}")
            own = {**server, "database": type(peer).__name__.lower()}
            found[peer.name] = await measure(peer, own, admin)
        found["agentlog"] = await measure(Ours(store), server, admin)
        transitions = await agents(store)
        await admin.close()
    show(found, transitions)


def show(found: dict[str, Any], transitions: float) -> None:
    table = Table(
        "claim + complete", "ours /s", "WAL B", "peer", "its /s", "its WAL B", "ratio", "target", ""
    )
    for (batch, workers), (ours, wal) in found["agentlog"].items():
        for peer in ("pgqueuer", "procrastinate", "bare SKIP LOCKED"):
            # Who has no batches is compared by what it has.
            theirs, their_wal = found[peer].get((batch, workers)) or found[peer][1, workers]
            target = TARGETS.get((batch, peer))
            if batch == 1 and workers < max(WORKERS):
                target = None
            ratio = ours / theirs
            name = f"{workers} workers, batches of {batch}"
            table.add_row(
                name, f"{ours:,.0f}", f"{wal:,.0f}", peer, f"{theirs:,.0f}", f"{their_wal:,.0f}",
                f"{ratio:.2f} ×", f"≥ {target:g} ×" if target else "",
                "" if target is None else "reached" if ratio >= target else "not reached",
            )  # fmt: skip
    reached = "reached" if transitions >= TRANSITIONS else "not reached"
    table.add_row(
        f"{AGENTS} agents, transitions",
        f"{transitions:,.0f}",
        "",
        "",
        "",
        "",
        "",
        f"≥ {TRANSITIONS:,}",
        reached,
    )
    console.print(table)
