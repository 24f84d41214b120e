"""Restore drills on a large log, and opening it after a kill: `python -m tests.reliability.drill --events N`.

    build      a log of N events of about 1 KB, in commands of 2,000 events
    postgres   an empty schema filled from the segments alone
    segments   an empty directory filled from Postgres alone
    backup     Postgres put back to a base backup of when 9 of 10 events were there, the rest repaired
    opening    a full active segment (64 MiB) of single events, its writer killed, opened again

After each the chain, every row's hash, every line and every projection row are compared. All of it
happens in one temporary directory, which is removed.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from random import Random
from typing import Any

import asyncpg

from eventlog.clock import Ids, SystemClock
from eventlog.command import Command
from eventlog.directory import DataDirectory
from eventlog.embedded.server import attach
from eventlog.envelope import StreamId
from eventlog.errors import CopiesDisagree
from eventlog.events import MessageAppended, SessionCreated, Usage, new, raw
from eventlog.io import SystemIo
from eventlog.log import Log
from eventlog.segment.directory import SegmentDirectory
from eventlog.segment.store import Block, SegmentStore
from eventlog.settings import Settings
from projections.catalog import INLINE, VIEWS_SQL
from replay.blocks import readable_blocks
from replay.repair import repair
from replay.restore import restore_postgres, restore_segments
from replay.verify import verify_store
from tests.eventlog.segment.building import LOG_ID, FixedClock, History
from tests.reliability.report import Report, argument_parser, chosen_seed

EVENTS = 1_000_000
EVENTS_PER_COMMAND = 2_000
COMMANDS_AT_ONCE = 4
SESSIONS = 500
TEXT_BYTES = 700  # makes lines of about 1 KB
OPENING_S_MAX = 1.0
OPENINGS = 3  # the quickest counts: other processes share the machine
FULL_BYTES = 64 * 1024 * 1024


class Drill:
    """The log in a directory of its own, and what of it must come back."""

    def __init__(self, root: Path, report: Report, events: int) -> None:
        self.root, self.report, self.events = root, report, events
        self.data = root / "data"
        self.random = Random(report.seed)
        self.ids = Ids(SystemClock())
        self.words = [self.random.randbytes(4).hex()[: self.random.randint(2, 8)] for _ in range(4000)]

    async def run(self) -> None:
        """Build, then each drill."""
        cluster, backup = self.root / "server" / "postgres" / "cluster", self.root / "backup"
        async with self.server() as postgres:
            with self.timed("build", self.events):
                await self._append(postgres, 0, self.events * 9 // 10)
        await _command("cp", "-a", str(cluster), str(backup))  # of a stopped server, owners and all
        async with self.server() as postgres:
            await self._append(postgres, self.events * 9 // 10, self.events)
            expected = await self.state(postgres, self.data, "agentlog")
            self.report.counts["segment_bytes"] = sum(path.stat().st_size for path in self._segments())
            await self._restore_postgres(postgres, expected)
            await self._restore_segments(postgres, expected)
        await _command("rm", "-rf", str(cluster))
        backup.rename(cluster)
        async with self.server() as postgres:
            await self._from_backup(postgres, expected)

    async def _restore_postgres(self, postgres: Any, expected: dict[str, str]) -> None:
        settings = Settings(schema="restored")
        with self.timed("restore_postgres", self.events):
            await restore_postgres(self.data, postgres, settings=settings)
        self.compare("restore postgres", expected, await self.state(postgres, self.data, "restored"))
        await _execute(postgres, "DROP SCHEMA restored CASCADE")

    async def _restore_segments(self, postgres: Any, expected: dict[str, str]) -> None:
        again = self.root / "again"
        with self.timed("restore_segments", self.events):
            await restore_segments(again, postgres)
        self.compare("restore segments", expected, await self.state(postgres, again, "agentlog"))
        await _command("rm", "-rf", str(again))

    async def _from_backup(self, postgres: Any, expected: dict[str, str]) -> None:
        try:
            log = await self._open(postgres)
        except CopiesDisagree:
            pass  # as it must: Postgres lost commits that the segments have
        else:
            await log.close()
            self.report.failures.append("a log whose Postgres lost commits was opened")
        with self.timed("repair_from_backup", self.events):
            report = await repair(self.data, postgres)
        if report.left or len(report.rows) != self.events - self.events * 9 // 10:
            self.report.failures.append(f"repair wrote {len(report.rows)} rows, left {report.left[:3]}")
        self.compare("base backup", expected, await self.state(postgres, self.data, "agentlog"))
        with self.timed("verify", self.events):
            found = await verify_store(self.data, postgres)
        self.report.failures += [f"after all drills: {finding}" for finding in found]

    async def _append(self, postgres: Any, first: int, last: int) -> None:
        log = await self._open(postgres)
        gate = asyncio.Semaphore(COMMANDS_AT_ONCE)

        async def one(number: int) -> None:
            async with gate:
                await log.append(self.command(number, min(EVENTS_PER_COMMAND, last - number)))

        async with log:
            await asyncio.gather(*map(one, range(first, last, EVENTS_PER_COMMAND)))

    def command(self, number: int, count: int) -> Command:
        """Return one command of messages, the sessions in turn."""
        session = StreamId("acme", "session", f"agent:{number // EVENTS_PER_COMMAND % SESSIONS}")
        events = [new(session, SessionCreated(title=f"from {number}"), id=self.ids.next())]
        for at in range(number + 1, number + count):
            text = " ".join(self.random.choices(self.words, k=TEXT_BYTES // 6))
            usage = Usage(self.random.randrange(2000), at % 700)
            event = MessageAppended(f"m{at}", "assistant", raw(text), model="m", usage=usage)
            events.append(new(session, event, id=self.ids.next()))
        return Command(events)

    async def _open(self, postgres: Any) -> Log:
        return await Log.open(
            self.data, postgres, projections=INLINE, views_sql=[VIEWS_SQL], settings=Settings(), migrate=True
        )

    def _segments(self) -> list[Path]:
        return sorted((self.data / "segments").glob("*.ndjson.zst"))

    async def state(self, postgres: Any, data: Path, schema: str) -> dict[str, str]:
        """Return digests of what a log holds: chain, rows, lines, projections."""
        found = {"lines": await asyncio.to_thread(_digest_of_lines, data)}
        connection = await asyncpg.connect(**postgres)
        try:
            head = await connection.fetchrow(f"SELECT log_id, position, chain FROM {schema}.head")
            found["head"] = str(tuple(head))
            found["rows"] = await connection.fetchval(
                "SELECT encode(sha256(string_agg(sha256(hash || int8send(position) || int8send(version)"
                f" || data || meta), '' ORDER BY position)), 'hex') FROM {schema}.events"
            )
            for name in (projection.name for projection in INLINE):
                rows = f"SELECT md5(t::text) AS row FROM {schema}.{name} t"
                found[name] = await connection.fetchval(
                    f"SELECT md5(string_agg(row, '' ORDER BY row)) FROM ({rows}) r"
                )
        finally:
            await connection.close()
        return found

    def compare(self, what: str, expected: dict[str, str], found: dict[str, str]) -> None:
        for name, value in expected.items():
            if found[name] != value:
                self.report.failures.append(f"{what}: {name} is {found[name]}, was {value}")

    @asynccontextmanager
    async def server(self) -> AsyncIterator[Any]:
        server = await attach(self.root / "server", clock=SystemClock())
        try:
            yield server.connection
        finally:
            await server.close()

    @contextmanager
    def timed(self, name: str, events: int) -> Iterator[None]:
        started = time.monotonic()
        yield
        seconds = time.monotonic() - started
        self.report.counts[f"{name}_minutes"] = round(seconds / 60, 2)
        self.report.counts[f"{name}_events_per_s"] = round(events / seconds)


async def _command(*words: str) -> None:
    process = await asyncio.create_subprocess_exec(*words)
    assert await process.wait() == 0, words


def _digest_of_lines(data: Path) -> str:
    directory = DataDirectory(data, SystemIo())
    assert directory.log_id is not None
    files = SegmentDirectory(str(directory.segments), SystemIo())
    digest = hashlib.sha256()
    for block in readable_blocks(SystemIo(), files, directory.log_id, 1 << 60):
        digest.update(b"".join(block.lines))
    return digest.hexdigest()


async def _execute(postgres: Any, statement: str) -> None:
    connection = await asyncpg.connect(**postgres)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


# Opening after a kill.


def open_store(directory: str, witness: int = 0) -> SegmentStore:
    return SegmentStore.open(
        directory, log_id=LOG_ID, io=SystemIo(), clock=FixedClock(), settings=Settings(),
        durable_witness=witness,
    )  # fmt: skip


def fill_and_die(directory: str, text_bytes: int, length_bytes: int) -> None:
    """Append single events until the segment is full, then end as by kill -9."""
    history = History().commit_many(1000, size=text_bytes)
    store, position, chain = open_store(directory), 0, bytes(32)
    while store.segments()[-1].length_bytes < length_bytes if position else True:
        blocks = []
        for _ in range(200):
            position += 1
            after = hashlib.sha256(chain).digest()
            # The same lines again and again: opening checks CRCs and links, not what lines say.
            blocks.append(Block(position, 1, history.lines[position % 1000], chain, after))
            chain = after
        store.append(blocks)
    store.sync()
    print(position, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def try_opening(report: Report, length_bytes: int) -> None:
    """Measure opening a full segment whose writer was killed: of small events, and of 1 KB."""
    for name, text_bytes in (("small", 10), ("1_kb", 1600)):
        with tempfile.TemporaryDirectory(prefix="agentlog-opening-") as root:
            command = [sys.executable, "-m", "tests.reliability.drill", "--fill", f"{root}/segments",
                       "--text-bytes", str(text_bytes), "--length-bytes", str(length_bytes)]  # fmt: skip
            child = subprocess.run(command, capture_output=True, text=True)
            assert child.returncode == -signal.SIGKILL, child.stderr
            last = int(child.stdout)
            taken = []
            for _ in range(OPENINGS):
                started = time.monotonic()
                store = open_store(f"{root}/segments", witness=last)
                taken.append(time.monotonic() - started)
                if store.head_position != last:
                    report.failures.append(f"{last} events were synced, {store.head_position} are there")
                store.close()
        seconds = min(taken)
        report.counts |= {f"opening_{name}_events": last, f"opening_{name}_s": round(seconds, 2)}
        if seconds > OPENING_S_MAX:
            report.failures.append(f"opening a full segment of {name} events took {seconds:.2f} s")


def main() -> int:
    """Run from the command line."""
    parser = argument_parser(__doc__ or "")
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument(
        "--fill", metavar="DIRECTORY", help="fill a segment there and die: for the run itself"
    )
    parser.add_argument("--text-bytes", type=int, default=10)
    parser.add_argument("--length-bytes", type=int, default=FULL_BYTES)
    arguments = parser.parse_args()
    if arguments.fill:
        fill_and_die(arguments.fill, arguments.text_bytes, arguments.length_bytes)
    report = Report("drill", chosen_seed(arguments))
    report.counts["events"] = arguments.events
    try_opening(report, arguments.length_bytes)
    with tempfile.TemporaryDirectory(prefix="agentlog-drill-") as root:
        os.chmod(root, 0o755)  # the server may run as another user
        asyncio.run(Drill(Path(root), report, arguments.events).run())
    return report.finish(as_json=arguments.json)


if __name__ == "__main__":
    sys.exit(main())
