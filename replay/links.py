"""What each copy of the log says about its events, as links of the hash chain. Decides nothing.

A link is an event without its content: its place and its hash, recomputed from what stands there. Both
copies are read as they are, damaged or not: what does not read has a link with a problem, or none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain as joined
from typing import NamedTuple

import asyncpg

from eventlog.envelope import chain_hash, decode_lines, encode_line, time_to_us, unplaced
from replay.blocks import ReadBlock, readable_blocks
from replay.rows import PAGE_ROWS, RowReader
from replay.site import Site
from replay.statements import filled

BEFORE_ALL = -(2**63)  # below any position: a row at 0 or less is seen as well


class Link(NamedTuple):
    """One event as one copy has it.

    Attributes:
        hash: recomputed; empty when the event does not read.
        problem: what is wrong with it by itself, in words; "" when nothing is.
        kept: the chain value that the copy keeps behind this event; None where it keeps none.
        expected: the chain value that the copy keeps before this event; None where it keeps none.
    """

    position: int
    version: int
    time_us: int
    hash: bytes
    problem: str = ""
    kept: bytes | None = None
    expected: bytes | None = None

    def follow(self, chain: bytes) -> bytes:
        """Return the chain behind this event."""
        return chain_hash(chain, self.position, self.version, self.time_us, self.hash)

    def same_as(self, other: Link) -> bool:
        """Whether both copies tell the same event."""
        return self[:4] == other[:4]


async def row_links(connection: asyncpg.Connection, schema: str, after: int, until: int) -> list[Link]:
    """Return the links of positions (after, until] as Postgres has them."""
    reader, statement = RowReader(), filled("read_rows", schema=schema)
    found: list[Link] = []
    while page := await connection.fetch(statement, after, until, PAGE_ROWS):
        for row in map(reader.read, page):
            place = (row.position, row.version, row.time_us)
            found.append(Link(*place, row.hash or b"", row.problem, row.chain))
        after = page[-1]["position"]
        if len(page) < PAGE_ROWS:
            break
    return found


class SegmentLinks:
    """The links of the segments, from position 1 on. Blocks that do not read give none.

    Attributes:
        strays: files that hold nothing in its place: their events stand in another file already.
    """

    def __init__(self, site: Site, until: int) -> None:
        assert site.log_id is not None
        self._blocks = readable_blocks(site.io, site.segments, site.log_id, until)
        self._held: list[Link] = []
        self._seen: set[str] = set()
        self._bases = [base for base in site.segments.bases() if base <= until]
        self._path = site.segments.segment_path

    def take(self, until: int) -> list[Link]:
        """Return the links up to a position that were not taken yet. Blocking."""
        while not self._held or self._held[-1].position < until:
            block = next(self._blocks, None)
            if block is None:
                break
            self._seen.add(block.path)
            self._held += links_of(block)
        at = next((n for n, link in enumerate(self._held) if link.position > until), len(self._held))
        taken, self._held = self._held[:at], self._held[at:]
        return taken

    @property
    def strays(self) -> list[str]:
        return [path for base in self._bases if (path := self._path(base)) not in self._seen]


def links_of(block: ReadBlock) -> Iterator[Link]:
    """Yield the links of one block; a line that is no event has one without a hash."""
    last = len(block.lines) - 1
    for at, line in enumerate(block.lines):
        before = block.header.chain_before if at == 0 else None
        kept = block.header.chain_after if at == last else None
        try:
            event = decode_lines(line)[0]
            said, time_us = unplaced(event), time_to_us(event.time)
        except ValueError as error:  # msgspec's errors and datetime's are ValueErrors
            place = block.header.first_position + at
            yield Link(place, 0, 0, b"", f"the line is no event: {error}", kept, before)
            continue
        same = encode_line(said, event.position, event.version, event.time) == line
        problem = "" if same else "the line is not written as the log writes it"
        yield Link(event.position, event.version, time_us, said.hash, problem, kept, before)


def first_difference(links: Sequence[Link], others: Sequence[Link]) -> int | None:
    """Return the lowest position of which two copies tell different events; None when there is none."""
    ours = {link.position: link for link in links}
    theirs = {link.position: link for link in others}
    for position in sorted(set(joined(ours, theirs))):
        one, other = ours.get(position), theirs.get(position)
        if one is None or other is None or not one.same_as(other):
            return position
    return None
