"""Load one session's active window: 100, 1,000 and 10,000 messages.

Baseline in the same run: a bare asyncpg fetch of the same rows, decoded into structs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import asyncpg
import msgspec
import zstandard

import agentlog
from benchmarks.harness import Result, percentile, show
from benchmarks.workload import Workload
from eventlog.command import Command
from eventlog.envelope import check_stream

SIZES = (100, 1_000, 10_000)


async def timed(times: int, call: Callable[[], Awaitable[int]], expected: int) -> list[float]:
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        found = await call()
        taken.append(time.perf_counter() - start)
        assert found == expected, f"{found} messages loaded, {expected} appended"
    return taken


async def run() -> None:
    """Measure and print."""
    import tempfile

    workload, results = Workload(), []
    with tempfile.TemporaryDirectory() as folder:
        async with agentlog.open(folder) as store:
            for size in SIZES:
                stream = check_stream("", "session", f"of {size}")
                for start in range(0, size, 100):
                    count = min(100, size - start)
                    await store.log.append(
                        Command([workload.message(store.log, stream) for _ in range(count)])
                    )
                times = max(5, 2_000 // size)
                bare = await timed(times, lambda size=size: bare_fetch(store, f"of {size}"), size)
                ours = await timed(times, lambda size=size: load(store, f"of {size}"), size)
                ratio = percentile(ours, 0.5) / percentile(bare, 0.5)
                results.append(
                    Result(
                        f"{size:,}: bare fetch and decode", 0, percentile(bare, 0.5), percentile(bare, 0.99)
                    )
                )
                results.append(
                    Result(
                        f"{size:,}: conversation.load",
                        0,
                        percentile(ours, 0.5),
                        percentile(ours, 0.99),
                        f"{ratio:.2f} × bare",
                    )
                )
    show("load one session", results)


async def load(store: agentlog.Store, session: str) -> int:
    return len(await store.conversation.load(session))


class _Message(msgspec.Struct, gc=False):
    message_id: str
    role: str
    content: msgspec.Raw


async def bare_fetch(store: agentlog.Store, session: str) -> int:
    """What one would write by hand: fetch the rows, decompress, decode."""
    rows: list[asyncpg.Record] = await store.log.reads.fetch(
        "SELECT e.compressed, e.data FROM {schema}.events e JOIN {schema}.streams s ON s.id = e.stream_id"
        " WHERE s.tenant = '' AND s.kind = 'session' AND s.key = $1 ORDER BY e.version",
        session,
    )
    decompress, decode = zstandard.ZstdDecompressor().decompress, msgspec.json.Decoder(_Message).decode
    return len([decode(decompress(row["data"]) if row["compressed"] else row["data"]) for row in rows])


if __name__ == "__main__":
    asyncio.run(run())
