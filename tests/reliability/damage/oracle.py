"""What must hold of damaged segments: found or harmless; no event lost in silence, none false.

Works on files in memory with the product's own scanner, verify and recovery. What is damaged, and
how, is for others.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from eventlog.envelope import encode_line, unplaced
from eventlog.errors import AgentlogError, Damaged
from eventlog.segment.directory import SegmentDirectory
from eventlog.segment.verify import verify_segments
from tests.eventlog.segment.building import DIRECTORY, LOG_ID, open_store
from tests.reliability.damage.reference import HEAD, Reference
from tests.support.lossy_io import LossyIo

FOUND, HARMLESS = "found", "harmless"


def judge(log: Reference, files: Mapping[str, bytes]) -> str:
    """Say what the product makes of a directory whose events were all acknowledged.

    Returns:
        FOUND: verify or the opening names damage. HARMLESS: neither does, and every event is there.
        Anything else says which promise was broken.
    """
    told = _told(log, files)
    opened = _opened(log, files, witness=len(log.lines))
    if opened not in (FOUND, HARMLESS):
        return opened
    return FOUND if FOUND in (told, opened) else HARMLESS


def opening_refuses(log: Reference, files: Mapping[str, bytes]) -> bool:
    """Return whether a directory is not even opened, as damage to the newest segment must have it."""
    try:
        open_store(LossyIo.with_files(files, _RANDOM), witness=len(log.lines))
    except AgentlogError:
        return True
    return False


def judge_truncation(log: Reference, files: Mapping[str, bytes]) -> str:
    """Likewise for a shortened file: the opening must name it, with either witness by itself."""
    with_mark = _opened(log, files, witness=0)
    without = {path: content for path, content in files.items() if path != HEAD}
    with_row = _opened(log, without, witness=len(log.lines))
    return with_mark if with_mark == with_row else f"with HEAD {with_mark}, with Postgres {with_row}"


def _told(log: Reference, files: Mapping[str, bytes]) -> str:
    io = LossyIo.with_files(files, _RANDOM)
    directory = SegmentDirectory(DIRECTORY, io)
    return FOUND if any(True for _ in verify_segments(io, directory, LOG_ID)) else HARMLESS


def _opened(log: Reference, files: Mapping[str, bytes], witness: int) -> str:
    """Open and read a directory; FOUND when that is refused, HARMLESS when all is there."""
    io = LossyIo.with_files(files, _RANDOM)
    try:
        store = open_store(io, witness=witness)
    except AgentlogError:
        if _kept(io.files(DIRECTORY)) != _kept(files):
            return "refused, and changed all the same"
        return FOUND
    lost = len(log.lines) - store.head_position
    lines: list[bytes] = []
    try:
        for events in store.read():
            lines += [
                encode_line(unplaced(event), event.position, event.version, event.time) for event in events
            ]
    except Damaged:
        refused = True
    else:
        refused = False
    if lines != log.lines[: len(lines)]:
        return "an event was read that was never written"
    if lost > 0:
        return f"the last {lost} events were lost in silence"
    if not refused and len(lines) < len(log.lines):
        return f"{len(log.lines) - len(lines)} events were not read, in silence"
    return FOUND if refused else HARMLESS


def _kept(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """What a refusal may not touch: not the lock file, nor what was left of a segment being made."""
    return {path: content for path, content in files.items() if not path.endswith(("LOCK", ".new"))}


_RANDOM = Random(0)
