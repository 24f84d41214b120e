"""One crashed disk: the log's own recovery opens it, what was promised is looked for, appends go on.

    wrong = recover(root, cut, past, random)      # "" when the state is as it should be

The promises by number (docs/reliability.md): acknowledged is there (1), nothing else is (2), in order
(3), commands whole (4), the chain the same (5), no false alarm (7), new appends are taken and kept (8).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from random import Random

from eventlog.directory import DataDirectory
from eventlog.segment.store import SegmentStore
from eventlog.settings import Settings
from tests.reliability.simulate.damage import spoil
from tests.reliability.simulate.machine import DATA, SEGMENTS
from tests.reliability.simulate.states import Camera, Cut, Past
from tests.support.lossy_disk import Directory
from tests.support.lossy_io import LossyIo, Machine

_SETTINGS = Settings(schema="simulated", segment_bytes_max=4096, segment_age_max_s=1e6)
QUARANTINE = str(DATA / "quarantine")
START_US = 1_790_000_000_000_000


class Broken(Exception):
    """A promise was not kept."""


class _Clock:
    """A clock that somebody may set forward, so that a segment is too old."""

    def __init__(self) -> None:
        self.us = START_US

    def now_us(self) -> int:
        return self.us

    def monotonic(self) -> float:
        return self.us / 1e6


class Recovered:
    """What came of one state: what is wrong ("" for nothing), and what was met on the way."""

    __slots__ = ("damaged", "torn", "wrong")

    def __init__(self) -> None:
        self.wrong = ""
        self.damaged = False
        self.torn = False


def recover(root: Directory, cut: Cut, past: Past, random: Random, camera: Camera | None = None) -> Recovered:
    """Recover a disk, check it, append what it lacks and more, close it, and check again.

    Args:
        camera: takes a picture after each operation: for crashes within this.
    """
    result = Recovered()
    try:
        _recover(root, cut, past, random, camera, result)
    except Broken as broken:
        result.wrong = str(broken)
    except Exception as error:  # whatever it is, the log could not be opened, or took no appends
        result.wrong = f"FALSE ALARM {type(error).__name__}: {error}"
    return result


def _recover(
    root: Directory, cut: Cut, past: Past, random: Random, camera: Camera | None, result: Recovered
) -> None:
    io, clock = LossyIo(random, machine=Machine(root, random)), _Clock()
    promised, committed = cut.acknowledged, cut.committed
    mirrors: dict[uuid.UUID, int] = dict(cut.mirrors)
    if camera is not None:
        io.changed = lambda: camera.take(root, committed, promised, mirrors)
    directory = DataDirectory(DATA, io)
    directory.belongs_to(past.log_id)
    before = _on_disk(root)
    store = SegmentStore.open(
        str(directory.segments), log_id=past.log_id, io=io, clock=clock, settings=_SETTINGS,
        durable_witness=mirrors.get(directory.id, 0),
    )  # fmt: skip
    result.torn = bool(store.recovery)
    head = store.head_position
    _check_head(store, cut, past)
    _check_copies(store, io, before)
    # What recovery accepts it has synced: from here on it is promised, whatever crashes next.
    promised = max(promised, head)
    mirrors[directory.id] = promised
    if random.random() < 0.1:
        clock.us += 10**13
    until = past.end_near(head + random.randint(1, 4))
    committed = max(committed, until)
    for block in past.blocks(head, until):
        store.append([block])
        if random.random() < 0.3:
            promised = max(promised, store.sync())
    promised = max(promised, store.sync())
    _check_lines(store, past, until)
    if store.durable_position != until:
        raise Broken(f"LOST appended up to {until} after the recovery, {store.durable_position} is durable")
    if random.random() < 0.04:
        for finding in store.verify():
            raise Broken(f"FALSE ALARM {finding}")
    if until and random.random() < 0.04:
        result.damaged = True
        if wrong := spoil(root, past, until, random):
            raise Broken(wrong)
    if camera is not None or random.random() < 0.4:
        store.close()
    if camera is not None:
        camera.note(promised, mirrors)


def _check_head(store: SegmentStore, cut: Cut, past: Past) -> None:
    head = store.head_position
    if head < cut.acknowledged:
        raise Broken(f"LOST {head + 1} to {cut.acknowledged} were acknowledged")
    if head > cut.committed:
        raise Broken(f"PHANTOM {cut.committed + 1} to {head} were not committed")
    if head not in past.ends:
        raise Broken(f"TORN position {head} is in the middle of a command")
    if store.head_chain != past.chains[head]:
        raise Broken(f"CHAIN after position {head} is not that of Postgres")
    if store.durable_position != head:
        raise Broken(f"recovery accepts {head} and takes only {store.durable_position} for durable")


def _check_lines(store: SegmentStore, past: Past, until: int) -> None:
    """Compare what was recovered, and what was appended since, byte by byte."""
    if b"".join(lines for _, lines in store.read_raw()) != b"".join(past.lines[:until]):
        raise Broken(f"ORDER positions 1 to {until} are not those of Postgres")


def _on_disk(root: Directory) -> Callable[[str], dict[str, bytes]]:
    """Return the files of a directory as the disk has them: after a kill the cache may show others."""
    disk = root.copy()
    for file in disk.files():
        file.drop_cache()
    return LossyIo(Random(0), machine=Machine(disk, Random(0))).files


def _check_copies(store: SegmentStore, io: LossyIo, before: Callable[[str], dict[str, bytes]]) -> None:
    """What was cut off is in quarantine, whole."""
    for cut in store.recovery.cuts:
        kept = io.files(QUARANTINE) if io.exists(QUARANTINE) else {}
        if kept.get(cut.copy) != before(SEGMENTS)[cut.segment][cut.offset :]:
            raise Broken(f"TORN the tail of {cut.segment} at {cut.offset} was cut off and is not kept")
