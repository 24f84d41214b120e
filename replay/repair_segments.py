"""Put right in the segments what Postgres has: mend a block in its place, or write the end anew.

A block whose frame was damaged is compressed again from the rows of Postgres. When the result has
the CRC that its header remembers, the file is what it was, byte for byte. Where that cannot be
done (headers, indexes, whole files are damaged, or another zstd wrote them), the segments are
written anew from the first damaged file on: their lines are the same bytes, their frames may not be.
What is replaced is kept in quarantine/.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from eventlog.io import sync_directory, write_all
from eventlog.segment.directory import SegmentDirectory
from eventlog.segment.format import BLOCK_HEADER_BYTES, BlockHeader, Invalid, crc32c
from eventlog.segment.frames import compress
from eventlog.segment.opening import open_checked
from eventlog.segment.scanner import Place, Window, block_header
from eventlog.segment.verify import Finding as SegmentFinding
from replay.examine import Examination, verify_site
from replay.quarantine import keep_file, put_away
from replay.report import Progress, no_progress
from replay.restore import copy_missing, forget_witness
from replay.site import Site

_COPY_BYTES = 1024 * 1024
ZSTD_LEVELS = range(1, 20)


class SegmentRepair:
    """One repair.

    Attributes:
        blocks: positions (first, last) of blocks mended in their place.
        rewritten_from: where writing anew began, or None.
        kept: files in quarantine/.
    """

    def __init__(self, examination: Examination) -> None:
        self.blocks: list[tuple[int, int]] = []
        self.rewritten_from: int | None = None
        self.kept: list[str] = []
        self._site = examination.site
        self._findings = examination.segment_findings
        self._wrong = examination.copies.wrong_lines
        self._until = examination.copies.position

    async def run(self, tell: Progress) -> None:
        """Repair. Postgres is right by now: whatever the segments lack or have wrong is there.

        An interruption loses nothing: repair again, and it goes on with what is wrong still.
        """
        findings = self._findings
        if await self._mend_all(findings):
            findings, _ = await asyncio.to_thread(verify_site, self._site, no_progress)
        begin = self._first_bad_position(findings)
        if begin is not None:
            self.rewritten_from = begin
            await forget_witness(self._site.directory, self._site.reads, begin - 1)
        if begin is not None or any(finding.where.endswith("/HEAD") for finding in findings):
            await asyncio.to_thread(self._set_aside, begin)
        site = self._site
        await copy_missing(site.directory, site.reads, site.settings, site.io, self._until, tell)

    def _first_bad_position(self, findings: Sequence[SegmentFinding]) -> int | None:
        """Return where writing anew must begin: with the first file that is wrong or missing."""
        files = self._site.segments
        bases = files.bases() if self._site.io.exists(files.path) else []
        paths = {finding.where for finding in findings}
        bad = [base for base in bases if files.segment_path(base) in paths]
        bad += [finding.first_position for finding in findings if finding.where == files.path]
        # Lines that are wrong in a file the segments' own verify finds nothing wrong with.
        known = [(one.first_position, one.last_position) for one in self._findings]
        other = min((position for position in self._wrong if not _within(position, known)), default=None)
        if other is not None:
            bad.append(max((base for base in bases if base <= other), default=other))
        return min(bad, default=None)

    async def _mend_all(self, findings: Sequence[SegmentFinding]) -> bool:
        """Mend what can be mended in its place; return whether something was."""
        by_file: dict[str, list[tuple[int, bytes]]] = {}
        for finding in findings:
            header = await asyncio.to_thread(self._header_of, finding)
            if header is None:
                continue
            lines = await self._lines(header.first_position, header.last_position)
            frame = await asyncio.to_thread(_frame, header, lines, self._site.settings.zstd_level)
            if frame is not None:
                by_file.setdefault(finding.where, []).append((header.offset + BLOCK_HEADER_BYTES, frame))
                self.blocks.append((header.first_position, header.last_position))
        for path, patches in by_file.items():
            self.kept.append(await asyncio.to_thread(_patch, self._site, path, patches))
        return bool(by_file)

    def _header_of(self, finding: SegmentFinding) -> BlockHeader | None:
        """Return the header of the block a finding is about, if that is whole and it is one block."""
        site, path = self._site, finding.where
        assert site.log_id is not None
        if finding.last_position is None or not path.endswith(".ndjson.zst") or not site.io.exists(path):
            return None
        base = int(os.path.basename(path)[:20])
        try:
            fd, file = open_checked(site.io, path, site.log_id, base, os.O_RDONLY)
        except Exception:  # whatever it is, this file is none to mend: it is written anew
            return None
        try:
            where = Place(finding.offset, finding.first_position, None, None)
            header = block_header(Window(site.io, fd), file.segment_id, where)
        except Invalid:
            return None
        finally:
            site.io.close(fd)
        return header if header.last_position == finding.last_position else None

    async def _lines(self, first: int, last: int) -> bytes:
        """Return the lines of some positions from Postgres."""
        lines: list[bytes] = []
        while len(lines) < last - first + 1:
            page = await self._site.reads.page(first + len(lines) - 1, last)
            if not page:
                break
            lines += [stored.line for stored in page]
        return b"".join(lines)

    def _set_aside(self, begin: int | None) -> None:
        """Move the durable mark, and segments from a position on, to quarantine/: the newest first, so
        that a crash leaves a beginning of the log without a hole."""
        site, files = self._site, self._site.segments
        if not site.io.exists(files.path):
            return
        mark = os.path.join(files.path, "HEAD")
        with _lock(files):
            bases = [] if begin is None else [base for base in reversed(files.bases()) if base >= begin]
            paths = map(files.segment_path, bases)
            for path in [*([mark] if site.io.exists(mark) else []), *paths]:
                self.kept.append(put_away(site, path))


def _within(position: int, ranges: Sequence[tuple[int, int | None]]) -> bool:
    return any(first <= position and (last is None or position <= last) for first, last in ranges)


@contextmanager
def _lock(files: SegmentDirectory) -> Iterator[None]:
    """Hold the right to write in the directory."""
    files.make()
    try:
        with files.locked():
            yield
    finally:
        files.close()


def _frame(header: BlockHeader, lines: bytes, level: int) -> bytes | None:
    """Return the frame a header remembers, compressed again from its lines; None if it cannot be had."""
    if len(lines) != header.raw_length:
        return None
    for attempt in (level, *ZSTD_LEVELS):
        frame = compress(lines, attempt)
        if len(frame) == header.stored_length and crc32c(frame) == header.frame_crc:
            return frame
    return None


def _patch(site: Site, path: str, patches: Sequence[tuple[int, bytes]]) -> str:
    """Replace bytes of a file by way of a copy; return where the damaged one is kept."""
    with _lock(site.segments):
        return _patch_locked(site, path, patches)


def _patch_locked(site: Site, path: str, patches: Sequence[tuple[int, bytes]]) -> str:
    io, temporary = site.io, f"{path}.new"
    source = io.open(path, os.O_RDONLY)
    target = io.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    try:
        offset = 0
        while data := io.pread(source, _COPY_BYTES, offset):
            write_all(io, target, data, offset)
            offset += len(data)
        for at, data in patches:
            write_all(io, target, data, at)
        io.fsync(target)
    finally:
        io.close(source)
        io.close(target)
    kept = keep_file(site, path)
    io.rename(temporary, path)
    sync_directory(io, site.segments.path)
    return kept
