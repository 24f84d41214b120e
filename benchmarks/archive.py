"""The archive at a million messages: five questions against PostgreSQL, SQLite, polars; building; freshness.

    AGENTLOG_BENCH_MESSAGES   how many; default 1,000,000. At 10,000,000 leave the peers out:
    AGENTLOG_BENCH_PEERS      0 leaves them out
    AGENTLOG_BENCH_DIRECTORY  keeps segments and peers' tables for the next run; default: a temporary one

Every question is asked once to warm up and then several times, of everybody in turn, because the machine's
speed changes while they are asked; medians. Ours goes the whole way of a question in a warm process: lock,
manifest, files' sizes, fresh tail, query, rows in Python.
"""

from __future__ import annotations

import asyncio
import inspect
import multiprocessing
import os
import resource
import shutil
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from rich.table import Table

import agentlog
from benchmarks.archive_peers import PATTERN, TOKENS, TOP, Polars, Postgres, Sqlite, values
from benchmarks.conversations import Conversations, as_event
from benchmarks.harness import console, percentile
from eventlog.clock import SystemClock
from eventlog.embedded.server import attach
from eventlog.envelope import CHAIN_START, chain_hash, encode_line, us_to_time
from eventlog.io import SystemIo
from eventlog.postgres.connect import session as postgres_session
from eventlog.segment.store import Block, SegmentStore
from eventlog.settings import Settings
from projections.archive import Archive, Connection
from projections.archive.rows import Cursor, rows_of

MESSAGES = int(os.environ.get("AGENTLOG_BENCH_MESSAGES", "1000000"))
PEERS = os.environ.get("AGENTLOG_BENCH_PEERS", "1") != "0"
FRESH = min(100_000, MESSAGES // 2)
LOG_ID = uuid.UUID("0190a6b2-0000-7000-8000-000000000001")
BLOCK_EVENTS, BATCH = 32, 8192
TIMES = {"regex": 3, "tokens": 15, "top": 15, "session": 15, "tail": 15}
# Tokens and top sessions are asked of the views that have them added up, as anybody would ask; besides, of
# every single message, in the words that the peers are asked in.
OF_MESSAGES = ", of messages"
FRESH_NAME = f"ours, {FRESH:,} in no file"
TOP_TOTALS = (
    "select tenant, session, messages, output_tokens from session_totals"
    " order by 4 desc nulls last, 2 limit 20"
)
GREP = " or ".join(
    f"regexp_matches({name}, '{PATTERN}')" for name in ("text", "tool_input", "tool_result", "thinking")
)


def open_segments(folder: Path) -> SegmentStore:
    return SegmentStore.open(
        str(folder / "segments"), log_id=LOG_ID, io=SystemIo(), clock=SystemClock(), settings=Settings()
    )


def open_archive(folder: Path, store: SegmentStore, threads: int = 2, name: str = "archive") -> Archive:
    return Archive(folder / name, lambda after, until: store.read(after, until), str(LOG_ID), threads=threads)


def fill(folder: Path) -> None:
    """Write the segments of MESSAGES messages, in blocks as busy writers make them."""
    store, chain, said = open_segments(folder), CHAIN_START, iter(Conversations())
    blocks: list[Block] = []
    raw = 0
    for first in range(1, MESSAGES + 1, BLOCK_EVENTS):
        before, lines = chain, []
        for position in range(first, min(first + BLOCK_EVENTS, MESSAGES + 1)):
            one = next(said)
            event = as_event(one, f"0190a6b2-0000-7000-8000-{position:012x}")
            chain = chain_hash(chain, position, one.version, one.time_us, event.hash)
            lines.append(encode_line(event, position, one.version, us_to_time(one.time_us)))
        blocks.append(Block(first, len(lines), b"".join(lines), before, chain))
        raw += sum(map(len, lines))
        if len(blocks) == 64:
            store.append(blocks)
            blocks = []
    if blocks:
        store.append(blocks)
    store.sync()
    store.close()
    (folder / "raw_bytes").write_text(str(raw))


def peer_rows(store: SegmentStore) -> Iterator[list[tuple[Any, ...]]]:
    batch: list[tuple[Any, ...]] = []
    for block in store.read():
        batch += values(made.message for event in block if (made := rows_of(event, Cursor())[0]).message)
        if len(batch) >= BATCH:
            yield batch
            batch = []
    yield batch


def build(folder: Path, until: int, answers: Any) -> None:
    """Build in a process of its own, one DuckDB thread: seconds, processor seconds, greatest memory."""
    store = open_segments(folder)
    archive = open_archive(folder, store, threads=1)
    after = archive.manifest().archive_position
    start, processor = time.perf_counter(), time.process_time()
    archive.build(until)
    answers.put(
        (
            until - after,
            time.perf_counter() - start,
            time.process_time() - processor,
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        )
    )


def built(folder: Path, until: int) -> tuple[int, float, float, int]:
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=build, args=(folder, until, answers))
    process.start()
    found = answers.get()
    process.join()
    return found  # type: ignore[no-any-return]


Questions = dict[str, Callable[[], Any]]


async def in_turn(everybody: dict[str, Questions]) -> tuple[dict[str, dict[str, float]], dict[str, Any]]:
    """Ask everybody the same in turn; return medians in ms, and the last answers, by whom and by question."""
    medians: dict[str, dict[str, float]] = {who: {} for who in everybody}
    answers: dict[str, dict[str, Any]] = {who: {} for who in everybody}
    for name in next(iter(everybody.values())):
        asked = {who: questions[name] for who, questions in everybody.items() if name in questions}
        taken: dict[str, list[float]] = {who: [] for who in asked}
        for _ in range(TIMES[name.removesuffix(OF_MESSAGES)] + 1):
            for who, call in asked.items():
                start = time.perf_counter()
                found = call()
                if inspect.isawaitable(found):
                    found = await found
                taken[who].append(time.perf_counter() - start)
                answers[who][name] = found
        for who, times in taken.items():
            medians[who][name] = statistics.median(times[1:]) * 1000
    return medians, answers


def ours(archive: Archive, tenant: str, session: str) -> Questions:
    def ask(question: Callable[[Connection], Any]) -> Callable[[], Any]:
        def call() -> Any:
            with archive.ask(MESSAGES) as connection:
                return question(connection).rows()

        return call

    return {
        "regex": ask(lambda it: it.sql(f"select count(*) from messages where {GREP}")),
        "tokens": ask(lambda it: it.sql(TOKENS.replace("from messages", "from day_totals"))),
        f"tokens{OF_MESSAGES}": ask(lambda it: it.sql(TOKENS)),
        "top": ask(lambda it: it.sql(TOP_TOTALS)),
        f"top{OF_MESSAGES}": ask(lambda it: it.sql(TOP)),
        "session": ask(lambda it: it.head(session, 10_000, tenant)),
        "tail": ask(lambda it: it.tail(session, 20, tenant)),
    }


async def run() -> None:
    """Measure and print."""
    kept = os.environ.get("AGENTLOG_BENCH_DIRECTORY")
    folder = Path(kept) if kept else Path(tempfile.mkdtemp(prefix="agentlog-bench-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        await measure(folder)
    finally:
        if not kept:
            shutil.rmtree(folder)
    await freshness()


async def measure(folder: Path) -> None:
    if not (folder / "raw_bytes").exists():
        shutil.rmtree(folder / "segments", ignore_errors=True)
        fill(folder)
    raw = int((folder / "raw_bytes").read_text())
    store = open_segments(folder)
    for name in ("archive", "fresh"):
        shutil.rmtree(folder / name, ignore_errors=True)
    parts = [built(folder, MESSAGES - FRESH)]
    shutil.copytree(folder / "archive", folder / "fresh")
    parts.append(built(folder, MESSAGES))
    archive, fresh = open_archive(folder, store), open_archive(folder, store, name="fresh")
    archive.compact()
    with archive.ask(0) as connection:
        tenant, session = connection.sql(
            "select tenant, session from session_totals order by abs(messages - 200), session limit 1"
        ).rows()[0]
    show_build(parts, raw, archive.status().size_bytes)
    everybody = {"ours": ours(archive, tenant, session), FRESH_NAME: ours(fresh, tenant, session)}
    async with AsyncExitStack() as peers:
        if PEERS:
            everybody |= await open_peers(folder, store, archive, (tenant, session), peers)
        medians, answers = await in_turn(everybody)
    if PEERS:
        check_answers(answers)
    show(medians, raw)
    archive.close()
    fresh.close()
    store.close()


def show(medians: dict[str, dict[str, float]], raw: int) -> None:
    mine, fresh = medians["ours"], medians[FRESH_NAME]
    table = Table("question", "ours ms", title=f"{MESSAGES:,} messages, {raw / 1e9:.2f} GB of JSON")
    rows = {name: [name, f"{mine[name]:,.1f}"] for name in mine}
    for who, times in medians.items():
        if who != "ours":
            table.add_column(f"{who} ms")
            table.add_column("ratio")
            for name, row in rows.items():
                row += [f"{times[name]:,.1f}", f"{times[name] / mine[name]:.2f} ×"]
    for row in rows.values():
        table.add_row(*row)
    console.print(table)
    for name in rows:
        console.print(f"{name}: {verdict(name, mine, medians.get('PostgreSQL'), fresh[name] / mine[name])}")


def verdict(name: str, mine: dict[str, float], postgres: dict[str, float] | None, fresh: float) -> str:
    """What the targets are, and whether each was reached."""
    reached = [f"fresh ≤ 1.5 ×: {'reached' if fresh <= 1.5 else 'not reached'}"]
    least = {"regex": 4, "tokens": 5, "top": 10}.get(name)
    if least and postgres:
        ratio = postgres[name] / mine[name]
        reached.insert(0, f"≥ {least} × PostgreSQL: {'reached' if ratio >= least else 'not reached'}")
    if name == "session":
        reached.insert(0, f"≤ 30 ms: {'reached' if mine[name] <= 30 else 'not reached'}")
    return "; ".join(reached)


def show_build(parts: list[tuple[int, float, float, int]], raw: int, size: int) -> None:
    events, seconds, processor = (sum(part[n] for part in parts) for n in range(3))
    memory = max(part[3] for part in parts)
    for what, figure, fine in (
        ("build, messages/s", f"{events / seconds:,.0f}; target ≥ 100,000", events / seconds >= 100_000),
        ("build, messages per processor second", f"{events / processor:,.0f}", None),
        ("build, greatest memory", f"{memory / 1e6:,.0f} MB; target ≤ 1,000", memory <= 1e9),
        ("bytes on disk", f"{size / raw:.3f} of the JSON; target ≤ 0.333", size <= raw / 3),
    ):
        told = "" if fine is None else ": reached" if fine else ": not reached"
        console.print(f"{what}: {figure}{told}", highlight=False)


async def open_peers(
    folder: Path, store: SegmentStore, archive: Archive, session: tuple[str, str], opened: AsyncExitStack
) -> dict[str, Questions]:
    """Load the peers, unless an earlier run did, and return what each is to be asked."""
    new = not (folder / "messages.sqlite").exists()
    sqlite = Sqlite(folder / "messages.sqlite")
    if new:
        sqlite.load(peer_rows(store))
    server = await attach(folder / "postgres", clock=SystemClock())
    opened.push_async_callback(server.close)
    connection = await opened.enter_async_context(
        postgres_session(server.connection, timeout_s=60, command_timeout_s=None)
    )
    postgres = Postgres(connection)
    if not await connection.fetchval("select to_regclass('messages')"):
        await postgres.load(peer_rows(store))
    files = [str(archive.directory / file.name) for file in archive.manifest().of_table("messages")]
    peers = {"PostgreSQL": postgres.ask(*session), "SQLite": sqlite.ask(*session)}
    try:
        peers["polars"] = Polars(files).ask(*session)
    except ImportError:
        console.print("polars is not installed: pip install '.[bench]'")
    # The same question, whether we answer it from sums or from messages.
    return {who: it | {f"{n}{OF_MESSAGES}": it[n] for n in ("tokens", "top")} for who, it in peers.items()}


def check_answers(answers: dict[str, dict[str, Any]]) -> None:
    """Everybody must find what we found."""
    mine = answers["ours"]
    for who, its in answers.items():
        assert its["regex"][0][0] == mine["regex"][0][0], f"{who} finds another number of messages"
        for name in ("tokens", "top", f"tokens{OF_MESSAGES}", f"top{OF_MESSAGES}"):
            ours = mine[name.removesuffix(OF_MESSAGES)]
            assert _plain(its[name]) == _plain(ours), f"{who} answers {name} otherwise"
        for name in ("session", "tail"):
            assert len(its[name]) == len(mine[name]), f"{who} answers {name} with another number of rows"


def _plain(rows: Any) -> list[tuple[str, ...]]:
    """Rows as texts, in one order: a day is a date here and a text there, a sum of another type."""
    return sorted(tuple(map(str, row)) for row in rows)


async def freshness() -> None:
    """Append, then ask: the answer must have it, and come as quickly as an append."""
    appended, asked = [], []
    with tempfile.TemporaryDirectory(prefix="agentlog-bench-") as data:
        async with agentlog.open(data) as store:
            for number in range(300):
                start = time.perf_counter()
                await store.conversation.append("s", {"role": "user", "content": f"message {number}"})
                appended.append(time.perf_counter() - start)
                start = time.perf_counter()
                rows = (await store.archive.tail("s", 1)).dicts()
                asked.append(time.perf_counter() - start)
                assert rows[0]["text"] == f"message {number}", "the next answer has it"
    console.print(
        f"append p50 {percentile(appended[20:], 0.5):.2f} ms, p99 {percentile(appended[20:], 0.99):.2f} ms;"
        f" the next question has the message: p50 {percentile(asked[20:], 0.5):.2f} ms,"
        f" p99 {percentile(asked[20:], 0.99):.2f} ms",
        highlight=False,
    )


if __name__ == "__main__":
    asyncio.run(run())
