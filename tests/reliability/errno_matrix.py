"""Every call of the log's I/O fails in every way, one at a time: `python -m tests.reliability.errno_matrix`.

A cell is one call of a workload (the n-th, whichever it is) and one error, or a read or write of
half of what was asked for. What must come of it is DOCUMENTED here and in docs/operations/disk-errors.md.

    segments   the segment store on a disk in memory: opening with a torn tail and remains of a crash,
               append, rotation with seal, durable mark, close; then another process opens what is there
    log        a log on real files and Postgres: open, append, rotation, read, close; the same log goes on
    repair     the repair of damaged segments and rows; a repair without errors then mends what is left
"""

from __future__ import annotations

import asyncio
import errno
import logging
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from eventlog.embedded.server import EmbeddedPostgres
from eventlog.errors import AgentlogError, MirrorUnavailable, NotMirrored
from eventlog.io import Io, SystemIo
from eventlog.log import Log
from eventlog.segment.store import SegmentStore
from replay.repair import repair
from tests.eventlog.segment.building import DIRECTORY, FixedClock, History, lines_of, machine, open_store
from tests.reliability.report import Report, argument_parser, chosen_seed
from tests.replay.support import SESSION, Spoiled, message
from tests.replay.test_restore import lines
from tests.support.builders import assert_whole, open_log, saying, story, whole
from tests.support.failing_io import FaultAt
from tests.support.postgres import fresh_schema, start_shared_server

SHORT = FaultAt.SHORT
ERRORS = (
    errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.EINTR, errno.EACCES, SHORT,
)  # fmt: skip
NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
PARTS = ("segments", "log", "repair")
A_DAY_US = 10**12

# What a call that fails comes to: of the segment store, by phase.
REFUSED = "MirrorUnavailable at opening"  # nothing is open; the next opening works
GOES_ON = "OSError, the next append goes on"  # this append is not there, whole
STOPS = "MirrorUnavailable until opened again"  # it may be there; nobody was told
NOTHING = "nothing"  # a line in the log at most
UNMARKED = "OSError, no mark was written"  # of a call that only writes the durable mark


class Cell(NamedTuple):
    """One call that fails in one way."""

    at: int
    phase: str
    call: str
    error: int

    def __str__(self) -> str:
        what = "short" if self.error == SHORT else errno.errorcode[self.error]
        return f"call {self.at}, {self.call} of {self.phase}: {what}"


def documented(cell: Cell) -> set[str]:
    """Return what may come of a cell in the segment store."""
    if cell.error == SHORT or cell.phase == "close":
        return {NOTHING}
    if cell.phase == "open":
        # The durable mark is looked at once more at the end, which may fail without harm.
        return {REFUSED, NOTHING} if cell.call in ("open", "pread", "close") else {REFUSED}
    if cell.phase == "mark":
        return {UNMARKED}
    if cell.call == "lock":
        return {GOES_ON}
    if cell.call == "fdatasync":
        # A segment that is being made is begun anew: nothing of it was promised.
        return {STOPS, GOES_ON} if cell.error in NO_SPACE and cell.phase == "rotation" else {STOPS}
    if cell.call == "close":
        return {NOTHING, GOES_ON, STOPS}
    return {GOES_ON} if cell.error in NO_SPACE else {STOPS}


def cells(calls: list[tuple[str, str]], errors: tuple[int, ...] = ERRORS) -> Iterator[Cell]:
    """Return every cell of a workload, given its calls without an error."""
    for at, (phase, call) in enumerate(calls):
        for error in errors:
            if error != SHORT or call in ("pread", "pwrite"):
                yield Cell(at, phase, call, error)


# The segment store, on a disk in memory.

HISTORY = History().commit_many(12, size=300)


def crashed_files() -> dict[str, bytes]:
    """Return two segments, the newest with a torn tail, and what was left of one being made."""
    io, clock = machine(), FixedClock()
    store = open_store(io, clock=clock)
    for first, last in ((0, 2), (2, 4)):
        clock.us += A_DAY_US
        store.append([HISTORY.block(first, last)])
        store.sync()
    store.close()
    files = io.files(DIRECTORY)
    newest = max(path for path in files if path.endswith(".zst"))
    return {**files, newest: files[newest] + b"torn" * 20, f"{newest}.new": b"begun"}


class SegmentRun:
    """One run of the workload on the segment store, with one call that fails or none."""

    def __init__(self, files: dict[str, bytes], at: int | None = None, error: int = 0) -> None:
        self.disk = machine(files)
        self.io = FaultAt(self.disk, at, error)
        self.clock = FixedClock()
        self.clock.us += 2 * A_DAY_US
        self.told = 4
        self.outcome = NOTHING

    def run(self) -> None:
        """Do the work; what came of the failure is in `outcome`."""
        self.io.phase = "open"
        try:
            store = open_store(self.io, clock=self.clock, witness=self.told)
        except MirrorUnavailable:
            self.outcome = REFUSED
            return
        self._append("append", store, 7)
        self.clock.us += A_DAY_US
        self._append("rotation", store, 10)
        self.io.phase = "mark"
        try:
            store.write_mark()
        except OSError:
            self.outcome = UNMARKED
        except MirrorUnavailable:
            assert self.outcome == STOPS
        self.io.phase = "close"
        store.close()

    def _append(self, phase: str, store: SegmentStore, until: int) -> None:
        # The second time with a shorter block, so that what is left of the first would be seen.
        for attempt, end in ((phase, until), (f"{phase} again", until - 2)):
            self.io.phase = attempt
            try:
                if store.head_position < end:
                    store.append([HISTORY.block(store.head_position, end)])
                self.told = store.sync()
            except OSError:
                self.outcome = GOES_ON
            except MirrorUnavailable:
                self.outcome = STOPS
                return
            else:
                return
        self.outcome = "the second append failed too"

    def problems(self) -> list[str]:
        """Let another process open what is there: nothing told is lost, nothing false, and it goes on."""
        store = open_store(self.disk.killed(), clock=self.clock, witness=self.told)
        found = []
        if store.head_position < self.told:
            found.append(f"told {self.told}, there are {store.head_position}")
        if lines_of(store) != HISTORY.lines[: store.head_position]:
            found.append("false lines")
        store.append([HISTORY.block(store.head_position, HISTORY.head)])
        store.close()
        return found + [str(finding) for finding in store_findings(self.disk.killed(), self.clock)]


def store_findings(io: Io, clock: FixedClock) -> list[Any]:
    store = open_store(io, clock=clock, witness=HISTORY.head)
    found = list(store.verify())
    store.close()
    return found


def try_segments(report: Report, chosen: Callable[[list[Cell]], list[Cell]]) -> None:
    """Try the cells of the segment store."""
    files = crashed_files()
    plain = SegmentRun(files)
    plain.run()
    some = chosen(list(cells(plain.io.calls)))
    for cell in some:
        run = SegmentRun(files, cell.at, cell.error)
        run.run()
        if run.outcome not in documented(cell):
            report.failures.append(f"segments, {cell}: {run.outcome}, not {documented(cell)}")
        report.failures += [f"segments, {cell}: {problem}" for problem in run.problems()]
    report.counts["segments_cells"] = len(some)


# A log on real files and Postgres.


class LogRun:
    """One run on a log: what is told must be there, and the same log must go on by itself."""

    def __init__(self, server: EmbeddedPostgres, data: Path, at: int | None = None, error: int = 0) -> None:
        self.io = FaultAt(SystemIo(), at, error)
        self.clock = FixedClock()
        self.problems: list[str] = []
        self._server, self._data, self._schema = server, data, fresh_schema()
        self._told: list[str] = []
        self._refused: list[str] = []

    async def run(self) -> None:
        """Do the work, then open the log without errors and compare."""
        self.io.phase = "open"
        try:
            log = await self._open(self.io)
        except AgentlogError:
            pass  # explained, and nothing is open; any other error ends this run
        else:
            for text, phase in (
                ("one", "append"),
                ("two", "append"),
                ("three", "rotation"),
                ("four", "append"),
            ):
                self.io.phase = phase
                self.clock.us += A_DAY_US if phase == "rotation" else 10**6
                await self._append(log, text)
            self.io.phase = "read"
            with suppress(AgentlogError):  # explained; all is read again below
                await whole(log)
            self.io.phase = "close"
            await log.close()
        async with await self._open(SystemIo()) as log:
            texts = [bytes(event.data).decode() for event in await assert_whole(log)]
        for text in self._told:
            if texts.count(f'{{"text":"{text}"}}') != 1:
                self.problems.append(f"{text!r} was told and is there {texts} times")
        if any(f'{{"text":"{text}"}}' in texts for text in self._refused):
            self.problems.append(f"refused and there all the same: {self._refused} in {texts}")

    async def _append(self, log: Log, text: str) -> None:
        """Append; a refusal before the commit is tried again, as a caller would, a second later."""
        for attempt in range(3):
            try:
                await log.append(saying(story(), f"{text} {attempt}"))
            except NotMirrored:
                self._told.append(f"{text} {attempt}")
            except MirrorUnavailable:
                self._refused.append(f"{text} {attempt}")
                self.clock.us += 10**6
                continue
            else:
                self._told.append(f"{text} {attempt}")
            return
        self.problems.append(f"appends do not go on: {text!r} was refused three times")

    async def _open(self, io: Any) -> Log:
        return await open_log(self._server, self._schema, self._data, io=io, clock=self.clock)


async def try_log(
    report: Report, server: EmbeddedPostgres, chosen: Callable[[list[Cell]], list[Cell]], root: Path
) -> None:
    """Try the cells of a whole log."""
    plain = LogRun(server, root / "plain")
    await plain.run()
    some = chosen(list(cells(plain.io.calls)))
    for number, cell in enumerate(some):
        run = LogRun(server, root / f"log {number}", cell.at, cell.error)
        try:
            await asyncio.wait_for(run.run(), 60)
        except Exception as error:  # whatever it is, it is not what is documented
            run.problems.append(f"{type(error).__name__}: {error}")
        report.failures += [f"log, {cell}: {problem}" for problem in run.problems]
    report.counts["log_cells"] = len(some)


# Repair.


async def try_repair(
    report: Report, server: EmbeddedPostgres, chosen: Callable[[list[Cell]], list[Cell]], root: Path
) -> None:
    """Try the cells of a repair; the log is whole again after each."""
    place = Spoiled(root / "repair", server.connection, fresh_schema())
    await place.log(segment_bytes_max=4096)
    await place.fill()
    await place.append(SESSION, *[message(f"x{number}", f"{number}" * 600) for number in range(40)])
    await place.close()
    plain = FaultAt(SystemIo())
    plain.phase = "repair"
    whole_files = {path: path.read_bytes() for path in place.segments()}
    await _damage(place, whole_files)
    await repair(place.data, place.postgres, settings=place.settings, io=plain)
    some = chosen(list(cells(plain.calls)))
    text = lines(place.data)
    for cell in some:
        await _damage(place, whole_files)
        try:
            io = FaultAt(SystemIo(), cell.at, cell.error)
            await repair(place.data, place.postgres, settings=place.settings, io=io)
        except AgentlogError:
            pass  # explained; any other error is not
        except Exception as error:
            report.failures.append(f"repair, {cell}: {type(error).__name__}: {error}")
        left = (await repair(place.data, place.postgres, settings=place.settings)).left
        await place.log()  # which copies what the segments lack
        await place.close()
        if left or lines(place.data) != text:
            report.failures.append(f"repair, {cell}: not whole after the next repair: {left[:2]}")
    report.counts["repair_cells"] = len(some)


async def _damage(place: Spoiled, whole_files: dict[Path, bytes]) -> None:
    """Put the segments back as they were first; spoil a frame, a block header further on, and a row."""
    for path in place.segments():
        path.unlink()
    for path, content in whole_files.items():
        path.write_bytes(content)
    for path, offset in ((place.segments()[0], 256 + 160 + 20), (place.segments()[-1], 256 + 20)):
        content = bytearray(path.read_bytes())
        content[offset] ^= 1
        path.write_bytes(content)
    await place.behind_the_guards(
        "UPDATE {schema}.events SET data = '{}', compressed = false WHERE position = 4"
    )


def every(some: list[Cell]) -> list[Cell]:
    return some


def each_once(seed: int) -> Callable[[list[Cell]], list[Cell]]:
    """Return a choice: every call, each with one error drawn at random, and each error of each name once."""

    def choose(some: list[Cell]) -> list[Cell]:
        drawn = list(some)
        Random(seed).shuffle(drawn)
        by_call = {cell.at: cell for cell in drawn}
        by_name = {(cell.phase, cell.call, cell.error): cell for cell in drawn}
        return sorted({*by_call.values(), *by_name.values()})

    return choose


def run(report: Report, parts: list[str], chosen: Callable[[list[Cell]], list[Cell]]) -> None:
    """Try the chosen cells of some parts."""
    logging.disable(logging.WARNING)
    if "segments" in parts:
        try_segments(report, chosen)
    if "log" in parts or "repair" in parts:
        with start_shared_server() as server, tempfile.TemporaryDirectory(prefix="agentlog-errno-") as root:
            if "log" in parts:
                asyncio.run(try_log(report, server, chosen, Path(root)))
            if "repair" in parts:
                asyncio.run(try_repair(report, server, chosen, Path(root)))


def main() -> int:
    """Run from the command line."""
    parser = argument_parser(__doc__ or "")
    parser.add_argument("--only", choices=PARTS, action="append", help="one part; may be repeated")
    arguments = parser.parse_args()
    report = Report("errno", chosen_seed(arguments))
    run(report, arguments.only or list(PARTS), every)
    return report.finish(as_json=arguments.json)


if __name__ == "__main__":
    sys.exit(main())
