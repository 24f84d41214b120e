"""Rebuild and time travel on a generated log of real shape, beside what others do with the same events.

Baselines of the same run, on the same server: a bare asyncpg cursor whose rows go into the same fold, and
pyeventsourcing's Postgres recorder, read by pages of 1,000 into the same fold (`pip install '.[bench]'`; left
out when it is not installed). Size: AGENTLOG_BENCH_REPLAY_EVENTS, AGENTLOG_BENCH_REPLAY_PEER_EVENTS for how
many of them pyeventsourcing is given, and AGENTLOG_BENCH_REPLAY_STREAM_EVENTS for how many a session has.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import resource
import statistics
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
from msgspec import Raw

from agentlog.past import PastStore
from benchmarks.harness import Result, console, percentile, show
from benchmarks.workload import Workload
from eventlog.clock import Ids, SystemClock
from eventlog.command import Command
from eventlog.directory import DataDirectory
from eventlog.embedded.server import attach
from eventlog.envelope import (
    CHAIN_START,
    Event,
    NewEvent,
    Stream,
    StreamId,
    chain_hash,
    encode_line,
    us_to_time,
)
from eventlog.events import ItemClaimed, ItemCompleted, ItemEnqueued, SessionCreated, new, raw
from eventlog.io import SystemIo
from eventlog.log import Log
from eventlog.segment.store import Block
from eventlog.settings import Settings
from projections.archive import Archive
from projections.catalog import INLINE, VIEWS_SQL
from replay.fold_all import FoldAll
from replay.fold_lines import decode_for
from replay.past_log import Pasts
from replay.rebuild import rebuild
from replay.restore import open_segments, restore_postgres

EVENTS = int(os.environ.get("AGENTLOG_BENCH_REPLAY_EVENTS", "200000"))
LONG = StreamId("bench", "session", "long")
LONG_EVENTS = 10_000
EVENTS_PER_STREAM = int(os.environ.get("AGENTLOG_BENCH_REPLAY_STREAM_EVENTS", "100"))
BLOCK_EVENTS = 64
TIME_US = 1_790_000_000_000_000
SAMPLES = 300
PEER_EVENTS = int(os.environ.get("AGENTLOG_BENCH_REPLAY_PEER_EVENTS", "100000"))  # it inserts 7,000 a second
ROUNDS = 5
AGENTS = 64


class _Ids:
    ids = Ids(SystemClock())


def history(count: int) -> Iterator[NewEvent]:
    """Sessions of 100 events, a queue item beside every tenth message, and one session of 10,000 events."""
    workload, chance = Workload(median_bytes=640), random.Random(1)
    sessions = [StreamId("bench", "session", f"agent:{n}") for n in range(max(count // EVENTS_PER_STREAM, 1))]
    made = item = 0
    for stream in sessions:
        yield new(stream, SessionCreated(title="bench", agent="a"), id=_Ids.ids.next())
        made += 1
    while made < count:
        if made % 20 == 0 and made // 20 <= LONG_EVENTS:
            yield workload.message(_Ids, LONG)  # type: ignore[arg-type]
            made += 1
        elif made % 10 == 5:
            key, item = StreamId("bench", "queue_item", f"i{item}"), item + 1
            for event in (ItemEnqueued(body=raw("do it")), ItemClaimed("w"), ItemCompleted()):
                yield new(key, event, id=_Ids.ids.next())
                made += 1
        else:
            yield workload.message(_Ids, chance.choice(sessions))  # type: ignore[arg-type]
            made += 1


def fill(data: Path) -> int:
    """Write the history to the segments of a data directory; return how many events it has."""
    place = DataDirectory(data, SystemIo())
    place.belongs_to(uuid.uuid4())
    store = open_segments(place, Settings(), SystemIo())
    versions: dict[StreamId, int] = {}
    chain, position, lines, first, before = CHAIN_START, 0, list[bytes](), 1, CHAIN_START
    for event in history(EVENTS):
        position += 1
        version = versions[event.stream] = versions.get(event.stream, 0) + 1
        time_us = TIME_US + position
        lines.append(encode_line(event, position, version, us_to_time(time_us)))
        chain = chain_hash(chain, position, version, time_us, event.hash)
        if len(lines) == BLOCK_EVENTS:
            store.append([Block(first, len(lines), b"".join(lines), before, chain)])
            lines, first, before = [], position + 1, chain
    if lines:
        store.append([Block(first, len(lines), b"".join(lines), before, chain)])
    store.sync()
    store.close()
    return position


def fold_segments(log: Log, until: int) -> tuple[float, float, list[int]]:
    """(events per second of processor, of time, MB of memory at each fifth) of a fold from the segments."""
    fold, sizes, head = FoldAll(log.projections), list[int](), min(until, log.segments.durable_position)
    start, began = time.process_time(), time.perf_counter()
    for block in log.segments.read(0, head, decode_for(fold.projections)):
        fold.add(block)
        if fold.position * 5 // head > len(sizes):
            sizes.append(resident_mb())
    return head / (time.process_time() - start), head / (time.perf_counter() - began), sizes


def children_s() -> float:
    """Seconds of processor that processes took which this one started and which have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def plain_loop_s() -> float:
    """Seconds of processor for three million additions: how fast this machine is now."""
    start, total = time.process_time(), 0
    for number in range(3_000_000):
        total += number
    return time.process_time() - start


class Largest:
    """The most memory that a process of a rebuild had, in MB. Looks whenever it tells its progress."""

    def __init__(self) -> None:
        self.mb = 0

    def look(self, what: str, done: int, total: int) -> None:
        for task in Path("/proc/self/task").iterdir():
            for child in (task / "children").read_text().split():
                try:
                    status = Path(f"/proc/{child}/status").read_text()
                except OSError:
                    continue  # it has ended
                for line in status.splitlines():
                    if line.startswith("VmHWM:"):
                        self.mb = max(self.mb, int(line.split()[1]) // 1024)


def resident_mb() -> int:
    """Memory of this process, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 2**20


async def cursor_and_fold(log: Log, target: Any) -> float:
    """Events per second: a bare cursor over the table, each row into the same fold."""
    connection = await asyncpg.connect(**target)
    fold, count, start = FoldAll(log.projections), 0, time.perf_counter()
    decompress = log.reads._decompress
    async with connection.transaction():
        async for row in connection.cursor(
            "SELECT e.position, s.tenant, s.kind, s.key, e.version, e.type, e.schema, e.id::text"
            ", e.time::text, e.compressed, e.data, e.meta, e.encoding FROM agentlog.events e"
            " JOIN agentlog.streams s ON s.id = e.stream_id ORDER BY e.position", prefetch=1000
        ):  # fmt: skip
            position, tenant, kind, key, version, type, schema, id, at, compressed, data, meta, encoding = row
            said = Raw(decompress(data) if compressed else data)
            fold.add([Event(position=position, tenant=tenant, stream=Stream(kind, key), version=version,
                            type=type, schema=schema, id=id, time=at, encoding=encoding, data=said,
                            meta=Raw(meta))])  # fmt: skip
            count += 1
    seconds = time.perf_counter() - start
    await connection.close()
    return count / seconds


def beside_pyeventsourcing(log: Log, target: Any) -> tuple[float, float] | None:
    """(ours, pyeventsourcing's) events per second of the same events into the same fold; None without it.

    Its recorder is read by pages of 1,000. Asked in turn, medians: the machine is not as fast at all times.
    """
    try:
        from eventsourcing.persistence import StoredEvent
        from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
    except ImportError:
        return None
    store = PostgresDatastore(
        dbname=target["database"], host=target["host"], port=str(target["port"]), user=target["user"],
        password="",
    )  # fmt: skip
    recorder = PostgresApplicationRecorder(store, events_table_name="peer_events")
    recorder.create_table()
    names: dict[uuid.UUID, Stream] = {}
    batch: list[Any] = []
    for block in log.segments.read(0, PEER_EVENTS):
        for event in block:
            id = uuid.uuid5(uuid.NAMESPACE_OID, event.stream.kind + event.stream.key)
            names[id] = event.stream
            batch.append(StoredEvent(id, event.version, event.type, bytes(event.data)))
            if len(batch) == 100:  # with larger ones its insert was seen never to return
                recorder.insert_events(batch)
                batch = []
    if batch:
        recorder.insert_events(batch)
    ours, theirs = list[float](), list[float]()
    gc.disable()  # as the process of a rebuild does, for both
    for _ in range(ROUNDS):
        ours.append(fold_segments(log, PEER_EVENTS)[1])
        fold, position, start = FoldAll(log.projections), 0, time.perf_counter()
        while found := recorder.select_notifications(position + 1, 1000):
            fold.add(
                Event(position=one.id, tenant="bench", stream=names[one.originator_id],
                      version=one.originator_version, type=one.topic, schema=1, id="", time="",
                      data=Raw(one.state), meta=Raw(b"{}")) for one in found
            )  # fmt: skip
            position = found[-1].id
        theirs.append(fold.events / (time.perf_counter() - start))
    gc.enable()
    store.close()
    return statistics.median(ours), statistics.median(theirs)


async def states(log: Log) -> list[Result]:
    """One session of 10,000 events at random positions: the fold alone, and a handle's answer."""
    pasts, chance, head = Pasts(log), random.Random(2), (await log.head()).position
    archive = Archive(log.directory.archive, log.segments.read, str(log.directory.log_id))
    results = []
    start = time.perf_counter()
    await pasts.streams.at(LONG, head)
    first = time.perf_counter() - start
    for what in ("state of one session, by its fold", "store.at(position).sessions.get"):
        taken = []
        for _ in range(SAMPLES):
            position = chance.randrange(1, head + 1)
            start = time.perf_counter()
            if what.startswith("state"):
                await pasts.streams.at(LONG, position)
            else:
                then = PastStore(pasts, archive, "", position, None)
                await then.sessions.get(LONG.key, tenant=LONG.tenant)
            taken.append(time.perf_counter() - start)
        p50 = percentile(taken, 0.5)
        results.append(Result(what, 0, p50, percentile(taken, 0.99), "", "p50 ≤ 10 ms", p50 <= 10))
    results.append(Result("the first one: all of its events", 0, first * 1000, 0))
    await pasts.close()
    return results


async def appends(log: Log) -> list[Result]:
    """64 agents appending before and during a rebuild."""
    workload, taken, running = Workload(), list[float](), True
    streams = [StreamId("bench", "session", f"busy:{n}") for n in range(AGENTS)]

    async def agent(stream: StreamId) -> None:
        while running:
            start = time.perf_counter()
            await log.append(Command([workload.message(log, stream)]))
            taken.append(time.perf_counter() - start)

    tasks = [asyncio.create_task(agent(stream)) for stream in streams]
    await asyncio.sleep(5)
    before, began = percentile(taken[len(taken) // 5 :], 0.99), len(taken)
    start = time.perf_counter()
    report = await rebuild(log)
    seconds, during = time.perf_counter() - start, taken[began:]
    running = False
    await asyncio.gather(*tasks)
    p99 = percentile(during, 0.99)
    ratio = p99 / before
    console.print(
        f"  gate held for {report.gate_seconds * 1000:.0f} ms, {len(report.differences)} differences"
    )
    return [
        Result("appends of 64 agents before", began / 5, percentile(taken[:began], 0.5), before),
        Result("appends during a rebuild", len(during) / seconds, percentile(during, 0.5), p99,
               f"p99 {ratio:.1f} ×", "p99 ≤ 2 ×", ratio <= 2),
    ]  # fmt: skip


async def run() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="agentlog-bench-") as folder:
        data = Path(folder) / "data"
        count = await asyncio.to_thread(fill, data)
        server = await attach(data, clock=SystemClock())
        try:
            await restore_postgres(data, server.connection)
            async with await Log.open(
                data, server.connection, projections=INLINE, views_sql=[VIEWS_SQL]
            ) as log:
                await measure(log, server.connection, count)
        finally:
            await server.close()


async def measure(log: Log, target: Any, count: int) -> None:
    console.print(f"  a plain loop of 3 million additions takes {plain_loop_s():.2f} s here now")
    rate, _, sizes = fold_segments(log, count)
    rebuilt, worked, largest = [], list[float](), Largest()
    for source, jobs in (("segments", 1), ("segments", 2), ("postgres", 1)):
        start, began = time.perf_counter(), children_s()
        report = await rebuild(log, source=source, jobs=jobs, progress=largest.look)
        assert report.differences == []
        rebuilt.append(count / (time.perf_counter() - start))
        worked.append(count / (children_s() - began) * jobs)
    cursor = await cursor_and_fold(log, target)
    beside = await asyncio.to_thread(beside_pyeventsourcing, log, target)
    results = [
        Result("fold of the segments, per core", rate, 0, 0, "", "≥ 100,000/s", rate >= 100_000),
        Result("rebuild from the segments", rebuilt[0], 0, 0, f"{rebuilt[0] / cursor:.1f} × the cursor"),
        Result("the same by two processes", rebuilt[1], 0, 0, f"{rebuilt[1] / rebuilt[0]:.2f} × one process"),
        Result(
            "rebuild, per second of its process", worked[0], 0, 0, "", "≥ 100,000/s", worked[0] >= 100_000
        ),
        Result(
            "of two processes, if each has a core",
            worked[1],
            0,
            0,
            f"{worked[1] / worked[0]:.2f} × one process",
        ),
        Result("rebuild from Postgres", rebuilt[2], 0, 0, f"{rebuilt[2] / cursor:.1f} × the cursor"),
        Result("a bare asyncpg cursor and the same fold", cursor, 0, 0),
    ]
    if beside:
        ours, peer = beside
        times = f"ours {ours / peer:.1f} ×"
        results += [
            Result(f"fold of the first {PEER_EVENTS:,}, by time", ours, 0, 0),
            Result("pyeventsourcing and the same fold of them", peer, 0, 0, times, "≥ 3 ×", ours >= 3 * peer),
        ]
    results += await states(log)
    results += await appends(log)
    console.print(f"  a plain loop of 3 million additions takes {plain_loop_s():.2f} s here now")
    console.print(f"  largest process of a rebuild: {largest.mb} MB")
    console.print(f"  memory of the fold at each fifth of {count:,} events, MB: {sizes}")
    show(f"replay of {count:,} events of {count // EVENTS_PER_STREAM:,} sessions", results)
