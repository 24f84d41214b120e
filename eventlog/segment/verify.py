"""Check every byte of a directory of segments, and say exactly what is wrong. Changes nothing.

Works on a directory that cannot be opened as well: it needs no store, goes on behind damage, and
yields findings instead of raising. It knows nothing of Postgres: comparing the copies is for `replay`.
"""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Callable, Iterator
from typing import NamedTuple

from eventlog.envelope import CHAIN_START
from eventlog.errors import AgentlogError, Damaged
from eventlog.io import Io
from eventlog.segment.contents import ContentChecker
from eventlog.segment.directory import SegmentDirectory
from eventlog.segment.format import INDEX_MAGIC, BlockHeader, FileHeader, Invalid, Seal, magic_at
from eventlog.segment.frames import decompress
from eventlog.segment.index import IndexBuilder, contents_of, decode_index
from eventlog.segment.opening import SegmentInfo, check_predecessor, open_checked
from eventlog.segment.scanner import (
    Place,
    Window,
    block_ended,
    block_frame,
    block_header,
    check_end,
    first_place,
    index_and_seal,
    index_body,
    later_frames,
    place_after,
)


class Finding(NamedTuple):
    """One thing that is wrong. `last_position` is None when it cannot be told how far it reaches."""

    first_position: int
    last_position: int | None
    where: str
    offset: int
    problem: str


class _End(NamedTuple):
    """Where the segments read so far end: what the next one must continue."""

    info: SegmentInfo | None
    position: int
    chain: bytes


def verify_segments(
    io: Io,
    directory: SegmentDirectory,
    log_id: uuid.UUID,
    *,
    promised: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Finding]:
    """Yield everything that is wrong with a directory of segments, in order.

    Args:
        promised: the head, when a store is open: invalid bytes behind it may be a block, an index
            or a seal that is being written. None: every invalid byte is a finding.
        progress: called with the last position of each block that was read.
    """
    checker = ContentChecker()
    end: _End | None = _End(None, 1, CHAIN_START)
    last_seen = 0
    bases = directory.bases()
    for at, base in enumerate(bases):
        following = bases[at + 1] if at + 1 < len(bases) else None
        segment = _Segment(io, directory.segment_path(base), log_id, base, following, checker)
        if end is not None and base != end.position:
            first, last = min(end.position, base), max(end.position, base) - 1
            yield Finding(first, last, directory.path, 0, "no segment has these positions, or two have")
            end = None
        yield from segment.findings(end, sys.maxsize if promised is None else promised, progress)
        end = segment.end
        last_seen = max(last_seen, segment.last_position)
    yield from _mark_findings(directory, log_id, last_seen, is_open=promised is not None)


class _Segment:
    """The walk through one file. `end` is set when it was whole."""

    def __init__(
        self,
        io: Io,
        path: str,
        log_id: uuid.UUID,
        base: int,
        following: int | None,
        checker: ContentChecker,
    ) -> None:
        self.end: _End | None = None
        self.last_position = base - 1
        self._io, self._path, self._log_id, self._base = io, path, log_id, base
        self._following = following
        self._checker = checker
        self._index = IndexBuilder()
        self._whole = True

    def findings(
        self, before: _End | None, promised: int, progress: Callable[[int], None] | None
    ) -> Iterator[Finding]:
        last = self._following - 1 if self._following else None
        try:
            fd, header = open_checked(self._io, self._path, self._log_id, self._base, os.O_RDONLY)
        except (AgentlogError, OSError) as error:
            self._checker.lost()
            yield Finding(self._base, last, self._path, 0, str(error))
            return
        try:
            if before is None:
                self._checker.lost()
            elif before.info is not None:
                yield from self._predecessor(header, before.info, before.chain)
            elif header.previous_base:
                yield self._finding(self._base, last, 0, "it names a segment before it, which is missing")
            yield from self._walk(Window(self._io, fd), header, promised, progress)
        except OSError as error:  # a sector that does not read any more, say
            self._checker.lost()
            self.end = None
            yield self._finding(self.last_position + 1, last, 0, f"it cannot be read: {error}")
        finally:
            self._io.close(fd)

    def _predecessor(self, header: FileHeader, info: SegmentInfo, chain: bytes) -> Iterator[Finding]:
        try:
            check_predecessor(self._path, header, info, chain)
        except Damaged as error:
            yield self._finding(self._base, self._base, 0, str(error))

    def _walk(
        self, window: Window, header: FileHeader, promised: int, progress: Callable[[int], None] | None
    ) -> Iterator[Finding]:
        salt, place = header.segment_id, first_place(header)
        while True:
            head = window.read(place.offset, 8)
            if magic_at(head) == INDEX_MAGIC:
                yield from self._closing(window, header, place, promised)
                return
            block: BlockHeader | None = None
            try:
                if not head:
                    break
                block = block_header(window, salt, place)
                lines = decompress(block_frame(window, block), block.raw_length)
            except Invalid as problem:
                try:
                    check_end(window, place.offset)
                    break  # a filler, not a block
                except Invalid:
                    pass
                resumed = _resume(window, salt, place, block)
                if resumed is None and place.position > promised and self._following is None:
                    break
                yield self._lost(place, block, resumed, str(problem))
                if resumed is None:
                    return
                place = resumed
                continue
            problems = self._checker.check(block, lines)
            for text in problems:
                self._whole = False
                yield self._finding(block.first_position, block.last_position, block.offset, text)
            if not problems:
                self._index.add(block, contents_of(lines))
            place = place_after(block)
            self.last_position = block.last_position
            if progress is not None:
                progress(block.last_position)
        if self._following is not None:
            text = "it has no seal, and a newer segment exists"
            yield self._finding(place.position, self._following - 1, place.offset, text)

    def _lost(self, place: Place, block: BlockHeader | None, resumed: Place | None, problem: str) -> Finding:
        """Note that events could not be read, and say which."""
        self._whole = False
        self._checker.lost()
        last = resumed.position - 1 if resumed else self._following - 1 if self._following else None
        if block is not None:
            last = block.last_position
        if last is not None:
            self.last_position = max(self.last_position, last)
        return self._finding(place.position, last, place.offset, problem)

    def _closing(self, window: Window, header: FileHeader, place: Place, promised: int) -> Iterator[Finding]:
        """Check index and seal, and that they say what the blocks say."""
        last = place.position - 1
        try:
            index_header, seal = index_and_seal(window, header.segment_id, place)
            check_end(window, seal.end)
            index = decode_index(index_header, index_body(window, index_header))
        except Invalid as problem:
            # At the end of an open store's last file they may be in the middle of being written.
            if place.position <= promised or self._following is not None:
                yield self._finding(place.position, last, place.offset, str(problem))
            return
        info = SegmentInfo(self._path, self._base, seal.last_position, seal.end, True)
        assert place.chain is not None
        self.end = _End(info, seal.last_position + 1, place.chain)
        if not self._whole:
            return
        built = self._index.build()
        if index.blocks != built.blocks:
            yield self._finding(self._base, last, place.offset, "the index lists other blocks")
        if index.streams is not None and sorted(index.streams) != sorted(built.streams or []):
            yield self._finding(self._base, last, place.offset, "the index lists other streams")
        first = first_place(header)
        expected = (self._base, last - self._base + 1, len(built.blocks), first.chain)
        times = (built.blocks[0].first_time_us, built.blocks[-1].last_time_us)
        if (seal.first_position, seal.count, seal.blocks, seal.chain_before) != expected or times != (
            seal.first_time_us,
            seal.last_time_us,
        ):
            yield self._finding(self._base, last, seal.offset, "the seal does not say what the segment holds")

    def _finding(self, first: int, last: int | None, offset: int, problem: str) -> Finding:
        return Finding(first, last, self._path, offset, problem)


def _resume(window: Window, salt: bytes, place: Place, block: BlockHeader | None) -> Place | None:
    """Return where to go on behind an invalid block, None when nothing valid follows."""
    if block is not None and block_ended(window, block):
        # Its header is whole, so it says where its frame ends. Whether a block or the index
        # follows there is for the walk to find out.
        return place_after(block)
    for frame in later_frames(window, salt, place.offset):
        if isinstance(frame, Seal):
            if frame.index_offset > place.offset:
                return Place(frame.index_offset, frame.last_position + 1, None, frame.chain_after)
        elif frame.first_position > place.position:
            return Place(frame.offset, frame.first_position, None, None)
    return None


def _mark_findings(
    directory: SegmentDirectory, log_id: uuid.UUID, last_seen: int, *, is_open: bool
) -> Iterator[Finding]:
    path = os.path.join(directory.path, "HEAD")
    try:
        mark = directory.read_mark(log_id)
        # Of an open store one slot may be in the middle of being written.
        spoilt = [] if is_open else directory.spoilt_slots()
    except (Damaged, OSError) as error:
        yield Finding(1, None, path, 0, str(error))
        return
    for slot in spoilt:  # no event is lost, only a witness; opening the log writes it again
        yield Finding(last_seen + 1, last_seen, path, slot, "a slot of the durable mark does not read")
    if mark is not None and mark.position > last_seen:
        problem = f"the durable mark says {mark.position}, the segments end at {last_seen}"
        yield Finding(last_seen + 1, mark.position, directory.path, 0, problem)
