"""What a rebuild has done so far, on disk: one that was killed goes on with the shares that are left.

    <data>/rebuild.json   which tables by which folds, in how many shares, since when, and what each share did

It is there only while a rebuild of several shares runs, or after one was killed. What was compared then is
believed for an hour; after that, or for other tables or folds, the rebuild begins anew.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress

import msgspec

from eventlog.io import Io, SystemIo, read_all, sync_directory, write_all
from eventlog.log import Log
from eventlog.projection import InlineProjection, signature
from replay.report import RebuildReport, merged
from replay.shares import Share

NAME = "rebuild.json"
BELIEVED_S = 3_600


class _File(msgspec.Struct):
    """The contents of rebuild.json.

    Attributes:
        log_id: of the log, so that a copied directory is not taken for its original.
        folds: tables and the versions of their folds.
        of: number of shares.
        began_us: when the first share was begun, in microseconds since 1970.
        reports: by share, what was done.
    """

    log_id: uuid.UUID | None
    folds: str
    of: int
    began_us: int
    reports: dict[int, RebuildReport] = {}


class Done:
    """The shares of one rebuild that are done. Kept on disk where there are several.

    Args:
        of: how many shares there are to be; one that was killed keeps its own number.
    """

    def __init__(
        self, log: Log, projections: Sequence[InlineProjection], of: int, io: Io | None = None
    ) -> None:
        self._io, self._path = io or SystemIo(), str(log.directory.path / NAME)
        folds, now_us = signature(projections), log.clock.now_us()
        found = self._read()
        if (
            found is None
            or (found.log_id, found.folds) != (log.directory.log_id, folds)
            or not 0 <= now_us - found.began_us < BELIEVED_S * 1_000_000
        ):
            found = _File(log.directory.log_id, folds, of, now_us)
        self._file = found
        self._writing = asyncio.Lock()

    @property
    def of(self) -> int:
        return self._file.of

    def left(self) -> Iterator[Share]:
        """Yield the shares that have yet to be done."""
        for number in range(self._file.of):
            if number not in self._file.reports:
                yield Share(number, self._file.of)

    async def note(self, share: Share, report: RebuildReport) -> None:
        """Remember what was done of a share."""
        self._file.reports[share.number] = report
        if share.of > 1:
            async with self._writing:  # shares that end at once would rename each other's file
                await asyncio.to_thread(self._write)

    async def finish(self) -> RebuildReport:
        """Forget it, and return what all the shares did."""
        with suppress(FileNotFoundError):  # another rebuild of the same tables was done before
            await asyncio.to_thread(self._io.unlink, self._path)
        reports = [report for _, report in sorted(self._file.reports.items())]
        return merged(reports, sum(report.seconds for report in reports))

    def _read(self) -> _File | None:
        try:
            return msgspec.json.decode(read_all(self._io, self._path), type=_File)
        except (OSError, ValueError, RecursionError):
            return None  # none is there, or it is no use: then all is done anew

    def _write(self) -> None:
        new = f"{self._path}.{os.getpid()}"  # another process may rebuild as well
        fd = self._io.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            write_all(self._io, fd, msgspec.json.encode(self._file), 0)
            self._io.fdatasync(fd)
        finally:
            self._io.close(fd)
        self._io.rename(new, self._path)
        sync_directory(self._io, os.path.dirname(self._path))
