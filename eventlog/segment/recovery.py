"""Torn or damaged? The decision at the end of the newest segment, and the cut of a torn tail.

A torn tail is bytes nobody was promised: a crash left them, they are copied to quarantine/ and
cut. Everything else that does not read is damage: it is reported with its positions and nothing
is changed. `judge` decides, on values alone; `examine` gathers them; `cut_tail` acts.
"""

from __future__ import annotations

import os
from typing import NamedTuple

import msgspec

from eventlog.errors import Damaged
from eventlog.io import Io
from eventlog.segment.directory import SegmentDirectory
from eventlog.segment.format import (
    BLOCK_HEADER_BYTES,
    FileHeader,
    Invalid,
    Seal,
    decode_block_header,
)
from eventlog.segment.scanner import TAIL_BYTES_MAX, Scan, Window, later_frames


class Witness(NamedTuple):
    """Somebody who knows that positions up to `position` were durable here."""

    name: str
    position: int


class Findings(NamedTuple):
    """What is known of the end of a segment whose blocks are valid up to `offset`.

    Attributes:
        offset: the first invalid byte, or the end of the file.
        last_good: the last position before it.
        problem: why the bytes there are invalid; "" when the file ends there.
        newer_segment: there is a segment after this one.
        seal_follows: a valid seal stands behind `offset`.
        promised_offset: the greatest durable offset that a valid header behind `offset` states.
        tail_bytes: how many bytes the file has from `offset` on.
        next_position: first position of the first valid block behind `offset`, or None.
        witnesses: who else remembers what was durable.
    """

    offset: int
    last_good: int
    problem: str
    newer_segment: bool = False
    seal_follows: bool = False
    promised_offset: int = 0
    tail_bytes: int = 0
    next_position: int | None = None
    witnesses: tuple[Witness, ...] = ()


class Verdict(NamedTuple):
    """`damage` says why it is damage, "" when it is not; `torn`: bytes at `offset` may be cut."""

    torn: bool
    damage: str
    last_position: int | None = None


class Cut(msgspec.Struct, frozen=True):
    """One torn tail that was cut: where, how much, why, and where the copy of it is."""

    segment: str
    offset: int
    length_bytes: int
    problem: str
    copy: str


class Recovery(msgspec.Struct, frozen=True):
    """What opening had to put right; false when nothing."""

    cuts: tuple[Cut, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.cuts)


def judge(findings: Findings) -> Verdict:
    """Decide whether the end of a segment is clean, torn or damaged."""
    witness = max(findings.witnesses, key=lambda known: known.position, default=Witness("", 0))
    lost = witness.position > findings.last_good
    until = findings.next_position - 1 if findings.next_position is not None else None
    if not findings.problem:
        if not lost:
            return Verdict(False, "")
        return Verdict(False, _promise(witness), witness.position)
    if findings.newer_segment:
        reason = "a newer segment exists, so this one was complete"
    elif findings.seal_follows:
        reason = "the segment was sealed"
    elif findings.promised_offset > findings.offset:
        reason = f"a later block says that everything below offset {findings.promised_offset} was durable"
    elif lost:
        reason, until = _promise(witness), until if until is not None else witness.position
    elif findings.tail_bytes > TAIL_BYTES_MAX:
        reason = f"{findings.tail_bytes} bytes follow, more than a crash leaves"
    else:
        return Verdict(True, "")
    return Verdict(False, f"{findings.problem}; {reason}", until)


def examine(
    window: Window, header: FileHeader, scan: Scan, *, newer_segment: bool, witnesses: tuple[Witness, ...]
) -> Findings:
    """Gather what `judge` needs about the end of a segment; looks behind an invalid byte."""
    findings = Findings(scan.place.offset, scan.place.position - 1, scan.problem, witnesses=witnesses)
    if not scan.problem:
        return findings
    promised, next_position, sealed = 0, _position_after(window, scan), False
    for frame in later_frames(window, header.segment_id, scan.place.offset):
        if isinstance(frame, Seal):
            sealed = True
            continue
        promised = max(promised, frame.durable_offset)
        if frame.first_position > scan.place.position and next_position is None:
            next_position = frame.first_position
    return findings._replace(
        newer_segment=newer_segment,
        seal_follows=sealed,
        promised_offset=promised,
        tail_bytes=window.size() - scan.place.offset,
        next_position=next_position,
    )


def _position_after(window: Window, scan: Scan) -> int | None:
    """Return the position after the invalid block, when its header at least can be read."""
    try:
        header = decode_block_header(window.read(scan.place.offset, BLOCK_HEADER_BYTES))
    except Invalid:
        return None
    is_here = (header.offset, header.first_position) == (scan.place.offset, scan.place.position)
    return header.last_position + 1 if is_here else None


def damaged(path: str, findings: Findings, verdict: Verdict) -> Damaged:
    """Return the error that says which positions of a segment cannot be read, and why."""
    first, last = findings.last_good + 1, verdict.last_position
    # An index or a seal holds no event: nothing is missing, but the file is not as it was written.
    reach = f" to {last}" if last is not None and last >= first else " on"
    return Damaged(
        f"{path} is damaged at offset {findings.offset}, positions {first}{reach} cannot be trusted: "
        f"{verdict.damage}",
        hint="nothing was changed; repair the segments from Postgres",
        first_position=first,
        last_position=last,
        where=path,
    )


def cut_tail(io: Io, directory: SegmentDirectory, fd: int, path: str, findings: Findings) -> Cut:
    """Copy what follows `findings.offset` to quarantine/, then cut it off, durably. Needs the lock.

    A crash before the cut repeats it, with another copy; none leaves bytes that nobody has.
    """
    length = io.size(fd) - findings.offset
    copy = directory.keep_copy(fd, os.path.basename(path), findings.offset)
    io.ftruncate(fd, findings.offset)
    io.fdatasync(fd)
    return Cut(path, findings.offset, length, findings.problem, copy)


def _promise(witness: Witness) -> str:
    return f"{witness.name} says that positions up to {witness.position} were durable"
