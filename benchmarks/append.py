"""Durable appends by 1, 16, 64 and 256 concurrent agents, projections included.

Baseline in the same run: a loop of bare asyncpg INSERTs of the same payloads on one connection, and
a loop of bare pwrite + fdatasync. Rounds alternate, medians are shown.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from pathlib import Path

import asyncpg

from benchmarks.harness import Result, open_log, percentile, show
from benchmarks.workload import Workload
from eventlog.command import Command
from eventlog.envelope import check_stream
from eventlog.log import Log

ROUNDS = 3
SECONDS = 2.0
AGENTS = (1, 16, 64, 256)
# agents -> (least ratio to the bare INSERT loop, largest p99 in ms)
TARGETS = {64: (4.0, 15.0), 256: (6.0, None)}


async def bare_insert(connection: asyncpg.Connection, payloads: list[bytes]) -> list[float]:
    """Seconds of each INSERT of one row, one after another."""
    insert = await connection.prepare("INSERT INTO bare (data) VALUES ($1)")
    taken, end, n = [], time.perf_counter() + SECONDS, 0
    while time.perf_counter() < end:
        start = time.perf_counter()
        await insert.fetch(payloads[n % len(payloads)])
        taken.append(time.perf_counter() - start)
        n += 1
    return taken


def bare_sync(path: Path, payloads: list[bytes]) -> list[float]:
    """Seconds of each pwrite + fdatasync, one after another."""
    fd = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    taken, end, n, offset = [], time.perf_counter() + SECONDS / 2, 0, 0
    try:
        while time.perf_counter() < end:
            payload = payloads[n % len(payloads)]
            start = time.perf_counter()
            os.pwrite(fd, payload, offset)
            os.fdatasync(fd)
            taken.append(time.perf_counter() - start)
            offset += len(payload)
            n += 1
    finally:
        os.close(fd)
        path.unlink()
    return taken


async def agents_append(log: Log, workload: Workload, agents: int) -> tuple[float, list[float]]:
    """(events/s, seconds of each append) of `agents` agents, each on a session of its own."""
    taken: list[float] = []
    end = time.perf_counter() + SECONDS

    async def agent(number: int) -> None:
        stream = check_stream("bench", "session", f"agent:{agents}:{number}")
        while time.perf_counter() < end:
            start = time.perf_counter()
            await log.append(Command([workload.message(log, stream)]))
            taken.append(time.perf_counter() - start)

    begin = time.perf_counter()
    await asyncio.gather(*(agent(number) for number in range(agents)))
    return len(taken) / (time.perf_counter() - begin), taken


async def run() -> None:
    """Measure and print."""
    workload = Workload()
    payloads = [workload.content().encode() for _ in range(500)]
    async with open_log() as (log, server, data):
        connection = await asyncpg.connect(**server.connection)
        await connection.execute("CREATE TABLE bare (id bigserial PRIMARY KEY, data bytea)")
        await agents_append(log, workload, 8)  # warm up: plans, caches
        inserts, syncs = [], []
        ours: dict[int, list[tuple[float, list[float]]]] = {agents: [] for agents in AGENTS}
        for _ in range(ROUNDS):
            inserts.append(await bare_insert(connection, payloads))
            syncs.append(bare_sync(data / "bare", payloads))
            for agents in AGENTS:
                ours[agents].append(await agents_append(log, workload, agents))
        await connection.close()
    show(
        "append: durable in Postgres and in the segment, projections included", _results(inserts, syncs, ours)
    )


def _results(
    inserts: list[list[float]], syncs: list[list[float]], ours: dict[int, list[tuple[float, list[float]]]]
) -> list[Result]:
    insert_rate = statistics.median(len(round) / sum(round) for round in inserts)
    insert_p50 = statistics.median(percentile(round, 0.5) for round in inserts)
    sync_p50 = statistics.median(percentile(round, 0.5) for round in syncs)
    results = [
        Result("bare INSERT, 1 connection", insert_rate, insert_p50, _p99(inserts)),
        Result("bare pwrite + fdatasync", 0, sync_p50, _p99(syncs)),
    ]
    for agents, rounds in ours.items():
        rate = statistics.median(rate for rate, _ in rounds)
        p50 = statistics.median(percentile(taken, 0.5) for _, taken in rounds)
        p99 = _p99([taken for _, taken in rounds])
        if agents == 1:
            ratio = p50 / (insert_p50 + sync_p50)
            row = Result("1 agent", rate, p50, p99, f"{ratio:.2f} × bare p50", "≤ 1.5 ×", ratio <= 1.5)
        else:
            ratio = rate / insert_rate
            row = Result(f"{agents} agents", rate, p50, p99, f"{ratio:.1f} × bare rate")
            if agents in TARGETS:
                least, p99_max = TARGETS[agents]
                reached = ratio >= least and (p99_max is None or p99 <= p99_max)
                target = f"≥ {least:g} ×" + (f", p99 ≤ {p99_max:g} ms" if p99_max else "")
                row = row._replace(target=target, reached=reached)
        results.append(row)
    return results


def _p99(rounds: list[list[float]]) -> float:
    return statistics.median(percentile(taken, 0.99) for taken in rounds)
