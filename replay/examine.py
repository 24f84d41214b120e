"""Walk through both copies of a log side by side, and fold what they hold. Changes nothing.

The walk is what `verify` reports and what `repair` acts on. The projections, the head and the
tables around the events are looked at in verify.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

import asyncpg

from eventlog.envelope import chain_hash
from eventlog.segment.verify import Finding as SegmentFinding
from eventlog.segment.verify import verify_segments
from replay.blocks import ReadBlock, readable_blocks
from replay.copies import Copies, Line
from replay.fold_all import FoldAll
from replay.keys import Keys, read_keys
from replay.report import Finding, Progress, positions
from replay.rows import PAGE_ROWS, RowReader
from replay.site import Site
from replay.statements import filled

WINDOW_POSITIONS = 20_000  # compared at once where rows are missing


class Examination:
    """What a walk found.

    Attributes:
        copies: the comparison, with what is wrong in which copy.
        fold: the fold of the best events.
        segment_findings: what is wrong with the segments by themselves.
        segments_end, rows_end: the last position of each copy, damaged or not.
        witness: how far Postgres knew this directory to be synced, before anything was read.
        keys: idempotency keys as the events note them.
        head: the row of it as it stood then.
        strays: positions of rows that stand where no event can.
    """

    def __init__(self, site: Site, segment_findings: list[SegmentFinding], segments_end: int) -> None:
        self.site = site
        self.fold = FoldAll(site.projections)
        self.segment_findings = segment_findings
        self.segments_end = segments_end
        self.rows_end = 0
        self.witness = 0
        self.keys = Keys()
        self.strays: list[int] = []
        self.head: asyncpg.Record | None = None
        self.copies: Copies
        self._blocks: Iterator[ReadBlock] = iter(())
        self._lines: dict[int, Line] = {}
        self._lines_end = 0
        self._reader = RowReader()

    @property
    def foldable(self) -> bool:
        """Whether the fold is that of the log: nothing was lost, and there is one history."""
        return not self.copies.lost and self.copies.diverged is None

    def findings(self) -> list[Finding]:
        """What the walk found, segments first."""
        found = [
            Finding(
                area="segments",
                problem=_in_words(finding),
                first_position=finding.first_position,
                last_position=finding.last_position,
                where=finding.where,
                values={"offset": finding.offset},
            )
            for finding in self.segment_findings
        ]
        return found + self.copies.finish()

    async def walk_to_ends(self, tell: Progress, connection: asyncpg.Connection) -> asyncpg.Record | None:
        """Walk to where the copies end, and on to where the head says; return the head, if there is one."""
        schema = self.site.settings.schema
        head = await connection.fetchrow(self.site.reads.statements.head)
        ends = await connection.fetchrow(filled("row_ends", schema=schema), self.segments_end)
        said = head["position"] if head is not None and head["position"] <= ends["believable"] else 0
        self.copies.postgres_end = max(said, ends["last"])
        self.head, self.strays = head, ends["strays"]
        known = max(self.segments_end, min(said, ends["last"]))
        await self.walk(known, tell, connection)
        self.rows_end = min(ends["last"], known)
        if ends["last"] > known:
            await self._walk_behind(ends["last"], tell, connection)
        # A head with the chain of the last event is right but for its number: nothing is lost then.
        if said > self.copies.position and head is not None and head["chain"] != self.copies.chain:
            await self.walk(said, tell, connection)
        self.copies.settle_names()
        return head

    async def _walk_behind(self, last: int, tell: Progress, connection: asyncpg.Connection) -> None:
        """Walk over rows behind the head that the chain proves, and note the others as strays."""
        statement = filled("read_rows", schema=self.site.settings.schema)
        chain, position, proven = self.copies.chain, self.copies.position, self.copies.position
        positions: list[int] = []
        while page := await connection.fetch(statement, max([position, *positions[-1:]]), last, PAGE_ROWS):
            for row in map(self._reader.read, page):
                positions.append(row.position)
                if chain is None or row.hash is None or row.position != position + 1:
                    chain = None
                    continue
                position = row.position
                chain = chain_hash(chain, position, row.version, row.time_us, row.hash)
                # Each batch keeps the chain in its last row, so a whole one proves itself.
                if row.chain == chain:
                    proven = position
        self.strays = [*self.strays, *[one for one in positions if one > proven]]
        self.rows_end = max(self.rows_end, proven)
        await self.walk(proven, tell, connection)

    async def walk(self, until: int, tell: Progress, connection: asyncpg.Connection) -> None:
        """Compare and fold on, up to a position."""
        statement = filled("read_rows", schema=self.site.settings.schema)
        while (after := self.copies.position) < until:
            page = await connection.fetch(statement, after, until, PAGE_ROWS)
            end = page[-1]["position"] if len(page) == PAGE_ROWS else until
            end = min(end, after + WINDOW_POSITIONS)
            await asyncio.to_thread(self._window, page, end)
            tell("compare", end, until)

    def _window(self, page: list[asyncpg.Record], end: int) -> None:
        rows = {row["position"]: self._reader.read(row) for row in page if row["position"] <= end}
        self.fold.add(self.keys.watch(self.copies.compare(end, rows, self._lines_until(end))))

    def _lines_until(self, end: int) -> Mapping[int, Line]:
        """Return the readable lines up to a position, and some beyond."""
        if self._lines_end <= end:
            for position in [position for position in self._lines if position <= self.copies.position]:
                del self._lines[position]
        while self._lines_end < end:
            block = next(self._blocks, None)
            if block is None:
                self._lines_end = end
                break
            first = block.header.first_position
            for at, text in enumerate(block.lines):
                self._lines[first + at] = Line(text, block)
            self._lines_end = block.header.last_position
        return self._lines

    def begin(self) -> None:
        """Make ready to walk: what the segments cannot give is known by now."""
        unreadable = [(finding.first_position, finding.last_position) for finding in self.segment_findings]
        self.copies = Copies(self.segments_end, unreadable)
        if self.site.log_id is not None and self.site.io.exists(self.site.segments.path):
            self._blocks = readable_blocks(
                self.site.io, self.site.segments, self.site.log_id, self.segments_end
            )


async def examine(site: Site, tell: Progress) -> Examination:
    """Read every byte of the segments, then compare every event of both copies."""
    has_log = await site.has_log()
    # In this order: what was synced is in the segments, what is in them is in Postgres.
    witness = await _witness(site) if has_log else 0
    findings, segments_end = await asyncio.to_thread(verify_site, site, tell)
    examination = Examination(site, findings, segments_end)
    examination.witness = witness
    examination.begin()
    if has_log:
        async with site.reads.connection() as connection:
            lifetime_s = site.settings.idempotency_ttl_s
            examination.keys = await read_keys(connection, site.settings.schema, lifetime_s)
            await examination.walk_to_ends(tell, connection)
    return examination


async def _witness(site: Site) -> int:
    """Return how far Postgres knows the directory to be synced; 0 when it does not know it."""
    rows = await site.reads.fetch(filled("mirrors", schema=site.settings.schema))
    return next((row["durable_position"] for row in rows if row["id"] == site.directory.id), 0)


def verify_site(site: Site, tell: Progress) -> tuple[list[SegmentFinding], int]:
    """Return what is wrong with the segments, and where they end as far as that can be told."""
    if site.log_id is None or not site.io.exists(site.segments.path):
        return [], 0
    end = 0

    def reached(position: int) -> None:
        nonlocal end
        end = max(end, position)
        tell("segments", position, site.promised or 0)

    findings = list(
        verify_segments(site.io, site.segments, site.log_id, promised=site.promised, progress=reached)
    )
    # A damaged block has positions too; what a durable mark alone remembers counts as well.
    known = [finding.last_position or 0 for finding in findings]
    return findings, max([end, *known])


def _in_words(finding: SegmentFinding) -> str:
    where = positions(finding.first_position, finding.last_position)
    if finding.last_position is not None and finding.last_position < finding.first_position:
        where = f"behind position {finding.last_position}"  # an index or a seal: no event is in it
    return f"{where} in {finding.where} at offset {finding.offset}: {finding.problem}"
