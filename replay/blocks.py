"""Blocks of the local segments that can be read, whatever is damaged between them. Changes nothing.

What is wrong with the others is for eventlog/segment/verify.py to say; this gives what is whole by
its own CRCs: good to compare with, to fold, and to repair from.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from eventlog.envelope import chain_hash, decode_lines, time_to_us, unplaced
from eventlog.errors import AgentlogError
from eventlog.io import Io
from eventlog.segment.directory import SegmentDirectory
from eventlog.segment.format import INDEX_MAGIC, BlockHeader, Invalid, Seal, magic_at
from eventlog.segment.frames import decompress
from eventlog.segment.opening import open_checked
from eventlog.segment.scanner import (
    Place,
    Window,
    block_ended,
    block_frame,
    block_header,
    first_place,
    later_frames,
    place_after,
)


class ReadBlock(NamedTuple):
    """One block whose CRCs are right: where it is, its header, its lines, each with its LF."""

    path: str
    header: BlockHeader
    lines: Sequence[bytes]

    def proves_itself(self) -> bool:
        """Return whether the events lead from the chain value before the block to the one after it."""
        chain = self.header.chain_before
        try:
            for event in decode_lines(b"".join(self.lines)):
                hash = unplaced(event).hash
                chain = chain_hash(chain, event.position, event.version, time_to_us(event.time), hash)
        except ValueError:  # not an event, or no time: msgspec's and datetime's errors are ValueErrors
            return False
        return chain == self.header.chain_after


def readable_blocks(
    io: Io, directory: SegmentDirectory, log_id: uuid.UUID, until: int
) -> Iterator[ReadBlock]:
    """Yield the readable blocks that begin at or before `until`, in order of their place in the files."""
    position = 0
    for base in directory.bases():
        if base > until:
            return
        path = directory.segment_path(base)
        try:
            fd, header = open_checked(io, path, log_id, base, os.O_RDONLY)
        except (AgentlogError, OSError):
            continue  # named by the segments' own verify; the other copy has these events
        try:
            for block in _walk(Window(io, fd), path, header.segment_id, first_place(header)):
                # Two files may claim the same positions; the first one read counts.
                if block.header.first_position <= position:
                    continue
                if block.header.first_position > until:
                    return
                position = block.header.last_position
                yield block
        except OSError:
            continue  # likewise
        finally:
            io.close(fd)


def _walk(window: Window, path: str, salt: bytes, place: Place) -> Iterator[ReadBlock]:
    while len(window.read(place.offset, 8)) == 8 and magic_at(window.read(place.offset, 8)) != INDEX_MAGIC:
        header: BlockHeader | None = None
        try:
            header = block_header(window, salt, place)
            lines = decompress(block_frame(window, header), header.raw_length).splitlines(keepends=True)
        except Invalid:
            following = _next_place(window, salt, place, header)
            if following is None:
                return
            place = following
            continue
        # bytes.splitlines parts at CR and LF alone, and JSON escapes both inside of strings.
        if len(lines) == header.count:
            yield ReadBlock(path, header, lines)
        place = place_after(header)


def _next_place(window: Window, salt: bytes, place: Place, header: BlockHeader | None) -> Place | None:
    """Return where to go on behind a block that does not read, or None."""
    if header is not None and block_ended(window, header):
        return place_after(header)
    for frame in later_frames(window, salt, place.offset):
        if isinstance(frame, Seal):
            return None
        if frame.first_position > place.position:
            return Place(frame.offset, frame.first_position, None, None)
    return None
