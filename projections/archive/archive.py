"""The archive of a log: Parquet files per range of positions, a manifest, and connections that read them.

    <directory>/manifest.json                    what belongs to the archive; replaced atomically
    <directory>/<table>-<first>-<last>-<sha>.parquet
    <directory>/building/                        files in the making; rubbish after a crash
    <directory>/spill/                           temporary files of connections
    <directory>/build.lock, read.lock            one builder; files go only while nobody reads

It makes no rows (`rows.py`) and decides nothing about the log: everything here can be made again
from it. Blocking: callers in an event loop use a thread.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import TIMEOUT_MAX

import duckdb

from eventlog.envelope import MAX_TENANT_BYTES, Event, check_text
from eventlog.errors import AgentlogError, BadInput, Damaged
from eventlog.io import Io, SystemIo, sync_directory, write_all
from projections.archive import duck, manifest, staging
from projections.archive.check import Finding, file_sha256, findings_of_files, findings_of_log
from projections.archive.columns import EVENTS, TABLES
from projections.archive.connection import Connection
from projections.archive.manifest import MANIFEST_NAME, ArchiveFile, Manifest, damaged
from projections.archive.staging import Staging

Read = Callable[[int, int | None], Iterable[Sequence[Event]]]
Progress = Callable[[int, int], None]

RANGE_EVENTS = 131_072
RANGE_BYTES = 256 * 1024 * 1024


class Archive:
    """The archive in one directory.

    Args:
        directory: made if it is missing.
        read: gives the events with `after` < position <= `until` (None: to the end), in order, in
            blocks; may give a few more at the end of the last block.
        log_id: an archive of another log is refused.
        range_events, range_bytes: a range of positions is closed at this many events or payload
            bytes; a last range under half of both is made again with what follows it.
        memory_limit, threads: of DuckDB, for each connection.
    """

    def __init__(
        self,
        directory: Path,
        read: Read,
        log_id: str,
        *,
        io: Io | None = None,
        range_events: int = RANGE_EVENTS,
        range_bytes: int = RANGE_BYTES,
        memory_limit: str = "512MB",
        threads: int = 2,
    ) -> None:
        self.directory = Path(directory).absolute()
        self._read = read
        self._log_id = log_id
        self._io: Io = io or SystemIo()
        self._range_events = range_events
        self._range_bytes = range_bytes
        self._memory_limit = memory_limit
        self._threads = threads
        for name in ("", "building", "spill"):
            (self.directory / name).mkdir(mode=0o700, parents=True, exist_ok=True)

    def manifest(self) -> Manifest:
        """Return the table of contents; an empty one if nothing was archived yet.

        Raises Damaged or FormatTooNew, see manifest.decode.
        """
        try:
            text = (self.directory / MANIFEST_NAME).read_bytes()
        except FileNotFoundError:
            return manifest.make(self._log_id, [])
        return manifest.decode(text, self._log_id)

    def build(self, until: int, progress: Progress | None = None) -> int:
        """Archive everything up to position `until`, and return the archive's last position.

        Each range is verified and in the manifest before the next is begun, so that a build that
        was interrupted goes on where it stopped. `progress` hears (position, until).

        Raises:
            Damaged: the log ends before `until` or has a gap, or a file does not hold what was
                written; nothing of that range was added.
            AgentlogError: the disk refused (full, read-only); nothing of that range was added.
        """
        with self._locked("build.lock"):
            current = self.manifest()
            self._clear_building()
            if until > current.archive_position:
                current = self._without_small_end(current)
            while current.archive_position < until:
                try:
                    files = self._write_range(current, current.archive_position, until, cut=True)
                except duckdb.Error as error:
                    raise AgentlogError(
                        f"the archive's files cannot be written: {error}",
                        hint="nothing of this range was added; free disk space and build again",
                    ) from error
                current = current.with_range(files)
                self._replace_manifest(current)
                if progress is not None:
                    progress(current.archive_position, until)
            self._sweep(current)
            return current.archive_position

    def connect(self, head: int, *, tenant: str | None = None, timeout_s: float | None = None) -> Connection:
        """Open a read-only session that sees everything up to position `head`, archived or not.

        Args:
            head: the log's last position; if the archive went further meanwhile, its position counts.
            tenant: show only this tenant; None shows all.
            timeout_s: stop a query after this many seconds; None lets it run.
        Raises:
            BadInput: a time limit of no time, or of more than a timer can count.
            Damaged: an archive file is missing or has another size, or the log ends before `head`.
        """
        if timeout_s is not None and not 0 < timeout_s <= TIMEOUT_MAX:
            raise BadInput(f"a time limit of {timeout_s} seconds must be above 0 and below {TIMEOUT_MAX:.0f}")
        if tenant is not None:
            check_text(tenant, "tenant", MAX_TENANT_BYTES)
        lock = self._lock("read.lock", exclusive=False)
        spill = Path(tempfile.mkdtemp(dir=self.directory / "spill"))

        def release() -> None:
            shutil.rmtree(spill, ignore_errors=True)
            self._unlock(lock)

        try:
            current = self.manifest()
            found = next(findings_of_files(self.directory, current, digests=False), None)
            if found is not None:
                raise damaged(found.message, found.file, found.first_position, found.last_position)
            position = max(head, current.archive_position)
            connection = duck.open_duckdb(spill, memory_limit=self._memory_limit, threads=self._threads)
            try:
                duck.create_archived(connection, self.directory, current)
                staging.create_tail(connection)
                if position > current.archive_position:
                    with Staging(spill, staging.cursor_lookup(connection)) as staged:
                        for batch in staging.batches(self._blocks(current.archive_position, position)):
                            staged.add(batch)
                        staged.fill_tail(connection)
                duck.create_views(connection, tenant)
                duck.lock_down(connection, [self.directory / file.name for file in current.files])
            except BaseException:
                connection.close()
                raise
        except BaseException:
            release()
            raise
        return Connection(connection, position=position, tenant=tenant, timeout_s=timeout_s, release=release)

    def check(self, events_head: int) -> list[Finding]:
        """Compare the archive with the log, and its files with the manifest.

        Reads every file and the whole log up to the archive's last position.

        Args:
            events_head: the log's last position.
        Returns:
            What is wrong, each with the file and positions concerned; empty if all is well.
        """
        try:
            current = self.manifest()
        except Damaged as error:
            return [Finding("manifest", MANIFEST_NAME, 1, events_head, str(error))]
        findings = list(findings_of_files(self.directory, current, digests=True))
        findings += findings_of_log(current, self._read, events_head)
        return findings

    def rebuild(self, head: int, progress: Progress | None = None) -> int:
        """Make again from the log whatever `check` finds wrong, and return how many ranges were.

        An archive that is of another log, ahead of this one or without a readable manifest is made
        again as a whole, up to `head`.
        """
        with self._locked("build.lock"):
            self._clear_building()
            findings = self.check(head)
            whole = any(finding.code in ("manifest", "ahead") for finding in findings)
            current = manifest.make(self._log_id, []) if whole else self.manifest()
            if whole:
                self._replace_manifest(current)
            else:
                damaged_firsts = {f.first_position for f in findings if f.code != "extra"}
                count = 0
                # In order: a range's cursors are read from the files before it.
                for events_file in current.ranges():
                    first, last = events_file.first_position, events_file.last_position
                    if first in damaged_firsts:
                        files = self._write_range(current.before(first), first - 1, last, cut=False)
                        current = current.with_range(files)
                        self._replace_manifest(current)
                        count += 1
                self._sweep(current)
                return count
        self.build(head, progress)
        return len(self.manifest().ranges())

    def _blocks(self, after: int, until: int) -> Iterator[list[Event]]:
        """Events `after` < position <= `until`, every one of them, or Damaged."""
        position = after
        for block in self._read(after, until):
            events = [event for event in block if position < event.position <= until]
            for event in events:
                position += 1
                if event.position != position:
                    raise Damaged(
                        f"the log gives position {event.position} after {position - 1}",
                        hint="run `agentlog verify`",
                        first_position=position,
                        last_position=event.position - 1,
                        where="log",
                    )
            yield events
            if position >= until:
                return
        if position < until:
            raise Damaged(
                f"the log ends at position {position}, {until} was expected",
                hint="run `agentlog verify`",
                first_position=position + 1,
                last_position=until,
                where="log",
            )

    def _without_small_end(self, current: Manifest) -> Manifest:
        """Without the last range if it is small: it is made again with what follows, so that many
        small builds do not leave many small files. Its files serve until then."""
        last = current.ranges()[-1:]
        if last and last[0].rows * 2 < self._range_events and last[0].source_bytes * 2 < self._range_bytes:
            return current.before(last[0].first_position)
        return current

    def _write_range(self, before: Manifest, after: int, until: int, *, cut: bool) -> list[ArchiveFile]:
        """Write and verify the files of one range that follows `before`; `cut` closes it when full."""
        building = self.directory / "building"
        connection = duck.open_duckdb(building, memory_limit=self._memory_limit, threads=self._threads)
        batch_events = min(staging.BATCH_EVENTS, self._range_events)
        try:
            duck.create_archived(connection, self.directory, before)
            with Staging(building, staging.cursor_lookup(connection)) as staged:
                events = staged.tables[EVENTS]
                for batch in staging.batches(self._blocks(after, until), batch_events):
                    staged.add(batch)
                    if cut and (
                        events.rows >= self._range_events or staged.source_bytes >= self._range_bytes
                    ):
                        break
                first, last = after + 1, events.last
                # Invariant: a range is every position from `first` to `last`, once.
                assert (events.first, events.rows) == (first, last - after)
                files = []
                for table in TABLES:
                    target = building / f"{table}.parquet"
                    if not staged.write_parquet(connection, table, target):
                        raise damaged(
                            f"{table} of positions {first} to {last} does not read as it was written",
                            str(target), first, last,
                        )  # fmt: skip
                    source_bytes = staged.source_bytes if table == EVENTS else 0
                    rows = staged.tables[table].rows
                    files.append(self._keep(target, table, first, last, rows, source_bytes))
        finally:
            connection.close()
        sync_directory(self._io, str(self.directory))
        return files

    def _keep(
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
        self._io.rename(str(target), str(self.directory / name))
        return ArchiveFile(
            table=table, name=name, first_position=first, last_position=last, rows=rows,
            size_bytes=size, sha256=sha256, source_bytes=source_bytes,
        )  # fmt: skip

    def _replace_manifest(self, current: Manifest) -> None:
        target = self.directory / "building" / MANIFEST_NAME
        fd = self._io.open(str(target), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            write_all(self._io, fd, manifest.encode(current), 0)
            self._io.fdatasync(fd)
        finally:
            self._io.close(fd)
        self._io.rename(str(target), str(self.directory / MANIFEST_NAME))
        sync_directory(self._io, str(self.directory))

    def _clear_building(self) -> None:
        for path in (self.directory / "building").iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _sweep(self, current: Manifest) -> None:
        """Remove Parquet files that are not in the manifest, and spill files, unless somebody reads."""
        try:
            lock = self._lock("read.lock", exclusive=True, wait=False)
        except BlockingIOError:
            return  # a later build sweeps
        try:
            kept = {file.name for file in current.files}
            for path in self.directory.glob("*.parquet"):
                if path.name not in kept:
                    self._io.unlink(str(path))
            for path in (self.directory / "spill").iterdir():
                shutil.rmtree(path, ignore_errors=True)
        finally:
            self._unlock(lock)

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        lock = self._lock(name, exclusive=True)
        try:
            yield
        finally:
            self._unlock(lock)

    def _lock(self, name: str, *, exclusive: bool, wait: bool = True) -> int:
        fd = self._io.open(str(self.directory / name), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._io.lock(fd, exclusive=exclusive, wait=wait)
        except BaseException:
            self._io.close(fd)
            raise
        return fd

    def _unlock(self, fd: int) -> None:
        self._io.close(fd)  # closing the only descriptor releases the flock
