"""Rebuild a share in a process of its own, so that folding takes no turn of the interpreter from writers.

    python -m replay.rebuild_process     what to do comes on stdin, progress and the report go to stdout

Both are JSON, one object a line; the address of Postgres is among it and never on a command line. The process
runs at a lower priority, and ends when nobody reads what it says any more.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from eventlog.clock import SystemClock
from eventlog.command import Head
from eventlog.envelope import Event, decode_lines, us_to_time
from eventlog.errors import AgentlogError, LogUnavailable
from eventlog.local import LocalCopy
from eventlog.log import Log
from eventlog.postgres.reads import Reads
from eventlog.projection import InlineProjection
from eventlog.segment.reader import Decode
from eventlog.settings import Settings
from projections.catalog import INLINE
from replay.rebuild_share import rebuild_share
from replay.report import Progress, RebuildReport
from replay.shares import Share

# Low, yet no more: writers wait for it while it holds the gate, and others may want the processor as well.
NICENESS = 5
_LINE_BYTES_MAX = 256 * 1024 * 1024  # of a report with many findings

_logger = logging.getLogger(__name__)


class _Work(msgspec.Struct):
    """What a process is to do; see `rebuild_share`. `durable`: how far the segments may be read."""

    data: str
    postgres: str | dict[str, Any]
    settings: Settings
    views_sql: list[str]
    names: list[str]
    share: Share
    source: str
    durable: int


class _Said(msgspec.Struct, omit_defaults=True):
    """One line of a process: its progress, or at the end the report."""

    progress: tuple[str, int, int] | None = None
    report: RebuildReport | None = None


def can_be_handed_over(log: Log, projections: Sequence[InlineProjection]) -> bool:
    """Return whether another process can do it: it knows the projections, and how to reach Postgres."""
    return (
        bool(sys.executable)
        and set(log.projections) == set(INLINE)
        and _work_of(log, projections, Share(), "segments") is not None
    )


async def rebuild_share_elsewhere(
    log: Log, projections: Sequence[InlineProjection], share: Share, source: str, tell: Progress
) -> RebuildReport:
    """As `rebuild_share`, in a process of its own. What fails there is done here, where it can raise."""
    work = _work_of(log, projections, share, source)
    assert work is not None, "it can be handed over"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "replay.rebuild_process",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        limit=_LINE_BYTES_MAX, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    try:
        report, reason = await asyncio.gather(_talk(process, work, tell), _errors(process))
    finally:
        if process.returncode is None:
            process.kill()
        status = await process.wait()
    if report is not None:
        return report
    if status < 0:
        raise LogUnavailable(
            f"the process that rebuilt share {share.number + 1} of {share.of} was killed (signal {-status})",
            hint="if memory was short, rebuild with more shares; nothing of this share was changed",
        )
    _logger.warning("a process could not rebuild a share, this one does: %s", reason)
    return await rebuild_share(log, projections, share, source, tell)


async def _talk(process: asyncio.subprocess.Process, work: bytes, tell: Progress) -> RebuildReport | None:
    """Tell a process what to do, and pass on its progress; return its report, None when it failed."""
    assert process.stdin is not None
    assert process.stdout is not None
    report = None
    try:
        process.stdin.write(work + b"\n")
        await process.stdin.drain()
    except OSError:
        pass  # it ended before: that there is no report says so
    async for line in process.stdout:
        said = msgspec.json.decode(line, type=_Said)
        if said.progress is not None:
            tell(*said.progress)
        report = said.report or report
    await process.wait()
    return report


async def _errors(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    lines = (await process.stderr.read()).decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def _work_of(log: Log, projections: Sequence[InlineProjection], share: Share, source: str) -> bytes | None:
    """Return what a process has to know; None where it cannot be told, as of a pool of the caller's."""
    target = log.reads.target
    if not isinstance(target, (str, Mapping)):
        return None
    work = _Work(
        data=str(log.directory.path.absolute()),
        postgres=target if isinstance(target, str) else dict(target),
        settings=log.settings,
        views_sql=list(log.views_sql),
        names=[projection.name for projection in projections],
        share=share,
        source=source,
        durable=log.segments.durable_position,
    )
    try:
        return msgspec.json.encode(work)
    except TypeError:
        return None


# In the process itself.


class _Segments:
    """The local copy, as far as its log said that it is synced."""

    def __init__(self, copy: LocalCopy, durable_position: int) -> None:
        self._copy, self.durable_position = copy, durable_position

    def read(
        self, after: int = 0, until: int | None = None, decode: Decode = decode_lines
    ) -> Iterator[Sequence[Event]]:
        """Yield events with after < position <= until, in order, in blocks."""
        return self._copy.blocks(after, until, decode)


class _Seen:
    """A log as another process has it open; see `replay.folding.Foldable`."""

    def __init__(self, work: _Work) -> None:
        self.settings, self.views_sql, self.clock = work.settings, work.views_sql, SystemClock()
        self.projections = INLINE
        self.segments = _Segments(LocalCopy.open(Path(work.data)), work.durable)
        self.reads = Reads(work.postgres, work.settings, {})

    async def head(self) -> Head:
        """Where the log stands."""
        row = await self.reads.head()
        return Head(row["position"], us_to_time(row["time_us"]), row["chain"])


async def _rebuild(work: _Work) -> RebuildReport:
    log = _Seen(work)
    chosen = [projection for projection in INLINE if projection.name in work.names]

    def tell(what: str, done: int, total: int) -> None:
        _say(_Said(progress=(what, done, total)))

    try:
        return await rebuild_share(log, chosen, work.share, work.source, tell)
    finally:
        await log.reads.close()


def _say(said: _Said) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(said) + b"\n")
    sys.stdout.buffer.flush()


def main() -> int:
    """Do what stdin says; return the exit status."""
    os.nice(NICENESS)
    gc.disable()  # what is made here either goes at once or stays to the end
    work = msgspec.json.decode(sys.stdin.buffer.readline(), type=_Work)
    try:
        _say(_Said(report=asyncio.run(_rebuild(work))))
    except AgentlogError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
