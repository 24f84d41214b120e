"""The segment store alone on the disk: what it appends, and what must be there after a power cut.

Postgres is a history that is always ahead: position n is always the same line, so what a disk must
hold follows from positions alone.
"""

from __future__ import annotations

import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from random import Random
from typing import NamedTuple

from eventlog.clock import SystemClock
from eventlog.io import SystemIo
from eventlog.segment.store import SegmentStore
from eventlog.settings import Settings
from tests.eventlog.segment.building import LOG_ID, History, lines_of
from tests.reliability.power_cut.rig import Disk

STEPS = 120


class Note(NamedTuple):
    """Positions up to `position` were handed to the store, or told by it to be durable."""

    at_ns: int
    told: bool
    position: int


class Notes:
    """What was handed in and what was told, with the moment, in order."""

    def __init__(self, notes: list[Note] | None = None) -> None:
        self.notes = notes or [Note(0, True, 0), Note(0, False, 0)]

    def hand_in(self, position: int) -> None:
        self.notes.append(Note(time.monotonic_ns(), False, position))

    def tell(self, position: int) -> None:
        self.notes.append(Note(time.monotonic_ns(), True, position))

    def until(self, moment_ns: float) -> Notes:
        """Return what had happened before a moment."""
        return Notes([note for note in self.notes if note.at_ns < moment_ns])

    @property
    def acknowledged(self) -> int:
        return max(note.position for note in self.notes if note.told)

    @property
    def handed_in(self) -> int:
        return max(note.position for note in self.notes if not note.told)

    def moments_told_ns(self) -> list[int]:
        return [note.at_ns for note in self.notes if note.told and note.at_ns]


class Segments:
    """One log of segments, from empty on.

    Attributes:
        counts: what was met that shows how much the cuts were worth.
    """

    name = "segment"
    disk_mib = 320  # XFS makes none under 300
    sizes = (20, 200, 200, 3000, 30_000)  # of events, in bytes

    def __init__(self, random: Random, disk: Disk) -> None:
        self.random, self.disk = random, disk
        self.counts: Counter[str] = Counter()
        self.history = History()
        self.settings = Settings(segment_bytes_max=random.choice((16, 64, 512)) * 1024)

    def load(self, place: Path) -> Notes:
        """Append, sync, mark, close and open again, at random; return what was told."""
        notes = Notes()
        self.work(place, notes, STEPS)
        return notes

    def work(self, place: Path, notes: Notes, steps: int) -> None:
        """So many steps of it, beginning and ending with a closed store."""
        store = self.open(place, notes.acknowledged)
        for _ in range(steps):
            match self.random.randrange(20):
                case 0:
                    store.write_mark()
                case 1:
                    store.close()
                    notes.tell(store.durable_position)
                    store = self.open(place, notes.acknowledged)
                case 2 | 3:
                    self.append(store, notes)
                case _:
                    self.append(store, notes)
                    notes.tell(store.sync())
        store.close()
        notes.tell(store.durable_position)

    def check(self, place: Path, notes: Notes) -> Notes:
        """Open what a cut left and compare; bring it level again as from Postgres, and go on.

        Returns:
            What holds from here on, for a cut of this very recovery.
        """
        after = Notes(list(notes.notes))
        # Postgres remembers at most what was acknowledged, and with all of it no tail may look lost.
        with closing(self.open(place, self.random.choice((0, notes.acknowledged)))) as store:
            head = store.head_position
            self.counts["torn_tails_cut"] += bool(store.recovery)
            self.counts["more_than_acknowledged_survived"] += head > notes.acknowledged
            assert head >= notes.acknowledged, f"LOST: told {notes.acknowledged}, the log ends at {head}"
            assert head <= notes.handed_in, f"PHANTOM: handed in {notes.handed_in}, the log ends at {head}"
            self._compare(store)
            assert store.durable_position == head, "what recovery accepts, it has synced"
            after.tell(head)
            while store.head_position < notes.handed_in or self.random.random() < 0.7:
                self.append(store, after)
            after.tell(store.sync())
            assert [*map(str, store.verify())] == []
        with closing(self.open(place, after.acknowledged)) as store:
            self._compare(store)
            assert not store.recovery, "a clean end was taken for a torn one"
        return after

    def open(self, place: Path, witness: int) -> SegmentStore:
        (place / "data").mkdir(exist_ok=True)
        return SegmentStore.open(
            str(place / "data" / "segments"),
            log_id=LOG_ID,
            io=SystemIo(),
            clock=SystemClock(),
            settings=self.settings,
            durable_witness=witness,
        )

    def append(self, store: SegmentStore, notes: Notes) -> None:
        """Hand in a few blocks without syncing them. Raises what the store raises."""
        after = store.head_position
        counts = [self.random.randint(1, 6) for _ in range(self.random.choice((1, 1, 1, 2, 4)))]
        missing = after + sum(counts) - self.history.head
        self.history.commit_many(max(0, missing), size=self.random.choice(self.sizes))
        notes.hand_in(after + sum(counts))
        store.append(self.history.blocks(after, counts))

    def _compare(self, store: SegmentStore) -> None:
        head = store.head_position
        assert lines_of(store) == self.history.lines[:head], "the lines are not what was handed in"
        assert store.head_chain == self.history.chains[head]
