"""Open a directory of segments: check the older ones, scan the newest, decide, cut a torn tail.

Everything happens under the lock, so a block that another process is just writing is never taken
for a torn one. Older segments are checked by name, header, predecessor and seal; `verify` reads
every byte.
"""

from __future__ import annotations

import itertools
import os
import uuid
from typing import NamedTuple

from eventlog.errors import CopiesDisagree, Damaged, FormatTooNew
from eventlog.io import Io, read_at, sync_directory
from eventlog.segment.appender import OpenSegment, open_segment
from eventlog.segment.directory import SegmentDirectory
from eventlog.segment.format import SEAL_BYTES, FileHeader, Invalid, Seal, TooNew, decode_seal
from eventlog.segment.recovery import Cut, Findings, Witness, cut_tail, damaged, examine, judge
from eventlog.segment.scanner import Window, first_place, scan


class SegmentInfo(NamedTuple):
    """One segment file. `last_position` is None while it holds no event."""

    path: str
    first_position: int
    last_position: int | None
    length_bytes: int
    sealed: bool


class Opened(NamedTuple):
    """What a directory holds: the sealed segments before the newest, the newest, and what was cut."""

    older: list[SegmentInfo]
    newest: OpenSegment | None
    cuts: tuple[Cut, ...]


def open_directory(
    io: Io, directory: SegmentDirectory, log_id: uuid.UUID, witnesses: tuple[Witness, ...]
) -> Opened:
    """Check a directory and open its newest segment. Needs the lock.

    Raises:
        Damaged: bytes that were durable do not read; nothing was changed.
        CopiesDisagree: a segment belongs to another log.
        FormatTooNew: a segment was written by a newer release.
        OSError: the system refused.
    """
    directory.remove_unfinished()
    mark = directory.read_mark(log_id)
    if mark is not None:
        witnesses = (*witnesses, Witness("the durable mark in HEAD", mark.position))
    bases = directory.bases()
    if not bases:
        _check_empty(directory, witnesses)
        return Opened([], None, ())
    if bases[0] != 1:
        raise _missing(directory.path, 1, bases[0] - 1)
    older = [
        _check_older(io, directory, log_id, base, following) for base, following in itertools.pairwise(bases)
    ]
    # The newest name may not be durable: its maker may have been killed before it synced it.
    sync_directory(io, directory.path)
    newest, cuts = _open_newest(io, directory, log_id, bases[-1], witnesses)
    return Opened(older, newest, cuts)


def open_checked(io: Io, path: str, log_id: uuid.UUID, base: int, flags: int) -> tuple[int, FileHeader]:
    """Open a segment and check that its header is whole, readable, of this log and of this name."""
    try:
        fd, header = open_segment(io, path, flags)
    except TooNew as error:
        raise FormatTooNew(
            f"{path} has {error}", hint="open it with the agentlog that wrote it, or a newer one"
        ) from None
    except Invalid as problem:
        raise _unreadable(path, base, str(problem)) from None
    if header.log_id != log_id:
        io.close(fd)
        raise CopiesDisagree(
            f"{path} belongs to log {header.log_id}, not to {log_id}",
            hint="open the directory that belongs to this log",
            first_position=base,
            last_position=None,
            where=path,
        )
    if header.base_position != base:
        io.close(fd)
        raise _unreadable(path, base, f"the header says that it begins at position {header.base_position}")
    return fd, header


def check_predecessor(path: str, header: FileHeader, info: SegmentInfo, chain: bytes) -> None:
    """Raise Damaged unless a segment continues the one before it."""
    said = (header.previous_base, header.previous_length, header.previous_last, header.previous_chain)
    if said != (info.first_position, info.length_bytes, info.last_position, chain):
        raise _unreadable(
            path, header.base_position, f"it does not follow {os.path.basename(info.path)} as that stands"
        )


def _check_older(
    io: Io, directory: SegmentDirectory, log_id: uuid.UUID, base: int, following: int
) -> SegmentInfo:
    """Check a sealed segment by its ends, and that the one after it continues it."""
    path, next_path = directory.segment_path(base), directory.segment_path(following)
    fd, header = open_checked(io, path, log_id, base, os.O_RDONLY)
    try:
        next_fd, next_header = open_checked(io, next_path, log_id, following, os.O_RDONLY)
        io.close(next_fd)
        seal = _seal_of(io, fd, header, next_header)
    except Invalid as problem:
        raise _unreadable(path, base, f"{problem}, and a newer segment exists", following - 1) from None
    finally:
        io.close(fd)
    if seal.last_position + 1 < following:
        raise _missing(directory.path, seal.last_position + 1, following - 1)
    info = SegmentInfo(path, base, seal.last_position, seal.end, True)
    check_predecessor(next_path, next_header, info, seal.chain_after)
    return info


def _seal_of(io: Io, fd: int, header: FileHeader, following: FileHeader) -> Seal:
    """Return the seal of a segment that has a successor: at its end, or before a filler."""
    problem = Invalid("the segment has no seal")
    for end in (io.size(fd), following.previous_length):
        try:
            seal = decode_seal(read_at(io, fd, SEAL_BYTES, max(0, end - SEAL_BYTES)))
        except Invalid as error:
            problem = error
            continue
        if (seal.salt, seal.end, seal.first_position) == (header.segment_id, end, header.base_position):
            return seal
    raise problem


def _open_newest(
    io: Io,
    directory: SegmentDirectory,
    log_id: uuid.UUID,
    base: int,
    witnesses: tuple[Witness, ...],
) -> tuple[OpenSegment, tuple[Cut, ...]]:
    """Scan the newest segment as the disk has it, and cut a torn tail."""
    path = directory.segment_path(base)
    fd, header = open_checked(io, path, log_id, base, os.O_RDWR)
    try:
        # After a failed sync the page cache shows data that is not on disk. What is dirty is
        # written, then all is dropped, so that the scan reads what a power cut would leave.
        io.fdatasync(fd)
        io.drop_cache(fd)
        window = Window(io, fd)
        found = scan(window, header, first_place(header), frames=True)
        findings = examine(window, header, found, newer_segment=False, witnesses=witnesses)
        verdict = judge(findings)
        if verdict.damage:
            raise damaged(path, findings, verdict)
        cuts: tuple[Cut, ...] = ()
        if verdict.torn:
            cuts = (cut_tail(io, directory, fd, path, findings),)
    except BaseException:
        io.close(fd)
        raise
    return OpenSegment(io, fd, path, header, found), cuts


def _check_empty(directory: SegmentDirectory, witnesses: tuple[Witness, ...]) -> None:
    """Raise Damaged when somebody remembers events in a directory that has no segment."""
    findings = Findings(0, 0, "", witnesses=witnesses)
    verdict = judge(findings)
    if verdict.damage:
        raise damaged(directory.path, findings, verdict)


def _missing(path: str, first: int, last: int) -> Damaged:
    return Damaged(
        f"{path} has no segment with positions {first} to {last}",
        hint="nothing was changed; repair the segments from Postgres",
        first_position=first,
        last_position=last,
        where=path,
    )


def _unreadable(path: str, base: int, problem: str, last: int | None = None) -> Damaged:
    return Damaged(
        f"{path} is damaged, positions from {base} cannot be trusted: {problem}",
        hint="nothing was changed; repair the segments from Postgres",
        first_position=base,
        last_position=last,
        where=path,
    )
