"""The directory of an archive: its manifest, locks, finished files and rubbish. Knows no rows.

<directory>/manifest.json                    what belongs to the archive; replaced atomically
<directory>/<table>-<first>-<last>-<sha>.parquet
<directory>/building/                        files in the making; rubbish after a crash
<directory>/spill/                           temporary files of connections
<directory>/build.lock, read.lock            one builder; files go only while nobody reads
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eventlog.errors import Damaged
from eventlog.io import Io, sync_directory, write_all
from projections.archive import manifest
from projections.archive.check import file_sha256
from projections.archive.manifest import MANIFEST_NAME, ArchiveFile, Manifest

_BUILD_LOCK, _READ_LOCK = "build.lock", "read.lock"
_KEPT = "kept.lock"  # in a spill directory: somebody uses it


class ArchiveDirectory:
    """One directory; made if it is missing."""

    def __init__(self, path: Path, log_id: str, io: Io) -> None:
        self.path = path
        self.building = path / "building"
        self.spill = path / "spill"
        self._log_id = log_id
        self._io = io
        for folder in (path, self.building, self.spill):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def manifest(self) -> Manifest:
        """Return the table of contents; an empty one if nothing was archived yet.

        Raises Damaged or FormatTooNew, see manifest.decode; Damaged as well when it is a directory.
        """
        path = self.path / MANIFEST_NAME
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            return manifest.make(self._log_id, [])
        except IsADirectoryError as error:
            raise _misplaced(path) from error
        return manifest.decode(text, self._log_id)

    def check_places(self) -> None:
        """Raise Damaged when a directory stands where a file is to be: what is in it may be somebody's."""
        fixed = (self.path / name for name in (MANIFEST_NAME, _BUILD_LOCK, _READ_LOCK))
        for path in (*fixed, *sorted(self.path.glob("*.parquet"))):
            if path.is_dir():
                raise _misplaced(path)

    def keep(
        self, target: Path, table: str, first: int, last: int, rows: int, source_bytes: int
    ) -> ArchiveFile:
        """Sync a finished file and give it its name; it belongs to the archive only with the manifest."""
        target.chmod(0o600)
        fd = self._io.open(str(target), os.O_RDONLY)
        try:
            self._io.fdatasync(fd)
        finally:
            self._io.close(fd)
        sha256 = file_sha256(target)
        name = manifest.file_name(table, first, last, sha256)
        size = target.stat().st_size
        self._io.rename(str(target), str(self.path / name))
        return ArchiveFile(
            table=table, name=name, first_position=first, last_position=last, rows=rows,
            size_bytes=size, sha256=sha256, source_bytes=source_bytes,
        )  # fmt: skip

    def sync(self) -> None:
        """Make the names of finished files durable."""
        sync_directory(self._io, str(self.path))

    def replace_manifest(self, current: Manifest) -> None:
        """Make `current` the table of contents, durably and at once."""
        target = self.building / MANIFEST_NAME
        fd = self._io.open(str(target), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            write_all(self._io, fd, manifest.encode(current), 0)
            self._io.fdatasync(fd)
        finally:
            self._io.close(fd)
        self._io.rename(str(target), str(self.path / MANIFEST_NAME))
        self.sync()

    def clear_building(self) -> None:
        """Remove what an interrupted build left behind."""
        for path in self.building.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def sweep(self, current: Manifest) -> None:
        """Remove Parquet files that are not in the manifest, and spill files, unless somebody reads.

        A directory that is named like such a file is none of ours and stays.
        """
        try:
            lock = self._lock(_READ_LOCK, exclusive=True, wait=False)
        except BlockingIOError:
            return  # a later build sweeps
        try:
            kept = {file.name for file in current.files}
            for path in self.path.glob("*.parquet"):
                if path.name not in kept and not path.is_dir():
                    self._io.unlink(str(path))
            for path in self.spill.iterdir():
                self._sweep_spill(path)
        finally:
            self._io.close(lock)

    def new_spill(self) -> tuple[Path, int]:
        """Return a new directory for temporary files, and the lock that keeps it until `unlock`."""
        path = Path(tempfile.mkdtemp(dir=self.spill))
        return path, self._locked(path / _KEPT, exclusive=True)

    def _sweep_spill(self, path: Path) -> None:
        """Remove a spill directory of a process that is gone."""
        try:
            lock = self._locked(path / _KEPT, exclusive=True, wait=False)
        except BlockingIOError:
            return  # somebody's, who outlives his questions
        except OSError:
            shutil.rmtree(path, ignore_errors=True)  # no lock was ever made in it
            return
        shutil.rmtree(path, ignore_errors=True)
        self._io.close(lock)

    @contextmanager
    def build_locked(self) -> Iterator[None]:
        """Be the only one who builds. Waits."""
        lock = self._lock(_BUILD_LOCK, exclusive=True)
        try:
            yield
        finally:
            self._io.close(lock)  # closing the only descriptor releases the flock

    def lock_for_reading(self) -> int:
        """Keep every file where it is; return what `unlock` takes."""
        return self._lock(_READ_LOCK, exclusive=False)

    def unlock(self, lock: int) -> None:
        self._io.close(lock)

    def _lock(self, name: str, *, exclusive: bool, wait: bool = True) -> int:
        return self._locked(self.path / name, exclusive=exclusive, wait=wait)

    def _locked(self, path: Path, *, exclusive: bool, wait: bool = True) -> int:
        fd = self._io.open(str(path), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._io.lock(fd, exclusive=exclusive, wait=wait)
        except BaseException:
            self._io.close(fd)
            raise
        return fd


def _misplaced(path: Path) -> Damaged:
    return Damaged(
        f"{path} is a directory, where a file of the archive was expected",
        hint="move it away, then run `agentlog archive rebuild` and `agentlog archive build`:"
        " the log has all of it",
        first_position=1,
        last_position=None,
        where=path.name,
    )
