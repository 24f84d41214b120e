"""Load one session's active window, and append to it: of 100, 1,000, 10,000 and 100,000 messages.

Baseline in the same run: a bare asyncpg fetch of the same rows, decoded into structs whose content is left
raw, as `conversation.load` leaves it until somebody looks. What looking at every content costs is shown too.
"""

from __future__ import annotations

import asyncio
import tempfile
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
LENGTHS = (100, 10_000, 100_000)
# Of which the targets speak.
TARGET_SIZE = 1_000
LOAD_RATIO_MAX, FOLLOWED_MS_MAX, APPEND_RATIO_MAX = 1.3, 0.5, 1.25
APPENDS = 400


async def run() -> None:
    """Measure and print."""
    workload = Workload()
    uncached = agentlog.Settings(cached_messages_bytes_max=0)
    with tempfile.TemporaryDirectory() as folder:
        async with agentlog.open(folder) as store, agentlog.open(folder, settings=uncached) as cold:
            results: list[Result] = []
            for size in SIZES:
                await fill(store, workload, f"of {size}", size)
                results += await loads(store, cold, size)
            show("load one session", results)
            show("append to one session, one message after the other", await appends(store, workload))


async def fill(store: agentlog.Store, workload: Workload, session: str, size: int) -> None:
    stream = check_stream("", "session", session)
    for start in range(0, size, 500):
        count = min(500, size - start)
        await store.log.append(Command([workload.message(store.log, stream) for _ in range(count)]))


async def timed(times: int, *calls: Callable[[], Awaitable[int]], expected: int) -> list[list[float]]:
    """Time calls by turns, so that what else happens on the machine meets all of them."""
    taken: list[list[float]] = [[] for _ in calls]
    for _ in range(times):
        for call, durations in zip(calls, taken, strict=True):
            start = time.perf_counter()
            found = await call()
            durations.append(time.perf_counter() - start)
            assert found == expected, f"{found} messages loaded, {expected} appended"
    return taken


async def loads(store: agentlog.Store, cold: agentlog.Store, size: int) -> list[Result]:
    session = f"of {size}"
    bare, ours, looked = await timed(
        max(11, 40_000 // size),
        lambda: bare_fetch(store, session),
        lambda: load(cold, session),
        lambda: look(cold, session),
        expected=size,
    )
    [followed] = await timed(500, lambda: load(store, session), expected=size)
    base = percentile(bare, 0.5)
    results = [result(f"{size:,}: bare fetch and decode", bare)]
    for name, durations in (("conversation.load", ours), ("the same, and look at every content", looked)):
        ratio = percentile(durations, 0.5) / base
        aimed = size == TARGET_SIZE and durations is ours
        results.append(
            result(f"{size:,}: {name}", durations)._replace(
                ratio=f"{ratio:.2f} × bare",
                target=f"≤ {LOAD_RATIO_MAX} ×" if aimed else "",
                reached=ratio <= LOAD_RATIO_MAX if aimed else None,
            )
        )
    again = result(f"{size:,}: load of a session that is followed", followed)
    if size == TARGET_SIZE:
        again = again._replace(target=f"≤ {FOLLOWED_MS_MAX} ms", reached=again.p50_ms <= FOLLOWED_MS_MAX)
    return [*results, again]


async def appends(store: agentlog.Store, workload: Workload) -> list[Result]:
    """Appends to sessions of several lengths by turns; their targets are against the shortest."""
    for length in LENGTHS:
        await fill(store, workload, f"appended to {length}", length)
    taken: dict[int, list[float]] = {length: [] for length in LENGTHS}
    for _ in range(APPENDS):
        for length in LENGTHS:
            event = workload.message(store.log, check_stream("", "session", f"appended to {length}"))
            start = time.perf_counter()
            await store.log.append(Command([event]))
            taken[length].append(time.perf_counter() - start)
    base = percentile(taken[LENGTHS[0]], 0.5)
    results = []
    for length in LENGTHS:
        measured = result(f"{length:,} messages long", taken[length])
        ratio = measured.p50_ms / base
        results.append(
            measured._replace(
                ratio=f"{ratio:.2f} × the shortest",
                target=f"≤ {APPEND_RATIO_MAX} ×",
                reached=ratio <= APPEND_RATIO_MAX,
            )
        )
    return results


def result(name: str, durations: list[float]) -> Result:
    return Result(name, 0, percentile(durations, 0.5), percentile(durations, 0.99))


async def load(store: agentlog.Store, session: str) -> int:
    return len(await store.conversation.load(session))


async def look(store: agentlog.Store, session: str) -> int:
    return len([message.content for message in await store.conversation.load(session)])


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
