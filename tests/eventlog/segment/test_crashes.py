"""Crashes at any call, from one seed: what was promised stays, nothing appears that was never appended."""

from __future__ import annotations

import errno
import itertools
import os
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from eventlog.errors import MirrorUnavailable
from eventlog.io import SystemIo
from eventlog.segment.store import SegmentStore
from tests.eventlog.segment.building import (
    DIRECTORY,
    FIRST,
    FixedClock,
    History,
    filled,
    lines_of,
    machine,
    open_store,
)
from tests.support.lossy_io import LossyIo, PowerCut


class Run:
    """One log with crashes, driven by one seed; what was promised is remembered outside of it."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.io = machine(seed=seed)
        self.history = History().commit_many(400, size=60)
        self.acknowledged = 0  # told to somebody as durable
        self.committed = 0  # handed to the segments at all
        self.crashes = 0

    def open(self) -> SegmentStore:
        """Open, with crashes while recovering as well."""
        while True:
            if self.random.random() < 0.3:
                self.io.cut_after = self.io.operations + self.random.randint(1, 8)
            try:
                store = open_store(
                    self.io, witness=self.random.choice((0, self.acknowledged)), segment_bytes_max=4096
                )
            except PowerCut:
                self.crash()
                continue
            self.check(store)
            return store

    def crash(self) -> None:
        """End the process: mostly by a power cut, sometimes only by a kill."""
        self.crashes += 1
        self.io = self.io.crash() if self.random.random() < 0.7 else self.io.killed()

    def check(self, store: SegmentStore) -> None:
        assert self.acknowledged <= store.head_position <= self.committed
        assert lines_of(store) == self.history.lines[: store.head_position]
        assert store.head_chain == self.history.chains[store.head_position]
        # What recovery accepted, it synced: from here on it is promised.
        self.acknowledged = store.durable_position
        assert self.acknowledged == store.head_position

    def step(self, store: SegmentStore) -> None:
        match self.random.randrange(8):
            case 0 | 1 | 2 | 3:
                counts = [self.random.randint(1, 6) for _ in range(self.random.randint(1, 3))]
                self.committed = max(self.committed, store.head_position + sum(counts))
                store.append(self.history.blocks(store.head_position, counts))
            case 4 | 5:
                self.acknowledged = max(self.acknowledged, store.sync())
            case 6:
                store.write_mark()
            case _:
                store.close()

    def run(self) -> None:
        for _ in range(5):
            self.io.cut_after = None
            store = self.open()
            self.io.cut_after = self.io.operations + self.random.randint(1, 60)
            try:
                while store.head_position < 370 and not store._closed:
                    self.step(store)
            except PowerCut:
                pass
            self.crash()
        self.io.cut_after = None
        assert list(self.open().verify()) == []


@settings(max_examples=120, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_crashes_lose_nothing_promised_keep_no_phantom_and_raise_no_false_alarm(seed: int) -> None:
    """Random appends, syncs, marks, rolls and seals; power cuts at any call, also while recovering."""
    note(f"seed={seed}")
    run = Run(seed)
    run.run()
    assert run.crashes >= 5


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_a_crash_at_every_call_of_a_roll_recovers(seed: int, killed: bool) -> None:
    """Index, seal, temporary name, header, rename, directory: each call in turn, over several fates.

    After a kill the next process goes on with what it sees; then the power goes.
    """
    history = History().commit_many(6, size=1500)
    files = filled(history, [4]).files(DIRECTORY)
    for number in itertools.count(1):
        io = LossyIo.with_files(files, Random(f"{number} {seed}"))
        clock = FixedClock()
        store = open_store(io, clock=clock)
        clock.us += 10**12  # the segment is too old: the next append seals it
        io.cut_after = io.operations + number
        try:
            store.append([history.block(4, 5)])
            store.close()
        except PowerCut:
            pass
        else:
            break
        io = io.killed() if killed else io.crash()
        again = open_store(io, witness=4)
        assert again.head_position in (4, 5)
        again.append([history.block(again.head_position, 6)])
        assert again.sync() == 6
        again = open_store(io.crash(), witness=6)
        assert lines_of(again) == history.lines
        assert list(again.verify()) == []
    assert number > 12, "every call of a roll was cut"


@pytest.mark.parametrize("seed", range(8))
def test_a_crash_while_a_tail_is_cut_never_loses_the_tail(seed: int) -> None:
    """At every call of the recovery: the bytes are in the file, or whole in quarantine."""
    files = filled(History().commit_many(2), [2]).files(DIRECTORY)
    tail = Random(seed).randbytes(2000)
    files[FIRST] += tail
    for number in itertools.count(1):
        io = LossyIo.with_files(files, Random(f"{number} {seed}"))
        io.cut_after = io.operations + number
        try:
            open_store(io)
        except PowerCut:
            pass
        else:
            break
        after = io.crash()
        kept = after.files("/data/quarantine").values() if after.exists("/data/quarantine") else []
        assert after.files(DIRECTORY)[FIRST].endswith(tail) or tail in kept
        assert open_store(after, witness=2).head_position == 2
    assert number > 6, "every call was cut"


@pytest.mark.parametrize("seed", range(40))
def test_a_power_cut_after_a_kill_spoils_no_more_than_one_slot_of_the_durable_mark(seed: int) -> None:
    """The next process writes into the other slot: it must not do so before the first one is on disk."""
    history = History().commit_many(6)
    io = filled(history, [2])
    io = LossyIo.with_files(io.files(DIRECTORY), Random(seed))
    store = open_store(io)
    store.append([history.block(2, 4)])
    store.sync()
    io.cut_after = io.operations + 2  # the first sync of the mark is done, its write also, and then:
    with pytest.raises(PowerCut):
        store.write_mark()
    io = io.killed()
    store = open_store(io, witness=4)
    store.append([history.block(4, 6)])
    store.sync()
    io.cut_after = io.operations + 2
    with pytest.raises(PowerCut):
        store.write_mark()
    assert open_store(io.crash(), witness=6).head_position == 6


@pytest.mark.parametrize("seed", range(8))
def test_whoever_follows_into_a_new_segment_makes_its_name_durable(seed: int) -> None:
    """Its maker may have been killed between the rename and the sync of the directory."""
    history = History().commit_many(4)
    io, clock = machine(filled(history, [2]).files(DIRECTORY), seed), FixedClock()
    maker, follower = open_store(io, clock=clock), open_store(io, clock=clock)
    clock.us += 10**12
    io.failures["fsync"] = errno.EIO
    with pytest.raises(MirrorUnavailable):
        maker.append([history.block(2, 3)])
    io.failures.clear()
    follower.append([history.block(2, 4)])
    assert len(follower.segments()) == 2
    assert follower.sync() == 4
    assert lines_of(open_store(io.crash(), witness=4)) == history.lines


class HookedIo(SystemIo):
    """The real file system, with something happening in between."""

    def __init__(self) -> None:
        self.after_sync: list[SegmentStore | None] = []
        self.after_reads: list[SegmentStore | None] = []
        self.history = History().commit_many(6)

    def fdatasync(self, fd: int) -> None:
        super().fdatasync(fd)
        self._append(self.after_sync)

    def pread(self, fd: int, length: int, offset: int) -> bytes:
        data = super().pread(fd, length, offset)
        if offset > 256:
            self._append(self.after_reads)
        return data

    def _append(self, stores: list[SegmentStore | None]) -> None:
        """Append two events through the next store of the list; None lets one call pass."""
        if stores and (store := stores.pop(0)):
            store.append([self.history.block(store.head_position, store.head_position + 2)])


def test_a_sync_promises_only_what_was_there_when_it_began(tmp_path: Path) -> None:
    """A block appended while the disk is busy waits for the next one."""
    io = HookedIo()
    store = open_store(io, str(tmp_path / "segments"))
    store.append([io.history.block(0, 2)])
    io.after_sync.append(store)
    assert store.sync() == store.durable_position == 2
    assert store.head_position == 4
    assert store.sync() == 4
    store.close()


@pytest.mark.parametrize("calls", range(6))
def test_a_block_written_while_it_is_read_is_no_damage(tmp_path: Path, calls: int) -> None:
    """After any read: bytes read before an append, head looked at behind it, are read again."""
    io = HookedIo()
    directory = str(tmp_path / "segments")
    store = open_store(io, directory)
    store.append([io.history.block(0, 2)])
    io.after_reads += [*[None] * calls, store]
    lines = lines_of(store, 2)
    assert lines in (io.history.lines[2:4], []), "the read may end before the append"
    assert lines or calls > 3
    assert os.listdir(directory)
    store.close()
