"""Replay: decode the segments, fold them, rebuild every projection.

Baseline in the same run: a plain Python loop over length-prefixed records (length, CRC-32, JSON
decoded into a struct with the payload left raw), which is what one would write without a format.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
import uuid
import zlib
from pathlib import Path

import msgspec

from benchmarks.harness import Result, open_log, show
from benchmarks.workload import Workload
from eventlog.clock import Ids, SystemClock
from eventlog.command import Command
from eventlog.envelope import CHAIN_START, Event, chain_hash, check_stream, encode_line, us_to_time
from eventlog.io import SystemIo
from eventlog.segment.store import Block, SegmentStore
from eventlog.settings import Settings
from replay.rebuild import rebuild

EVENTS = 50_000
TIME_US = 1_790_000_000_000_000
REBUILD_EVENTS = 20_000


class _Ids:
    ids = Ids(SystemClock())


def lines_and_hashes(count: int, workload: Workload) -> list[tuple[bytes, bytes, int]]:
    """(line, hash, version) of messages on 200 sessions, about 1 KB each."""
    streams = [check_stream("bench", "session", f"agent:main:user:{number}") for number in range(200)]
    found = []
    for n in range(count):
        event = workload.message(_Ids, streams[n % 200])  # type: ignore[arg-type]
        version = n // 200 + 1
        found.append((encode_line(event, n + 1, version, us_to_time(TIME_US)), event.hash, version))
    return found


def fill(directory: Path, made: list[tuple[bytes, bytes, int]], block_events: int) -> SegmentStore:
    """Write the lines to a fresh segment directory in blocks of `block_events`."""
    store = SegmentStore.open(
        str(directory), log_id=uuid.uuid4(), io=SystemIo(), clock=SystemClock(), settings=Settings()
    )
    chain, blocks = CHAIN_START, []
    for start in range(0, len(made), block_events):
        part, before = made[start : start + block_events], chain
        for offset, (_, hash, version) in enumerate(part):
            chain = chain_hash(chain, start + offset + 1, version, TIME_US, hash)
        blocks.append(Block(start + 1, len(part), b"".join(line for line, _, _ in part), before, chain))
    for start in range(0, len(blocks), 64):
        store.append(blocks[start : start + 64])
    store.sync()
    return store


def read_all(store: SegmentStore) -> float:
    start = time.perf_counter()
    count = sum(len(block) for block in store.read())
    assert count == EVENTS, f"{count} events read, {EVENTS} written"
    return time.perf_counter() - start


def length_prefixed(made: list[tuple[bytes, bytes, int]]) -> float:
    """Seconds of the plain loop over length-prefixed, CRC-32-checked records."""
    records = b"".join(
        len(line).to_bytes(4, "little") + zlib.crc32(line).to_bytes(4, "little") + line for line, _, _ in made
    )
    decode, view, offset, count = msgspec.json.Decoder(Event).decode, memoryview(records), 0, 0
    start = time.perf_counter()
    while offset < len(records):
        length = int.from_bytes(view[offset : offset + 4], "little")
        crc = int.from_bytes(view[offset + 4 : offset + 8], "little")
        body = view[offset + 8 : offset + 8 + length]
        assert zlib.crc32(body) == crc
        decode(body)
        offset += 8 + length
        count += 1
    assert count == len(made)
    return time.perf_counter() - start


def replay_segments() -> list[Result]:
    workload = Workload(median_bytes=400)
    made = lines_and_hashes(EVENTS, workload)
    mean = sum(len(line) for line, _, _ in made) / EVENTS
    loop = EVENTS / min(length_prefixed(made) for _ in range(3))
    results = [Result(f"plain loop over records, no compression ({mean:,.0f} B)", loop, 0, 0)]
    for block_events in (1, 16, 64, 512):
        with tempfile.TemporaryDirectory() as folder:
            store = fill(Path(folder) / "segments", made, block_events)
            rate = EVENTS / min(read_all(store) for _ in range(3))
            store.close()
        row = Result(f"segments, blocks of {block_events}", rate, 0, 0, f"{rate / loop:.2f} × plain loop")
        if block_events >= 16:
            row = row._replace(target="≥ 400,000/s", reached=rate >= 400_000)
        results.append(row)
    return results


async def rebuild_all() -> list[Result]:
    workload = Workload(median_bytes=400)
    async with open_log() as (log, _, _):
        streams = [check_stream("bench", "session", f"agent:{number}") for number in range(200)]

        async def fill_one(number: int) -> None:
            for _ in range(REBUILD_EVENTS // 200 // 20):
                await log.append(Command([workload.message(log, streams[number]) for _ in range(20)]))

        await asyncio.gather(*(fill_one(number) for number in range(200)))
        results = []
        for source in ("segments", "postgres"):
            start = time.perf_counter()
            report = await rebuild(log, source=source)
            seconds = time.perf_counter() - start
            results.append(Result(f"rebuild every projection from {source}", report.events / seconds, 0, 0))
    return results


async def run() -> None:
    """Measure and print."""
    results = await asyncio.to_thread(replay_segments)
    results += await rebuild_all()
    show("replay, one core, checksums and decompression included", results)
