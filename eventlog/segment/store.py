"""The local copy of the log: append blocks, sync, read, verify. One object per open directory.

Synchronous: the writer calls it from a thread. `append`, `sync` and reads may run in different
threads at the same time; several processes may share a directory. Nothing here decides what is
appended: Postgres committed it before.
"""

from __future__ import annotations

import logging
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence

from eventlog.clock import Clock
from eventlog.envelope import Event, decode_lines
from eventlog.errors import Closed, CopiesDisagree, MirrorUnavailable
from eventlog.forks import forks
from eventlog.io import Io
from eventlog.segment.appender import Block, check_block
from eventlog.segment.directory import SegmentDirectory
from eventlog.segment.format import BlockHeader, Mark
from eventlog.segment.frames import compress
from eventlog.segment.opening import SegmentInfo
from eventlog.segment.reader import Decode, SegmentReader, raw_lines
from eventlog.segment.recovery import Recovery, Witness
from eventlog.segment.tail import Tail
from eventlog.segment.verify import Finding, verify_segments
from eventlog.settings import Settings

__all__ = ["Block", "Finding", "NotContiguous", "Recovery", "SegmentInfo", "SegmentStore"]

_logger = logging.getLogger(__name__)


class NotContiguous(Exception):
    """The blocks do not begin where the segments end. Nothing was written. Internal to the log.

    Attributes:
        head_position: where the segments end; append what follows it.
    """

    def __init__(self, head_position: int) -> None:
        super().__init__(f"the segments end at position {head_position}")
        self.head_position = head_position


class SegmentStore:
    """The segments of one directory. Made by `open`.

    Attributes:
        directory: path of the segments.
    """

    def __init__(
        self, directory: str, *, log_id: uuid.UUID, io: Io, clock: Clock, settings: Settings, epoch: int
    ) -> None:
        self.directory = directory
        self._log_id, self._io, self._level = log_id, io, settings.zstd_level
        self._forks = forks()
        self._closed = False
        self._files = SegmentDirectory(directory, io)
        self._tail = tail = Tail(
            io, self._files, log_id=log_id, clock=clock, settings=settings, epoch=epoch
        )  # fmt: skip
        self._reader = SegmentReader(
            io, self._files, log_id,
            bases=tail.bases, table=tail.table, promised=lambda: tail.head.position - 1,
        )  # fmt: skip

    @classmethod
    def open(
        cls,
        directory: str,
        *,
        log_id: uuid.UUID,
        io: Io,
        clock: Clock,
        settings: Settings,
        durable_witness: int = 0,
        epoch: int = 0,
    ) -> SegmentStore:
        """Open a directory of segments, made when missing; cut a torn tail.

        Args:
            durable_witness: a position that Postgres remembers as synced here; 0 for none.
            epoch: of this writer; written into headers.
        Raises:
            Damaged: durable bytes do not read; nothing was changed.
            CopiesDisagree: the directory belongs to another log.
            FormatTooNew: a newer release wrote a segment.
            MirrorUnavailable: the file system refused.
        """
        store = cls(directory, log_id=log_id, io=io, clock=clock, settings=settings, epoch=epoch)
        try:
            store._files.make()
            with store._files.locked():
                store._tail.recover((Witness("Postgres", durable_witness),))
                store._mend_mark()
        except OSError as error:
            store._release()
            raise MirrorUnavailable(
                f"{directory} cannot be opened: {error}", hint="make it writable, then open the store again"
            ) from error
        except BaseException:
            store._release()
            raise
        return store

    @property
    def recovery(self) -> Recovery:
        """What was cut since opening, and where the copies are; false when nothing."""
        return Recovery(self._tail.cuts)

    @property
    def in_place(self) -> bool:
        """Whether the directory is the one that was opened: not moved, deleted or made anew."""
        return self._files.in_place

    @property
    def head_position(self) -> int:
        """The last position in the segments; 0 when there is none. Others may have appended since."""
        return self._tail.head.position - 1

    @property
    def head_chain(self) -> bytes:
        """The chain value after `head_position`."""
        chain = self._tail.head.chain
        assert chain is not None
        return chain

    @property
    def durable_position(self) -> int:
        """The last position known to be synced. Never beyond `head_position`."""
        return self._tail.durable.position

    def append(self, blocks: Sequence[Block], *, wait: bool = True) -> None:
        """Write blocks, each following the one before it; they are not durable before `sync`.

        Raises:
            BlockingIOError: others are writing, and the caller cannot `wait`; nothing was written.
            NotContiguous: the blocks do not begin at the head plus one; nothing was written.
            CopiesDisagree: they begin there, with another chain.
            OSError: no space (ENOSPC, EDQUOT, EFBIG); all of them were taken back, try again later.
            MirrorUnavailable: another failure, now or before; open the store again.
            Damaged: what another process left at the end does not read.
        """
        self._check_usable()
        if not blocks:
            return
        for block in blocks:
            check_block(block)
        frames = [compress(block.lines, self._level) for block in blocks]
        with self._files.locked(wait=wait):
            self._check_usable()
            self._tail.catch_up(cut=True)
            self._check_continues(blocks[0])
            self._tail.write(blocks, frames)

    def sync(self) -> int:
        """Make everything written durable; return the last durable position.

        Raises:
            MirrorUnavailable: this sync or an earlier one failed. It is never tried again: after a
                failed fsync the page cache may show data that is not on disk. Open the store again.
        """
        self._check_usable()
        return self._tail.sync()

    def refresh(self) -> int:
        """Take in what other processes appended; return the last position."""
        self._check_usable()
        with self._files.locked():
            self._tail.catch_up(cut=False)
        return self.head_position

    def read(
        self, after: int = 0, until: int | None = None, decode: Decode = decode_lines
    ) -> Iterator[Sequence[Event]]:
        """Yield the events in (after, until], one block at a time, as far as the files go.

        Args:
            decode: see `SegmentReader.events`.
        Raises:
            Damaged: a block up to the head does not read as written.
        """
        self._check_open()
        return self._reader.events(after, sys.maxsize if until is None else until, decode)

    def read_raw(self, after: int = 0, until: int | None = None) -> Iterator[tuple[BlockHeader, bytes]]:
        """Yield header and lines of each block that holds a position in (after, until], whole."""
        self._check_open()
        frames = self._reader.frames(after, sys.maxsize if until is None else until)
        return ((frame.header, raw_lines(frame)) for frame in frames)

    def verify(self, progress: Callable[[int], None] | None = None) -> Iterator[Finding]:
        """Read every byte and yield what is wrong; `progress` is told each position reached."""
        self._check_open()
        return verify_segments(
            self._io, self._files, self._log_id, promised=self.head_position, progress=progress
        )

    def segments(self) -> list[SegmentInfo]:
        """Return the segments, oldest first, as far as this process knows them."""
        self._check_open()
        return self._tail.segments()

    def write_mark(self) -> None:
        """Remember in HEAD what is durable, so that a lost tail is known as lost. For idle moments.

        Raises:
            OSError, MirrorUnavailable: the mark was not written; the events are none the less durable.
        """
        self._check_usable()
        durable = self._tail.durable
        if durable.position:
            with self._files.locked():
                self._files.write_mark(Mark(self._log_id, durable.position, durable.chain))

    def _mend_mark(self) -> None:
        """Write a slot of the durable mark anew that does not read: a crash leaves one, or damage does."""
        try:
            if self._files.spoilt_slots():
                _logger.warning("a slot of the durable mark in %s did not read; written anew", self.directory)
                durable = self._tail.durable
                self._files.write_mark(Mark(self._log_id, durable.position, durable.chain))
        except OSError as error:
            _logger.warning("the durable mark in %s was not written anew: %s", self.directory, error)

    def close(self) -> None:
        """Sync, write the durable mark, let go of the files. Closing twice is fine.

        A mark that cannot be written (a full disk, a lock that nobody lets go of) is logged, not
        raised: nothing depends on it but that a later loss of synced bytes is noticed.

        Raises:
            MirrorUnavailable: the last sync failed; the files are closed all the same.
        """
        if self._closed or self._forks != forks():
            return
        try:
            if not self._tail.refused:
                self.sync()
                self._write_last_mark()
        finally:
            self._release()

    def _write_last_mark(self) -> None:
        try:
            self.write_mark()
        except (OSError, MirrorUnavailable) as error:
            _logger.warning("the durable mark in %s was not written: %s", self.directory, error)

    def _check_open(self) -> None:
        if self._forks != forks():
            raise Closed("the process forked after the segments were opened", hint="open the store again")
        if self._closed:
            raise Closed(f"the segments in {self.directory} are closed", hint="open the store again")

    def _check_usable(self) -> None:
        self._check_open()
        if self._tail.refused:
            raise self._tail.unavailable()

    def _check_continues(self, block: Block) -> None:
        """Raise unless a block continues the head, in position and in chain."""
        if block.first_position != self.head_position + 1:
            raise NotContiguous(self.head_position)
        if block.chain_before != self.head_chain:
            raise CopiesDisagree(
                f"{self.directory} has chain {self.head_chain.hex()} after position {self.head_position}, "
                f"the events to append continue {block.chain_before.hex()}",
                hint="one of the copies was restored or altered: run verify",
                first_position=block.first_position,
                last_position=None,
                where=self.directory,
            )

    def _release(self) -> None:
        self._closed = True
        self._tail.close()
        self._files.close()
