"""Read blocks of a directory in order, from any position, beside the writer. Changes nothing.

Uses descriptors of its own. Each header is checked against its place, each frame by its CRC and
by zstd's checksum, each block's count and positions against its lines; hashes and the chain are
recomputed by `verify` alone.
"""

from __future__ import annotations

import bisect
import errno
import os
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import NamedTuple

import msgspec

from eventlog.envelope import Event, decode_lines
from eventlog.errors import AgentlogError, Damaged, MirrorUnavailable
from eventlog.io import Io, close_quietly
from eventlog.segment.directory import SegmentDirectory
from eventlog.segment.format import (
    BLOCK_HEADER_BYTES,
    INDEX_HEADER_BYTES,
    INDEX_MAGIC,
    SEAL_BYTES,
    BlockHeader,
    FileHeader,
    Invalid,
    decode_block_header,
    decode_index_header,
    decode_seal,
    magic_at,
)
from eventlog.segment.frames import decompress
from eventlog.segment.index import decode_index
from eventlog.segment.opening import open_checked
from eventlog.segment.scanner import (
    BlockTable,
    Place,
    Window,
    block_frame,
    block_header,
    first_place,
    index_body,
    later_frames,
    place_after,
)

# Lines of a block to its events; msgspec.DecodeError where they are none.
Decode = Callable[[bytes], Sequence[Event]]

_TABLES_MAX = 64  # block tables kept; the largest takes about 1 MiB


class Frame(NamedTuple):
    """One block as it stands in a file: where, its header, its zstd frame with the CRC checked."""

    path: str
    header: BlockHeader
    frame: bytes


class SegmentReader:
    """Reads one directory. Any number of threads may read at the same time.

    Args:
        bases: returns the first positions of the known segments, ascending.
        table: returns the blocks of the open segment, None for a base that is not the open one.
        promised: returns the last position that must be there. What lies beyond may be in the
            middle of being written by another process: an invalid byte there just ends a read.
    """

    def __init__(
        self,
        io: Io,
        directory: SegmentDirectory,
        log_id: uuid.UUID,
        *,
        bases: Callable[[], Sequence[int]],
        table: Callable[[int], BlockTable | None],
        promised: Callable[[], int],
    ) -> None:
        self._io = io
        self._directory = directory
        self._log_id = log_id
        self._bases = bases
        self._table = table
        self._promised = promised
        self._tables: dict[int, BlockTable] = {}  # of sealed segments, which no longer change

    def events(self, after: int, last: int, decode: Decode = decode_lines) -> Iterator[Sequence[Event]]:
        """Yield the events of positions (after, last], block by block.

        Args:
            decode: what makes a block's lines events; another one may leave out or add fields.
        Raises:
            Damaged: a block that must be there does not read as written.
        """
        for frame in self.frames(after, last):
            events = decode_frame(frame, decode)
            first = frame.header.first_position
            if first <= after or first + len(events) - 1 > last:
                events = events[max(0, after + 1 - first) : last + 1 - first]
            yield events

    def frames(self, after: int, last: int) -> Iterator[Frame]:
        """Yield every block that holds a position in (after, last], in order, not decompressed."""
        position = after + 1
        bases = self._bases()
        at = bisect.bisect_right(bases, position) - 1
        base = bases[at] if at >= 0 else 1
        while position <= last:
            path = self._directory.segment_path(base)
            promised = self._promised()
            try:
                fd, header = open_checked(self._io, path, self._log_id, base, os.O_RDONLY)
            except FileNotFoundError:
                if base > promised:
                    return
                raise missing(path, base, promised) from None
            except OSError as error:
                raise _unreadable(path, position, error) from error
            try:
                window = Window(self._io, fd)
                place = self._start(window, header, self._io.size(fd), position)
                ended = yield from self._file(path, window, header, place, after, last)
            except OSError as error:
                raise _unreadable(path, position, error) from error
            finally:
                close_quietly(self._io, fd)
            if ended is None:
                return
            position = base = ended

    def _file(
        self, path: str, window: Window, header: FileHeader, place: Place, after: int, last: int
    ) -> Generator[Frame, None, int | None]:
        """Yield the blocks of one file; return the position the next file begins at, None at the end."""
        salt, fresh = header.segment_id, False
        promised = self._promised()
        while place.position <= last:
            try:
                block = block_header(window, salt, place)
                frame = block_frame(window, block) if block.last_position > after else b""
            except Invalid as problem:
                if not fresh:
                    # The bytes may have been read ahead before they were written. Read them again,
                    # after asking what is promised by now: in this order no append can slip between.
                    promised, fresh = self._promised(), True
                    window.forget()
                    continue
                if magic_at(window.read(place.offset, 8)) == INDEX_MAGIC:
                    return place.position
                if place.position > promised:
                    return None
                raise _damaged(path, window, salt, place, promised, problem) from None
            fresh = False
            if frame:
                yield Frame(path, block, frame)
            place = place_after(block)
        return None

    def _start(self, window: Window, header: FileHeader, length: int, position: int) -> Place:
        """Return where to begin in a file so that `position` is met: by its blocks, or at its start."""
        base = header.base_position
        if position == base:
            return first_place(header)
        table = self._table(base) or self._tables.get(base)
        if table is None and (table := _stored_table(window, header, length)) is not None:
            if len(self._tables) >= _TABLES_MAX:
                self._tables.clear()
            self._tables[base] = table
        return (table and table.place_of(position)) or first_place(header)


def decode_frame(frame: Frame, decode: Decode = decode_lines) -> Sequence[Event]:
    """Return all events of a block. Raises Damaged when they are not what its header says."""
    header = frame.header
    try:
        events = decode(decompress(frame.frame, header.raw_length))
    except (Invalid, msgspec.DecodeError) as problem:
        raise damaged_block(frame, str(problem)) from problem
    if (
        len(events) != header.count
        or events[0].position != header.first_position
        or events[-1].position != header.last_position
    ):
        raise damaged_block(frame, "the lines are not the events the block's header counts")
    return events


def raw_lines(frame: Frame) -> bytes:
    """Return the lines of a block. Raises Damaged when they cannot be decompressed."""
    try:
        return decompress(frame.frame, frame.header.raw_length)
    except Invalid as problem:
        raise damaged_block(frame, str(problem)) from problem


def damaged_block(frame: Frame, problem: str) -> Damaged:
    """Return the error for one block whose content does not read."""
    header = frame.header
    return _error(frame.path, header.offset, header.first_position, header.last_position, problem)


def _unreadable(path: str, position: int, error: OSError) -> AgentlogError:
    """Return the error for a file that the system does not let us read."""
    if error.errno == errno.EIO:
        return _error(path, 0, position, position, f"the disk does not read it: {error}")
    hint = "let this process read it, then try again"
    return MirrorUnavailable(f"{path} cannot be read: {error}", hint=hint)


def missing(path: str, base: int, promised: int) -> Damaged:
    """Return the error for a segment file that is not there."""
    return _error(path, 0, base, promised, "the file is missing")


def _stored_table(window: Window, header: FileHeader, length: int) -> BlockTable | None:
    """Return the block table from the index of a sealed segment; None when there is none to trust."""
    try:
        seal = decode_seal(window.read(max(0, length - SEAL_BYTES), SEAL_BYTES))
        index = decode_index_header(window.read(seal.index_offset, INDEX_HEADER_BYTES))
        if {seal.salt, index.salt} != {header.segment_id} or index.offset != seal.index_offset:
            return None
        return decode_index(index, index_body(window, index)).table()
    except Invalid:
        return None  # the segment is still open, or it is walked from its start instead


def _damaged(
    path: str, window: Window, salt: bytes, place: Place, promised: int, problem: Invalid
) -> Damaged:
    """Return the error for an invalid block, with the last position it takes away if that can be told."""
    last = promised
    try:
        last = decode_block_header(window.read(place.offset, BLOCK_HEADER_BYTES)).last_position
    except Invalid:
        for frame in later_frames(window, salt, place.offset):
            if frame.first_position > place.position:
                last = frame.first_position - 1
                break
    return _error(path, place.offset, place.position, max(last, place.position), str(problem))


def _error(path: str, offset: int, first: int, last: int, problem: str) -> Damaged:
    return Damaged(
        f"{path} is damaged at offset {offset}, positions {first} to {last} cannot be read: {problem}",
        hint="repair the segments from Postgres",
        first_position=first,
        last_position=last,
        where=path,
    )
