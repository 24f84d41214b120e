"""What other hosts cost: each copies what all the others append before its own is acknowledged.

1, 2 and 4 processes with 16 agents each on one Postgres: each with a data directory of its own (as
hosts have), and, to compare, all on one data directory. One machine stands for all hosts, so that
they share its cores and its disk; what is shown is the sum over all of them.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.harness import Result, open_log, percentile, show
from benchmarks.workload import Workload
from eventlog.command import Command
from eventlog.envelope import check_stream
from eventlog.log import Log
from projections.catalog import INLINE
from projections.tables import table_text

SECONDS = 3.0
AGENTS = 16
HOSTS = (1, 2, 4)


async def run() -> None:
    """Measure and print."""
    results = []
    base = 0.0
    for hosts in HOSTS:
        for kind in ("host", "process") if hosts > 1 else ("host",):
            taken, seconds = await together(hosts, own_directories=kind == "host")
            rate = len(taken) / seconds
            base = base or rate
            name = f"{hosts} hosts" if kind == "host" else f"{hosts} processes of 1 host"
            ratio = f"{rate / base:.2f} × 1 host"
            results.append(Result(name, rate, percentile(taken, 0.5), percentile(taken, 0.99), ratio))
    show(f"several hosts: {AGENTS} agents each, durable in Postgres and in each host's segments", results)


async def together(hosts: int, *, own_directories: bool) -> tuple[list[float], float]:
    """(seconds of each append, seconds in all) of so many processes that append at once."""
    async with open_log() as (log, server, data):
        processes = []
        for number in range(hosts):
            # The first one's directory is the log's own, which lies beside the server's cluster.
            path = data / f"host{number}" if own_directories and number else data
            arguments = {"data": str(path), "postgres": dict(server.connection), "number": number}
            processes.append(
                await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "benchmarks.hosts", json.dumps(arguments),
                    stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**26,
                )
            )  # fmt: skip
        try:
            for process in processes:
                assert process.stdout is not None
                assert await process.stdout.readline() == b"open\n"
            said = await asyncio.gather(*(process.communicate(b"\n") for process in processes))
            found = [json.loads(output) for output, _ in said]
        finally:
            for process in processes:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        assert (await log.head()).position >= sum(len(one["taken"]) for one in found), "an append was lost"
    taken = [seconds for one in found for seconds in one["taken"]]
    return taken, max(one["end"] - one["begin"] for one in found)


async def host(data: str, postgres: dict[str, Any], number: int) -> dict[str, Any]:
    """Append with all agents for a while; in a process of its own."""
    workload, taken = Workload(seed=number), []
    log = await Log.open(Path(data), postgres, projections=INLINE, views_sql=[table_text("views")])
    async with log:
        await log.append(Command([workload.message(log, check_stream("bench", "session", f"warm {number}"))]))
        print("open", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        begin = time.perf_counter()

        async def agent(agent: int) -> None:
            stream = check_stream("bench", "session", f"host:{number}:{agent}")
            while time.perf_counter() < begin + SECONDS:
                start = time.perf_counter()
                await log.append(Command([workload.message(log, stream)]))
                taken.append(time.perf_counter() - start)

        await asyncio.gather(*(agent(one) for one in range(AGENTS)))
        return {"taken": taken, "begin": begin, "end": time.perf_counter()}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(host(**json.loads(sys.argv[1])))), flush=True)
