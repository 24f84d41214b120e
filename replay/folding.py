"""Read a log from either of its copies and fold it, as far as it goes. Writes nothing.

What is read of may be an open log, or the same log seen from a process of its own (`replay.rebuild_process`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

import asyncpg

from eventlog.clock import Clock
from eventlog.envelope import Event, decode_lines
from eventlog.errors import BadInput, Damaged
from eventlog.postgres.connect import connect, disconnect, is_broken, unavailable
from eventlog.postgres.reads import Reads
from eventlog.projection import InlineProjection
from eventlog.segment.reader import Decode
from eventlog.settings import Settings
from replay.fold_all import FoldAll
from replay.fold_lines import decode_for
from replay.report import Progress

SOURCES = ("segments", "postgres")
# Events that a thread folds before it tells how far it is: some 0.1 s. Blocks may hold one event each, and
# going to a thread and back takes as long as folding some thirty.
EVENTS_AT_ONCE = 8_192
# From here on it is worth the 20 ms that it takes to make their decoder.
DECODED_WITH_LINES_MIN = 20_000
# Events that may be left to fold under the gate: a few milliseconds of everybody's time.
TAIL_EVENTS_MAX = 100
TAIL_ROUNDS_MAX = 20


class Blocks(Protocol):
    """The local copy of a log."""

    @property
    def durable_position(self) -> int:
        """How far it is synced."""
        ...

    def read(
        self, after: int = 0, until: int | None = None, decode: Decode = decode_lines
    ) -> Iterator[Sequence[Event]]:
        """Yield events with after < position <= until, in order, in blocks, as `decode` gives them."""
        ...


class Foldable(Protocol):
    """What is used of a log by whoever folds it."""

    @property
    def segments(self) -> Blocks: ...
    @property
    def reads(self) -> Reads: ...
    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def projections(self) -> Sequence[InlineProjection]: ...
    @property
    def views_sql(self) -> Sequence[str]: ...
    async def head(self) -> Any:
        """Where it stands: `position`, among others."""
        ...


async def fold_to_head(log: Foldable, fold: FoldAll, source: str, tell: Progress) -> None:
    """Fold on until close behind the head."""
    if source not in SOURCES:
        raise BadInput(f"source {source!r} must be one of {', '.join(SOURCES)}")
    for _ in range(TAIL_ROUNDS_MAX):
        head = (await log.head()).position
        await fold_until(log, fold, head, source, tell)
        if (await log.head()).position - fold.position <= TAIL_EVENTS_MAX:
            return


async def fold_until(log: Foldable, fold: FoldAll, until: int, source: str, tell: Progress) -> None:
    """Fold on up to a position: from the segments as far as they are synced, then from Postgres.

    Raises:
        Damaged: positions or versions do not follow one another.
    """
    if source == "segments":
        durable = min(until, log.segments.durable_position)
        few = durable - fold.position < DECODED_WITH_LINES_MIN
        decode = decode_lines if few else decode_for(fold.projections)
        blocks = log.segments.read(fold.position, durable, decode)
        while await asyncio.to_thread(_add_blocks, fold, blocks):
            tell("fold", fold.position, until)
    while fold.position < until:
        page = await log.reads.page(fold.position, until)
        if not page:
            raise _gap(fold.position + 1, until, "Postgres")
        await asyncio.to_thread(_add, fold, [stored.to_event() for stored in page], "Postgres")
        tell("fold", fold.position, until)


def _add_blocks(fold: FoldAll, blocks: Iterator[Sequence[Event]]) -> bool:
    """Fold some blocks; return whether there were any. In a thread: reading blocks on the disk."""
    before = fold.position
    for block in blocks:  # one by one: a block that was just decoded is still in the processor's cache
        _add(fold, block, "the segments")
        if fold.position >= before + EVENTS_AT_ONCE:
            break
    return fold.position > before


def _add(fold: FoldAll, events: Sequence[Event], where: str) -> None:
    first, last = events[0].position, events[-1].position
    if first != fold.position + 1 or last != fold.position + len(events):
        raise _gap(fold.position + 1, last, where)
    fold.add(events)
    if fold.version_gaps:
        position, stream, version, expected = fold.version_gaps[0]
        raise Damaged(
            f"position {position} of {where} is version {version} of {stream}, not {expected}",
            hint="run `agentlog verify`; nothing was changed",
            first_position=position,
            last_position=position,
            where=where,
        )


def _gap(first: int, last: int, where: str) -> Damaged:
    return Damaged(
        f"{where} cannot be folded: positions from {first} to {last} do not follow one another",
        hint="run `agentlog verify`; nothing was changed",
        first_position=first,
        last_position=last,
        where=where,
    )


@asynccontextmanager
async def own_connection(log: Foldable) -> AsyncIterator[asyncpg.Connection]:
    """Give a connection that is none of the pool's: while it is held the log is read through that."""
    connection = await connect(
        log.reads.target,
        timeout_s=log.settings.connect_timeout_s,
        command_timeout_s=log.settings.command_timeout_s,
    )
    try:
        yield connection
    except BaseException as error:
        broken = is_broken(error, closed=connection.is_closed())
        connection.terminate()
        if broken:
            raise unavailable(error) from error
        raise
    await disconnect(connection)
