"""Read this host's copy of the log by itself: while Postgres is away, or where there is none to ask.

Looks at the segment files alone, beside whoever writes them. Changes nothing, takes no lock, cuts no
torn tail. How old what it says is, it says itself: `as_of`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

from eventlog.command import Head
from eventlog.directory import NAME, DataDirectory
from eventlog.envelope import CHAIN_START, Event, StreamId, decode_lines
from eventlog.errors import BadInput
from eventlog.io import Io, SystemIo
from eventlog.segment.directory import SegmentDirectory
from eventlog.segment.reader import Decode, SegmentReader, decode_frame

BEGINNING = "1970-01-01T00:00:00.000000Z"  # when nothing was appended yet


class LocalCopy:
    """The segments of one data directory, read only.

    Attributes:
        directory: the data directory.
    """

    def __init__(self, directory: DataDirectory, io: Io) -> None:
        self.directory = directory
        log_id = directory.log_id
        if log_id is None:
            raise BadInput(
                f"{directory.path} never belonged to a log", hint="open it with Postgres once, to make one"
            )
        files = SegmentDirectory(str(directory.segments), io)
        mark = files.read_mark(log_id) if io.exists(files.path) else None
        promised = 0 if mark is None else mark.position
        self._bases = files.bases if io.exists(files.path) else list
        self._reader = SegmentReader(
            io, files, log_id, bases=self._bases, table=lambda base: None, promised=lambda: promised
        )

    @classmethod
    def open(cls, data: Path, io: Io | None = None) -> LocalCopy:
        """Open the copy of a data directory, whoever else has it open.

        Raises:
            BadInput: there is no data directory, or it never belonged to a log.
            Damaged, FormatTooNew: its agentlog.json or its durable mark does not read.
        """
        if not (data / NAME).exists():
            raise BadInput(
                f"{data} is no data directory: it has no {NAME}", hint="give the one the log was opened with"
            )
        io = io or SystemIo()
        return cls(DataDirectory(data, io), io)

    async def as_of(self) -> Head:
        """The last event this copy holds: its position, when the log accepted it, the chain after it.

        What other hosts appended since, or this one while its disk was full, is missing here.
        """
        return await asyncio.to_thread(self._end)

    async def read(self, after: int = 0, until: int | None = None) -> AsyncIterator[Sequence[Event]]:
        """Yield events with after < position <= until, in order, in blocks, as far as this copy goes."""
        blocks = self.blocks(after, until)
        while (block := await asyncio.to_thread(next, blocks, None)) is not None:
            yield block

    async def read_stream(self, stream: StreamId, after: int = 0, limit: int | None = None) -> list[Event]:
        """Events of one stream with version > after, oldest first, at most `limit`.

        Reads the whole copy: the segments are in the order of the log, not by stream.
        """
        found: list[Event] = []
        async for block in self.read():
            found += [event for event in block if event.stream_id == stream and event.version > after]
            if limit is not None and len(found) >= limit:
                return found[:limit]
        return found

    def blocks(
        self, after: int, until: int | None, decode: Decode = decode_lines
    ) -> Iterator[Sequence[Event]]:
        """As `read`, for threads of one's own. `decode`: see `SegmentReader.events`."""
        return self._reader.events(after, sys.maxsize if until is None else until, decode)

    def end_position(self) -> int:
        """As `as_of`, for threads of one's own."""
        return self._end().position

    def _end(self) -> Head:
        for base in reversed(self._bases()):
            last = None
            for frame in self._reader.frames(base - 1, sys.maxsize):
                last = frame
            if last is not None:
                event = decode_frame(last)[-1]
                return Head(event.position, event.time, last.header.chain_after)
        return Head(0, BEGINNING, CHAIN_START)
