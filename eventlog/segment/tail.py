"""The end of a directory of segments, which several processes share: where it is, how it grows.

Follows what others append, rolls from one segment to the next, takes back what did not fit, and
refuses everything after a failed sync. Checks of arguments, reading and the public face are in `store`.
"""

from __future__ import annotations

import errno
import os
import threading
import uuid
from collections.abc import Sequence
from typing import NamedTuple

from eventlog.clock import Clock
from eventlog.envelope import CHAIN_START
from eventlog.errors import MirrorUnavailable
from eventlog.io import Io, close_quietly, sync_directory
from eventlog.segment.appender import Block, OpenSegment, make_segment
from eventlog.segment.directory import SegmentDirectory
from eventlog.segment.format import FileHeader
from eventlog.segment.opening import SegmentInfo, check_predecessor, open_checked, open_directory
from eventlog.segment.recovery import Cut, Findings, Verdict, Witness, cut_tail, damaged, examine, judge
from eventlog.segment.scanner import BlockTable, Place, Scan, Window, first_place, scan
from eventlog.settings import Settings

_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_START = Place(0, 1, None, CHAIN_START)


class Durable(NamedTuple):
    """The last position known to be on disk, and the chain after it."""

    position: int
    chain: bytes


class Tail:
    """The newest segment and what came before it. Methods that write need the directory's lock.

    Attributes:
        head: where the next block belongs. Replaced as a whole once an append is complete, so that
            other threads see all of an append or nothing.
        durable: what is known to be on disk; never beyond the head.
        refused: why nothing may be written any more; "" while all is well.
        cuts: torn tails that were cut.
    """

    def __init__(
        self,
        io: Io,
        files: SegmentDirectory,
        *,
        log_id: uuid.UUID,
        clock: Clock,
        settings: Settings,
        epoch: int,
    ) -> None:
        self.head: Place = _START
        self.durable = Durable(0, CHAIN_START)
        self.refused = ""
        self.cuts: tuple[Cut, ...] = ()
        self._io, self._files, self._clock, self._settings = io, files, clock, settings
        self._log_id, self._epoch = log_id, epoch
        self._older: list[SegmentInfo] = []
        self._segment: OpenSegment | None = None
        # Held while a file is synced or closed. Lock order: the directory's lock, then this one.
        self._syncing = threading.Lock()

    def recover(self, witnesses: tuple[Witness, ...]) -> None:
        """Check the directory and open its newest segment; see `opening.open_directory`."""
        opened = open_directory(self._io, self._files, self._log_id, witnesses)
        self._older, self._segment, self.cuts = opened.older, opened.newest, opened.cuts
        if opened.newest is not None:
            self.head = opened.newest.place
            self._know_durable(opened.newest, opened.newest.place)

    def write(self, blocks: Sequence[Block], frames: Sequence[bytes]) -> None:
        """Write blocks that continue the head, all of them or none; see `SegmentStore.append`."""
        segment = self._segment_for_append()
        before, count = segment.place, len(segment.table)
        try:
            for block, frame in zip(blocks, frames, strict=True):
                segment.write_block(block, frame, self._epoch)
        except BaseException as error:
            self._take_back(segment, before, count, error)
            raise
        self.head = segment.place

    def sync(self) -> int:
        """Make everything up to the head durable; return the durable position. Needs no lock."""
        with self._syncing:
            # Read before the sync: what is written meanwhile is not covered by it. The descriptor
            # stays open, because following into another segment waits for this lock.
            place, segment = self.head, self._segment
            if segment is not None and place.position - 1 > self.durable.position:
                self._sync_file(segment)
                # A segment begun since holds nothing below `place`; the one before it was synced.
                if place.position > segment.header.base_position:
                    self._know_durable(segment, place)
            return self.durable.position

    def catch_up(self, *, cut: bool) -> None:
        """Take in blocks, seals and segments that other processes wrote.

        Args:
            cut: clear the way for an append: cut what a killed process left behind the last block.
        """
        while self._take_blocks(cut=cut) and self._open_following():
            pass
        if self._segment is not None:
            self.head = self._segment.place

    def segments(self) -> list[SegmentInfo]:
        """Return what is known of every segment, oldest first."""
        older, segment = list(self._older), self._segment
        if segment is None:
            return older
        base, position = segment.header.base_position, segment.place.position
        last = position - 1 if position > base else None
        return [*older, SegmentInfo(segment.path, base, last, segment.length_bytes, segment.seal is not None)]

    def bases(self) -> list[int]:
        """Return the first position of every segment, ascending."""
        return [info.first_position for info in self.segments()]

    def table(self, base: int) -> BlockTable | None:
        """Return the blocks of the newest segment, None for any other."""
        segment = self._segment
        return segment.table if segment is not None and segment.header.base_position == base else None

    def close(self) -> None:
        with self._syncing:
            if self._segment is not None:
                close_quietly(self._io, self._segment.fd)
                self._segment = None

    def unavailable(self) -> MirrorUnavailable:
        """Return the error for everything after `refused` was set."""
        return MirrorUnavailable(self.refused, hint="open the store again; it reads what the disk has")

    def _refuse(self, what: str, error: BaseException) -> MirrorUnavailable:
        """Let nothing more be written: what the files hold is no longer known."""
        self.refused = f"{self._files.path} takes no more events: {what} failed: {error}"
        return self.unavailable()

    def _take_back(self, segment: OpenSegment, before: Place, count: int, error: BaseException) -> None:
        """Cut back to the end before a failed write; refuse the next one unless all is as before."""
        try:
            segment.cut_back(before, count)
        except OSError as failure:
            self._refuse("taking back a partly written block", failure)
            return
        if isinstance(error, OSError) and error.errno not in _NO_SPACE:
            raise self._refuse("a write", error) from error

    def _segment_for_append(self) -> OpenSegment:
        """Return the segment the next block belongs to: the open one, or a new one."""
        segment, now_us = self._segment, self._clock.now_us()
        if segment is not None and segment.seal is None:
            age_s = (now_us - segment.header.created_us) / 1e6
            full = segment.place.offset >= self._settings.segment_bytes_max
            if not len(segment.table) or not (full or age_s >= self._settings.segment_age_max_s):
                return segment
            self._seal(segment)
        try:
            made = make_segment(
                self._io,
                self._files,
                log_id=self._log_id,
                previous=segment,
                created_us=now_us,
                epoch=self._epoch,
            )
        except OSError as error:
            if error.errno in _NO_SPACE:
                raise
            raise self._refuse("making a segment", error) from error
        self._follow(made)
        return made

    def _seal(self, segment: OpenSegment) -> None:
        """Sync and close a segment. No space for the index leaves it open and as it was."""
        with self._syncing:
            try:
                segment.write_seal(lambda: self._sync_file(segment))
                self._know_durable(segment, segment.place)
            except OSError as error:
                self._take_back(segment, segment.place, len(segment.table), error)
                raise

    def _sync_file(self, segment: OpenSegment) -> None:
        """Sync, once. After a failure the page cache may show what is not on disk: never again."""
        if self.refused:
            raise self.unavailable()
        try:
            self._io.fdatasync(segment.fd)
        except OSError as error:
            raise self._refuse("a sync", error) from error

    def _know_durable(self, segment: OpenSegment, place: Place) -> None:
        """Note that everything of `segment` below `place`, and all before it, is on disk."""
        assert place.chain is not None
        segment.durable_offset = max(segment.durable_offset, place.offset)
        if place.position - 1 >= self.durable.position:
            self.durable = Durable(place.position - 1, place.chain)

    def _follow(self, segment: OpenSegment) -> None:
        """Go on in the segment after the current one, which is sealed."""
        previous = self._segment
        with self._syncing:  # a sync in another thread may be using the descriptor
            if previous is not None:
                assert previous.seal is not None
                # Whoever sealed it synced it before.
                self._know_durable(previous, previous.place)
                self._older.append(self.segments()[-1])
                close_quietly(self._io, previous.fd)
            self._segment = segment

    def _take_blocks(self, *, cut: bool) -> bool:
        """Walk the headers others appended to the newest segment; return whether it is sealed."""
        segment = self._segment
        if segment is None or segment.seal is not None:
            return True
        if not self._files.is_at(segment.fd, segment.path):
            what = OSError(errno.ESTALE, "the file was moved, deleted or replaced", segment.path)
            raise self._refuse("finding the newest segment", what)
        length = self._io.size(segment.fd)
        if length < segment.place.offset:
            findings = Findings(length, segment.first_position_beyond(length) - 1, "")
            known = f"this process has seen it up to offset {segment.place.offset}"
            raise damaged(segment.path, findings, Verdict(False, known, segment.place.position - 1))
        found = segment.walk()
        if found is None:
            return False
        segment.take(found)
        if cut and segment.seal is None:
            self._clear_tail(segment, found)
        return segment.seal is not None

    def _clear_tail(self, segment: OpenSegment, found: Scan) -> None:
        """Cut a filler, or what a killed process left behind the last block; refuse if that is damage."""
        if not found.problem:
            if self._io.size(segment.fd) > segment.place.offset:
                self._io.ftruncate(segment.fd, segment.place.offset)
            return
        known = (Witness("this process", self.durable.position),)
        window = Window(self._io, segment.fd)
        findings = examine(window, segment.header, found, newer_segment=False, witnesses=known)
        verdict = judge(findings)
        if verdict.damage:
            raise damaged(segment.path, findings, verdict)
        made = cut_tail(self._io, self._files, segment.fd, segment.path, findings)
        self.cuts = (*self.cuts, made)

    def _open_following(self) -> bool:
        """Go on in the next segment when another process made one; return whether it did."""
        previous = self._segment
        base = previous.place.position if previous is not None else 1
        path = self._files.segment_path(base)
        if not self._io.exists(path):
            return False
        # Its maker may have been killed before it synced the name.
        sync_directory(self._io, self._files.path)
        fd, header = open_checked(self._io, path, self._log_id, base, os.O_RDWR)
        if previous is not None:
            assert previous.seal is not None
            check_predecessor(path, header, self.segments()[-1], previous.seal.chain_after)
        found = self._as_on_disk(fd, header)
        segment = OpenSegment(self._io, fd, path, header, found)
        self._follow(segment)
        if found.problem:  # as when a directory is opened: later walks read headers alone
            self._clear_tail(segment, found)
        return True

    def _as_on_disk(self, fd: int, header: FileHeader) -> Scan:
        """Return what the disk has of a segment that another process made.

        A sync of its maker may have failed before it was opened here: then this descriptor is told
        nothing, and the page cache shows blocks that are not on disk. Later failures it is told of.
        """
        try:
            self._io.fdatasync(fd)
        except OSError as error:
            self._io.close(fd)
            raise self._refuse("a sync", error) from error
        self._io.drop_cache(fd)
        return scan(Window(self._io, fd), header, first_place(header), frames=True)
