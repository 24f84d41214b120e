"""What the benchmarks share: a store in a temporary directory, percentiles, a table of results."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from eventlog.clock import SystemClock
from eventlog.embedded.server import EmbeddedPostgres, attach
from eventlog.log import Log
from eventlog.settings import Settings
from projections.catalog import INLINE
from projections.tables import table_text

console = Console(width=120)


class Result(NamedTuple):
    """One row: what was measured, how it compares, and the target where there is one."""

    name: str
    rate: float  # events per second; 0 when only a latency is meant
    p50_ms: float
    p99_ms: float
    ratio: str = ""
    target: str = ""
    reached: bool | None = None


def percentile(seconds: Sequence[float], share: float) -> float:
    """The given share (0..1) of `seconds`, in milliseconds."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000


def show(title: str, results: Sequence[Result]) -> None:
    table = Table(
        "what", "events/s", "p50 ms", "p99 ms", "ratio", "target", "", title=title, title_justify="left"
    )
    for result in results:
        verdict = {None: "", True: "reached", False: "not reached"}[result.reached]
        table.add_row(
            result.name,
            f"{result.rate:,.0f}" if result.rate else "",
            f"{result.p50_ms:.2f}" if result.p50_ms else "",
            f"{result.p99_ms:.2f}" if result.p99_ms else "",
            result.ratio,
            result.target,
            verdict,
        )
    console.print(table)


def machine() -> str:
    """One line about where this ran."""
    python = platform.python_version()
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {python}, {platform.system()}"


@asynccontextmanager
async def open_log(settings: Settings | None = None) -> AsyncIterator[tuple[Log, EmbeddedPostgres, Path]]:
    """A fresh log on a fresh embedded Postgres, both copies durable, all projections inline."""
    with tempfile.TemporaryDirectory(prefix="agentlog-bench-") as folder:
        data = Path(folder)
        server = await attach(data, clock=SystemClock())
        try:
            log = await Log.open(
                data,
                server.connection,
                projections=INLINE,
                views_sql=[table_text("views")],
                settings=settings,
                migrate=True,
            )
            try:
                yield log, server, data
            finally:
                await log.close()
        finally:
            await server.close()
