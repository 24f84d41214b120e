"""What replay tells its caller: findings, and what a rebuild or a repair did. Values only.

A finding is one thing that is wrong, named as exactly as it can be: which copy or table, which
positions or which stream, what stands there and what should. Damage that has one cause is one
finding, however many events it covers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from eventlog.envelope import StreamId

# In the order in which they are checked and reported.
AREAS = (
    "segments",  # the local files
    "postgres",  # rows of events and head
    "copies",  # both read well, and differ
    "chain",  # the hash chain
    "streams",  # the table of streams
    "keys",  # idempotency keys
    "projections",  # projection tables against a fold of the log
    "archive",  # Parquet files
    "schema",  # tables, columns, indexes, functions, triggers, views
)

Progress = Callable[[str, int, int], None]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong.

    Attributes:
        area: one of AREAS.
        problem: what is wrong, in words; complete by itself.
        first_position, last_position: the events concerned; None where it is no matter of
            positions, or (the last one) where it cannot be told how far it reaches.
        stream: the stream concerned, when it is one.
        where: file or table.
        values: what stands there and what should, by name.
    """

    area: str
    problem: str
    first_position: int | None = None
    last_position: int | None = None
    stream: StreamId | None = None
    where: str = ""
    values: dict[str, Any] = {}

    def __str__(self) -> str:
        return f"{self.area}: {self.problem}"


class RebuildReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a rebuild did.

    Attributes:
        events: how many events were folded, all of them.
        seconds: how long it took in all.
        position: the position the tables were made right at.
        rows: by table, how many rows it holds according to the log.
        differences: what stood in the live tables and was not so; corrected since.
        gate_seconds: how long writers had to wait.
    """

    events: int
    seconds: float
    position: int
    rows: dict[str, int]
    differences: list[Finding]
    gate_seconds: float = 0.0


def merged(reports: Sequence[RebuildReport], seconds: float) -> RebuildReport:
    """Return what rebuilds of parts did as what one did; at least one. `seconds`: what they took together."""
    names = [name for report in reports for name in report.rows]
    return RebuildReport(
        events=max(report.events for report in reports),
        seconds=seconds,
        position=max(report.position for report in reports),
        rows={name: sum(report.rows.get(name, 0) for report in reports) for name in names},
        differences=[finding for report in reports for finding in report.differences],
        gate_seconds=sum(report.gate_seconds for report in reports),
    )


class RestoreReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore did: how many events the copy has now, and how long it took."""

    events: int
    seconds: float


class RepairReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a repair did.

    Attributes:
        found: what was wrong before.
        rows: positions whose rows in Postgres were written anew from the segments.
        blocks: positions (first, last) of blocks that were mended in their place, byte for byte.
        rewritten_from: position from which the segments were written anew from Postgres, or None.
        tables: projection tables in which rows were put right.
        kept: files in quarantine/ with what was replaced.
        left: what is wrong still, found by verifying again; empty when all is well.
    """

    found: list[Finding]
    rows: list[int] = []
    blocks: list[tuple[int, int]] = []
    rewritten_from: int | None = None
    tables: list[str] = []
    kept: list[str] = []
    left: list[Finding] = []


def positions(first: int, last: int | None) -> str:
    """Return a range of positions in words: `position 7`, `positions 7 to 9`, `positions from 7 on`."""
    if last is None:
        return f"positions from {first} on"
    return f"position {first}" if first == last else f"positions {first} to {last}"


def no_progress(what: str, done: int, total: int) -> None:
    """The progress callback of callers that gave none."""
