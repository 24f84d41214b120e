"""Disks that fail or fill up, and then lose power: a failed sync of either copy, a full disk under both.

Each is a load like the others (segments.py, stores.py) with the fault in its middle; what must be there
after a cut is checked as theirs is. What the caller must see meanwhile is asserted here.
"""

from __future__ import annotations

import asyncio
import errno
import os
import tempfile
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random

import agentlog
from agentlog.store import Store
from eventlog.command import Command
from eventlog.envelope import new_event
from eventlog.errors import AgentlogError, LogUnavailable, MirrorUnavailable, NotMirrored, OutcomeUnknown
from eventlog.segment.format import FILE_HEADER_BYTES, decode_file_header
from eventlog.segment.store import SegmentStore
from eventlog.settings import Settings
from tests.reliability.power_cut.rig import Disk, command
from tests.reliability.power_cut.segments import Notes, Segments
from tests.reliability.power_cut.stores import STREAMS, Stores
from tests.reliability.power_cut.stores import Notes as StoreNotes
from tests.reliability.recorder import Call, Recorder, read_calls

# Btrfs keeps shorter files among its metadata, twice: there one refused write changes nothing.
UNMISTAKABLE_BYTES = 16 * 1024
FILLER = "filler"
TRIES_MAX = 3000
RESUME_TRIES, RESUME_PAUSE_S = 50, 0.1
KNOWN_REFUSALS = (LogUnavailable, NotMirrored, MirrorUnavailable, OutcomeUnknown)


class FailedSync(Segments):
    """The disk refuses one write of a segment: the sync fails, once; a second one would succeed."""

    name = "failed sync of a segment"
    # FUSE splits requests at 128 KiB, and the loop driver takes one that failed later on for done.
    sizes = (20, 200, 200, 3000)

    def __init__(self, random: Random, disk: Disk) -> None:
        super().__init__(random, disk)
        self.settings = Settings(segment_bytes_max=random.choice((64, 512)) * 1024)

    def load(self, place: Path) -> Notes:
        self._show_that_it_matters(place)
        notes = Notes()
        self.work(place, notes, 20)
        for _ in range(3):
            self._fail(place, notes)
            self.work(place, notes, 5)
        return notes

    def _show_that_it_matters(self, place: Path) -> None:
        """Count whether a plain second fdatasync claims that all is well, though the bytes are lost."""
        marker = self.random.randbytes(32)
        fd = os.open(place / "plain", os.O_CREAT | os.O_RDWR)
        try:
            os.pwrite(fd, bytes(8192), 0)
            os.fsync(fd)
            self.disk.spoil(marker)
            os.pwrite(fd, marker, 0)
            must_refuse(OSError, lambda: os.fdatasync(fd))
            os.fdatasync(fd)
            shown = os.pread(fd, len(marker), 0)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            self.counts["second_sync_succeeded_and_lied"] += os.pread(fd, len(marker), 0) != marker == shown
        finally:
            os.close(fd)

    def _fail(self, place: Path, notes: Notes) -> None:
        """Append until a sync meets the refused write; the store must say so and refuse all that follows."""
        with closing(self.open(place, notes.acknowledged)) as store:
            while store.segments()[-1].length_bytes < UNMISTAKABLE_BYTES:
                self.append(store, notes)
                notes.tell(store.sync())
            refused, told = self.disk.spoilt(), notes.acknowledged
            while self.disk.spoilt() == refused:
                self.disk.spoil(newest_segment_id(store))
                try:
                    self.append(store, notes)
                    synced = store.sync()
                except MirrorUnavailable:
                    break
                assert self.disk.spoilt() == refused, "told as durable, though the disk refused a write"
                notes.tell(synced)
                told = synced
            # Only what is opened afresh knows what the disk has.
            must_refuse(MirrorUnavailable, store.sync)
            must_refuse(MirrorUnavailable, lambda: self.append(store, Notes()))
            assert store.durable_position == told
        self.counts["failed_syncs"] += 1
        try:
            self.open(place, notes.acknowledged).close()
        except MirrorUnavailable:
            # Btrfs may tell of one failed write twice. Whoever opens again is told what there is.
            self.counts["told_twice_of_a_failed_sync"] += 1


class FullDisk(Segments):
    """The disk is full for a while: what does not fit is taken back, and appends go on afterwards."""

    name = "full disk under segments"

    def load(self, place: Path) -> Notes:
        notes = Notes()
        self.work(place, notes, 20)
        store = self.open(place, notes.acknowledged)
        with filled(place, self.random.randrange(64, 2048) * 1024):
            for _ in range(TRIES_MAX):
                head = store.head_position
                try:
                    self.append(store, notes)
                    notes.tell(store.sync())
                except MirrorUnavailable:
                    self.counts["full_disk_failed_a_sync"] += 1
                    break
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    assert store.head_position == head, "blocks that did not fit are still there"
                    self.counts["full_disk_refused_a_write"] += 1
                    break
            else:
                raise AssertionError("the disk never got full")
        if self.counts["full_disk_failed_a_sync"]:
            store.close()
            store = self.open(place, notes.acknowledged)
        with closing(store):
            self.append(store, notes)  # by itself, once there is space
            notes.tell(store.sync())
        self.work(place, notes, 10)
        return notes

    def check(self, place: Path, notes: Notes) -> Notes:
        (place / FILLER).unlink(missing_ok=True)
        return super().check(place, notes)


class TroubledStore(Stores):
    """A store whose appends may be refused for a while, with an error that says what became of them."""

    async def _resumes(self, store: Store, recorder: Recorder) -> bool:
        """Say whether appends work again by themselves once the fault is over."""
        for _ in range(RESUME_TRIES):
            if await self._append(store, recorder) is None:
                return True
            await asyncio.sleep(RESUME_PAUSE_S)
        return False

    async def _append(self, store: Store, recorder: Recorder, id: str = "") -> AgentlogError | None:
        text = self.random.randbytes(self.random.choice((10, 1000, 100_000))).hex()
        event = new_event(
            self.random.choice(STREAMS), "note_taken", {"text": text}, id=id or store.log.ids.next()
        )
        try:
            await recorder.append(store.log, Command([event]))
        except KNOWN_REFUSALS as error:
            return error
        return None


class FullDiskOfStore(TroubledStore):
    """The disk that holds Postgres and the segments is full for a while."""

    name = "full disk under Postgres and segments"

    async def _load(self, place: Path) -> list[Call]:
        with tempfile.NamedTemporaryFile(dir="/dev/shm") as notes:
            recorder = Recorder(notes.name)
            async with agentlog.open(place / "data") as store:
                calls = await self.work(store, 4, 40)
                with filled(place, self.random.randrange(256, 16384) * 1024):
                    await self._until_refused(store, recorder)
                resumed = await self._resumes(store, recorder)
            self.counts["full_disk_then_went_on_by_itself"] += resumed
            self.counts["full_disk_then_opened_again"] += not resumed
            async with agentlog.open(place / "data") as store:
                calls += await self.work(store, 4, 40)
            recorder.close()
            return [*calls, *read_calls(notes.name)]

    def check(self, place: Path, notes: StoreNotes) -> StoreNotes:
        (place / FILLER).unlink(missing_ok=True)
        return super().check(place, notes)

    async def _until_refused(self, store: Store, recorder: Recorder) -> None:
        """Append until several were refused, each with an error that says what became of it."""
        refusals: Counter[str] = Counter()
        for _ in range(TRIES_MAX):
            error = await self._append(store, recorder)
            if error is not None:
                refusals[f"full_disk_told_{type(error).__name__}"] += 1
            if refusals.total() == 5:
                break
        else:
            raise AssertionError("the disk never got full")
        self.counts += refusals


class FailedSyncOfPostgres(TroubledStore):
    """The disk refuses one write of Postgres's own log: it crashes, starts again, and appends go on."""

    name = "failed sync of Postgres"

    async def _load(self, place: Path) -> list[Call]:
        with tempfile.NamedTemporaryFile(dir="/dev/shm") as notes:
            recorder = Recorder(notes.name)
            async with agentlog.open(place / "data") as store:
                calls = await self.work(store, 4, 40)
                for _ in range(3):
                    id = store.log.ids.next()
                    self.disk.spoil(uuid.UUID(id).bytes)
                    error = await self._append(store, recorder, id)
                    outcome = "receipt" if error is None else type(error).__name__
                    self.counts[f"failed_sync_of_postgres_told_{outcome}"] += 1
                    assert await self._resumes(store, recorder), f"appends stay refused after {outcome}"
                calls += await self.work(store, 4, 40)
            recorder.close()
            assert self.disk.spoilt() == 3, "the log of Postgres was not hit as often as it was aimed at"
            return [*calls, *read_calls(notes.name)]


def must_refuse(error: type[Exception], call: Callable[[], object]) -> None:
    try:
        call()
    except error:
        return
    raise AssertionError(f"went on, where {error.__name__} must be raised")


def newest_segment_id(store: SegmentStore) -> bytes:
    """The bytes that every header in the newest segment holds."""
    with open(store.segments()[-1].path, "rb") as file:
        return decode_file_header(file.read(FILE_HEADER_BYTES)).segment_id


@contextmanager
def filled(place: Path, left_bytes: int) -> Iterator[None]:
    """Fill a file system but for so many bytes; give them back at the end."""
    command("sync", "--file-system", str(place))
    status = os.statvfs(place)
    path = place / FILLER
    fd = os.open(path, os.O_CREAT | os.O_RDWR)
    try:
        os.posix_fallocate(fd, 0, max(4096, status.f_bavail * status.f_frsize - left_bytes))
        yield
    finally:
        os.close(fd)
        path.unlink()
        command("sync", "--file-system", str(place))  # Btrfs gives space back when it commits


SEGMENT_FAULTS = (FailedSync, FullDisk)
STORE_FAULTS = (FullDiskOfStore, FailedSyncOfPostgres)
