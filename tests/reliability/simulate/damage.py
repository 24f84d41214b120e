"""Damage to what was promised: a disk that changes synced bytes must be found out, and nothing may be cut.

    wrong = spoil(root, past, until, random)     # "" when it was told, or did no harm

Taken are disks on which everything up to `until` is synced. One byte changes, a sector is lost, or
the end of a file is. Sometimes nobody remembers how far it was synced but the blocks themselves.
"""

from __future__ import annotations

from random import Random

from eventlog.clock import SystemClock
from eventlog.errors import Damaged
from eventlog.segment.format import BlockHeader
from eventlog.segment.store import SegmentStore
from eventlog.settings import Settings
from tests.reliability.simulate.machine import SEGMENTS
from tests.reliability.simulate.states import Past
from tests.support.lossy_disk import SECTOR_BYTES, Directory, File
from tests.support.lossy_io import LossyIo, Machine


def spoil(root: Directory, past: Past, until: int, random: Random) -> str:
    """Damage a disk, open it, and return what is wrong with the answer."""
    root = root.after_crash(random)  # everything is synced: this is a copy
    directory = root.names["data"].names["segments"]  # type: ignore[union-attr]
    headers = [header for header, _ in _opened(root, past, until).read_raw()]
    name = max(name for name in directory.names if name.endswith(".zst"))
    file = directory.names[name]
    assert isinstance(file, File)
    newest = [header for header in headers if header.salt == headers[-1].salt]
    remembered = random.random() < 0.5
    if not remembered:
        directory.names.pop("HEAD", None)
    begin, end = _promised(newest, len(file.content), remembered, random)
    if begin >= end:
        return ""
    file.content = damaged = _changed(bytes(file.content), begin, end, remembered, random)
    try:
        store = _opened(root, past, until if remembered else 0)
    except Damaged:
        kept = bytes(file.content) == damaged
        return "" if kept else "TORN what is damaged was changed by whoever found it"
    lines = b"".join(lines for _, lines in store.read_raw())
    if lines == b"".join(past.lines[:until]):
        return ""  # an index, a seal, or a file that holds no event yet
    left = store.head_position
    return f"LOST damage at {begin} to {end} of {name} was called torn: {left} of {until} are left"


def _promised(newest: list[BlockHeader], length: int, remembered: bool, random: Random) -> tuple[int, int]:
    """Return where to damage the newest file. Without a witness: below what its blocks promise."""
    limit = length if remembered else newest[-1].durable_offset
    begin = random.randrange(max(1, limit))
    return begin, min(limit, begin + random.choice((1, 1, SECTOR_BYTES)))


def _changed(content: bytes, begin: int, end: int, remembered: bool, random: Random) -> bytes:
    if remembered and random.random() < 0.3:
        return content[:begin]
    if end - begin == 1:
        return content[:begin] + bytes([content[begin] ^ (1 << random.randrange(8))]) + content[end:]
    return (
        content[:begin] + random.choice((bytes(end - begin), random.randbytes(end - begin))) + content[end:]
    )


def _opened(root: Directory, past: Past, witness: int) -> SegmentStore:
    io = LossyIo(Random(0), machine=Machine(root, Random(0)))
    return SegmentStore.open(
        SEGMENTS,
        log_id=past.log_id,
        io=io,
        clock=SystemClock(),
        settings=Settings(schema="simulated", segment_bytes_max=4096),
        durable_witness=witness,
    )
