"""Write the open end of the log: blocks, the seal, the next segment. The caller holds the lock.

What is written here is not durable until it is synced, except where a docstring says so. The
order of writes and syncs is what recovery relies on (docs/formats/segment.md, "Writing").
"""

from __future__ import annotations

import bisect
import itertools
import os
import uuid
from collections.abc import Callable
from typing import NamedTuple

from eventlog.io import Io, write_all
from eventlog.segment.directory import SegmentDirectory
from eventlog.segment.format import (
    FILE_HEADER_BYTES,
    MAX_COUNT,
    MAX_LINE_BYTES,
    MAX_RAW_BYTES,
    BlockHeader,
    FileHeader,
    Invalid,
    Seal,
    crc32c,
    decode_seal,
    encode_block_header,
    encode_file_header,
)
from eventlog.segment.frames import decompress
from eventlog.segment.index import Contents, IndexBuilder, contents_of, encode_index, encode_seal_after
from eventlog.segment.recovery import Findings, Verdict, damaged
from eventlog.segment.scanner import (
    BlockTable,
    Place,
    Scan,
    Window,
    block_frame,
    block_header,
    first_place,
    place_after,
    read_file_header,
    scan,
)

_HEADERS_READ_BYTES = 4096  # read ahead while only headers are wanted


class Block(NamedTuple):
    """One append: its lines joined, each ending in LF, and the chain before and after them.

    `contents` spares the index a look at the lines; None where only the lines are known.
    """

    first_position: int
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody needs
    lines: bytes
    chain_before: bytes
    chain_after: bytes
    contents: Contents | None = None


def check_block(block: Block) -> None:
    """Assert the limits of the format: whoever made the block should have."""
    assert 1 <= block.count <= MAX_COUNT
    assert block.count == block.lines.count(b"\n")
    assert block.lines.endswith(b"\n")
    assert len(block.lines) <= MAX_RAW_BYTES
    if len(block.lines) > MAX_LINE_BYTES:
        assert max(map(len, block.lines.split(b"\n"))) < MAX_LINE_BYTES


class OpenSegment:
    """The newest segment of a directory, open for appending.

    Attributes:
        place: where the next block belongs; its position is the head's plus one.
        table: the blocks so far. Readers of other threads look things up in it.
        durable_offset: everything of the file below it is known to be synced.
        seal: set once the segment is closed; then the next append makes the next segment.
    """

    def __init__(self, io: Io, fd: int, path: str, header: FileHeader, found: Scan) -> None:
        self.fd = fd
        self.path = path
        self.header = header
        self.place: Place = found.place
        self.table: BlockTable = found.blocks
        self.durable_offset = max(FILE_HEADER_BYTES, found.durable_offset)
        self.seal: Seal | None = found.seal
        self._io = io
        self._index = IndexBuilder()

    @property
    def chain(self) -> bytes:
        assert self.place.chain is not None, "an open segment was walked from its start"
        return self.place.chain

    @property
    def length_bytes(self) -> int:
        return self.seal.end if self.seal else self.place.offset

    def write_block(self, block: Block, frame: bytes, epoch: int) -> None:
        """Append one block in one write. Raises OSError; then the file may hold a part of it."""
        place, link, durable_offset = self.place, self.place.link, self.durable_offset
        # Invariant: a block continues what stands before it, and promises nothing that is not so.
        assert link is not None
        assert (block.first_position, block.chain_before) == (place.position, place.chain)
        assert durable_offset <= place.offset
        header = BlockHeader(
            self.header.segment_id, place.offset, block.first_position, durable_offset, epoch,
            block.count, len(frame), len(block.lines), crc32c(frame), link,
            block.chain_before, block.chain_after,
        )  # fmt: skip
        self._index.add(header, block.contents or contents_of(block.lines))
        head = encode_block_header(header)
        write_all(self._io, self.fd, head + frame, place.offset)
        header = header._replace(crc=int.from_bytes(head[-4:], "little"))
        self.table.add(block.first_position, place.offset)
        self.place = place_after(header)

    def cut_back(self, place: Place, blocks: int) -> None:
        """Take back what was written since the segment ended at `place` with so many blocks."""
        for first_position in (*self.table.positions[blocks:], self.place.position):
            self._index.forget(first_position)
        self.table.cut(blocks)
        self.place = place
        self._io.ftruncate(self.fd, place.offset)

    def walk(self) -> Scan | None:
        """Return what others appended since, by its headers; None when nothing did."""
        if self._io.size(self.fd) == self.place.offset:
            return None
        window = Window(self._io, self.fd, _HEADERS_READ_BYTES)
        return scan(window, self.header, self.place, frames=False)

    def take(self, found: Scan) -> None:
        """Count what `walk` found as part of the segment."""
        for first, offset in zip(found.blocks.positions, found.blocks.offsets, strict=True):
            self.table.add(first, offset)
        self.durable_offset = max(self.durable_offset, found.durable_offset)
        self.place, self.seal = found.place, found.seal

    def first_position_beyond(self, offset: int) -> int:
        """Return the first position that a file cut at `offset` has lost."""
        at = bisect.bisect_right(self.table.offsets, offset) - 1
        return self.table.positions[at] if at >= 0 else self.header.base_position

    def write_seal(self, sync: Callable[[], None]) -> None:
        """Close the segment, durably: index, sync, seal, sync.

        The sync before the seal is what lets a reader trust it: a valid seal means that all before
        it was durable, so anything invalid there is damage. Raises
        OSError when a write fails, Damaged when an earlier block does not read; `sync` raises what
        it likes.
        """
        assert self.seal is None
        assert self.place.link is not None
        assert len(self.table) > 0, "an empty segment is not sealed"
        self._complete_index()
        index = self._index.build()
        header, frame = encode_index(
            index, salt=self.header.segment_id, offset=self.place.offset, link=self.place.link
        )
        seal = encode_seal_after(header, index, self.header, self.chain)
        write_all(self._io, self.fd, frame, header.offset)
        sync()
        write_all(self._io, self.fd, seal, header.end)
        sync()
        self.seal = decode_seal(seal)

    def _complete_index(self) -> None:
        """Read the blocks that other processes, or an earlier run, appended to this segment.

        Raises Damaged: one of them does not read any more; nothing was written.
        """
        window = Window(self._io, self.fd)
        salt = self.header.segment_id
        firsts = itertools.pairwise((*self.table.positions, self.place.position))
        for (first, following), offset in zip(firsts, self.table.offsets, strict=True):
            if self._index.knows(first):
                continue
            try:
                block = block_header(window, salt, Place(offset, first, None, None))
                lines = decompress(block_frame(window, block), block.raw_length)
                self._index.add(block, contents_of(lines))
            except (Invalid, ValueError) as problem:
                verdict = Verdict(False, str(problem), following - 1)
                raise damaged(self.path, Findings(offset, first - 1, ""), verdict) from problem


def open_segment(io: Io, path: str, flags: int = os.O_RDWR) -> tuple[int, FileHeader]:
    """Return a descriptor and the header of a segment. Raises OSError, Invalid or TooNew."""
    fd = io.open(path, flags)
    try:
        return fd, read_file_header(io, fd)
    except BaseException:
        io.close(fd)
        raise


def make_segment(
    io: Io,
    directory: SegmentDirectory,
    *,
    log_id: uuid.UUID,
    previous: OpenSegment | None,
    created_us: int,
    epoch: int,
) -> OpenSegment:
    """Create the segment after `previous`, or the first one, durably. Raises OSError."""
    header = FileHeader(log_id, os.urandom(16), 1, created_us, epoch)
    if previous is not None:
        seal = previous.seal
        assert seal is not None, "a segment is sealed before the next one is made"
        header = header._replace(
            base_position=seal.last_position + 1,
            previous_base=previous.header.base_position,
            previous_length=seal.end,
            previous_last=seal.last_position,
            previous_chain=seal.chain_after,
        )
    data = encode_file_header(header)
    header = header._replace(crc=int.from_bytes(data[-4:], "little"))
    fd = directory.create_segment(header.base_position, data)
    path = directory.segment_path(header.base_position)
    return OpenSegment(io, fd, path, header, Scan(first_place(header), BlockTable(), None, ""))
