"""The archive of a log: build it, ask it, check it, mend it. What its directory holds: `directory.py`.

It makes no rows (`rows.py`) and decides nothing about the log: everything here can be made again
from it. Blocking: callers in an event loop use a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import TIMEOUT_MAX

import duckdb
import msgspec

from eventlog.envelope import MAX_TENANT_BYTES, check_text
from eventlog.errors import AgentlogError, BadInput, Damaged
from eventlog.io import Io, SystemIo
from projections.archive import manifest
from projections.archive.building import Builder, Read
from projections.archive.check import ArchiveFinding, findings_of_files, findings_of_log
from projections.archive.columns import SUMS
from projections.archive.connection import Connection
from projections.archive.directory import ArchiveDirectory
from projections.archive.manifest import MANIFEST_NAME, ArchiveFile, Manifest, damaged
from projections.archive.merging import runs_of_small, without_small_end
from projections.archive.prices import PRICES_NAME
from projections.archive.stopping import Stop
from projections.archive.underway import Underway
from projections.archive.warm import Instances

Progress = Callable[[int, int], None]

RANGE_EVENTS = 131_072
RANGE_BYTES = 192 * 1024 * 1024
# Merged ranges: large enough that a session is looked for in few files, small enough to sort in 512 MB.
MERGED_EVENTS = 1_048_576
MERGED_BYTES = 2 * 1024 * 1024 * 1024


class ArchiveStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How far Parquet files reach and what they take.

    `small_ranges` counts ranges that `compact` would merge; `source_bytes` the payload bytes that the
    files stand for.
    """

    archive_position: int
    ranges: int
    small_ranges: int
    files: int
    size_bytes: int
    source_bytes: int
    events: int
    messages: int


class Archive:
    """The archive in one directory.

    Args:
        directory: made if it is missing.
        read: gives the events with `after` < position <= `until` (None: to the end), in order, in
            blocks; may give a few more at the end of the last block.
        log_id: an archive of another log is refused.
        range_events, range_bytes: a range of positions is closed at this many events or payload
            bytes; a last range under half of both is made again with what follows it.
        merged_events, merged_bytes: the same of the ranges that `compact` makes.
        memory_limit, threads: of DuckDB, for each connection.
        prices: a price table instead of the bundled one (see prices.py); while there is no such file,
            the bundled one counts. Default: `prices.csv` beside `directory`.
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
        merged_events: int = MERGED_EVENTS,
        merged_bytes: int = MERGED_BYTES,
        memory_limit: str = "512MB",
        threads: int = 2,
        prices: Path | None = None,
    ) -> None:
        self.directory = Path(directory).absolute()
        self._read = read
        self._log_id = log_id
        self._range_events = range_events
        self._range_bytes = range_bytes
        self._merged_events = merged_events
        self._merged_bytes = merged_bytes
        self._memory_limit = memory_limit
        self._threads = threads
        self._files = ArchiveDirectory(self.directory, log_id, io or SystemIo())
        self._instances = Instances(
            self._files,
            prices or self.directory.parent / PRICES_NAME,
            memory_limit=memory_limit,
            threads=threads,
        )
        self._underway = Underway()

    def manifest(self) -> Manifest:
        """Return the table of contents; an empty one if nothing was archived yet.

        Raises Damaged or FormatTooNew, see manifest.decode.
        """
        return self._files.manifest()

    def status(self) -> ArchiveStatus:
        """Say how far the files reach and what they take. Reads the manifest alone."""
        current = self.manifest()
        ranges = current.ranges()
        return ArchiveStatus(
            archive_position=current.archive_position,
            ranges=len(ranges),
            small_ranges=sum(len(run) for run in self._runs(current)),
            files=len(current.files),
            size_bytes=sum(file.size_bytes for file in current.files),
            source_bytes=sum(file.source_bytes for file in ranges),
            events=current.events,
            messages=current.messages,
        )

    def build(self, until: int, progress: Progress | None = None) -> int:
        """Archive everything up to position `until`, and return the archive's last position.

        Each range is verified and in the manifest before the next is begun, so that a build that
        was interrupted goes on where it stopped. `progress` hears (position, until).

        Raises:
            Damaged: the log ends before `until` or has a gap, or a file does not hold what was
                written; nothing of that range was added.
            AgentlogError: the disk refused (full, read-only); nothing of that range was added.
        """
        with self._files.build_locked():
            current = self.manifest()
            self._files.clear_building()
            current = self._completed(current)
            if until > current.archive_position:
                current = without_small_end(current, self._range_events, self._range_bytes)
                with self._builder(current) as builder:
                    while current.archive_position < until:
                        files = builder.write(
                            current.archive_position,
                            until,
                            range_events=self._range_events,
                            range_bytes=self._range_bytes,
                        )
                        current = current.with_range(files)
                        self._files.replace_manifest(current)
                        if progress is not None:
                            progress(current.archive_position, until)
            self._files.sweep(current)
            return current.archive_position

    def _completed(self, current: Manifest) -> Manifest:
        """Add the files that ranges of format 2 lack: their messages, added up."""
        lacking = [(table, messages) for table in SUMS for messages in current.without_sums(table)]
        if lacking:
            with self._builder(current) as builder:
                sums = [builder.add_up(table, messages) for table, messages in lacking]
            self._files.sync()
            current = manifest.make(self._log_id, current.files + sums)
            self._files.replace_manifest(current)
        return current

    def compact(self, progress: Progress | None = None) -> int:
        """Merge small ranges that follow each other, and return how many ranges there are now fewer.

        Answers are the same before, during and after. `progress` hears (ranges merged, of how many).

        Raises as `build`.
        """
        with self._files.build_locked():
            current = self.manifest()
            self._files.clear_building()
            runs, merged = self._runs(current), 0
            for number, run in enumerate(runs, 1):
                with self._builder(current) as builder:
                    files = builder.merge([current.files_of(file.first_position) for file in run])
                current = current.with_range(files)
                self._files.replace_manifest(current)
                merged += len(run) - 1
                if progress is not None:
                    progress(number, len(runs))
            self._files.sweep(current)
            return merged

    def connect(self, head: int, *, tenant: str | None = None, timeout_s: float | None = None) -> Connection:
        """Open a read-only session that sees everything up to position `head`, archived or not.

        Args:
            head: the log's last position; if the archive went further meanwhile, its position counts.
            tenant: show only this tenant; None shows all.
            timeout_s: stop a query after this many seconds; None lets it run.
        Raises:
            BadInput: a time limit of no time, or of more than a timer can count; the price table is none.
            Damaged: an archive file is missing or has another size, or the log ends before `head`.
        """
        return self._connected(head, tenant, timeout_s, Stop(), keep=False)

    @contextmanager
    def ask(
        self,
        head: int,
        *,
        tenant: str | None = None,
        timeout_s: float | None = None,
        stop: Stop | None = None,
        exactly: bool = False,
    ) -> Iterator[Connection]:
        """Give a session as `connect` does, quickly: what was opened for an earlier question is used again.

        It may see more than `head`, when somebody else asks at the same time; with `exactly` it sees nothing
        beyond, and is opened for this question alone. Results are to be read inside of the `with`.

        Args:
            stop: ends the question from another thread, whatever it is at; then it raises Closed.
        """
        stop = Stop() if stop is None else stop
        with (
            self._underway.asking(stop),
            self._connected(head, tenant, timeout_s, stop, keep=not exactly, exactly=exactly) as connection,
        ):
            yield connection

    def close(self) -> None:
        """Stop what is asked, and let go of what was kept for further questions, which may still be asked."""
        self._underway.stop()
        self._instances.close()

    def _connected(
        self,
        head: int,
        tenant: str | None,
        timeout_s: float | None,
        stop: Stop,
        *,
        keep: bool,
        exactly: bool = False,
    ) -> Connection:
        if timeout_s is not None and not 0 < timeout_s <= TIMEOUT_MAX:
            raise BadInput(f"a time limit of {timeout_s} seconds must be above 0 and below {TIMEOUT_MAX:.0f}")
        if tenant is not None:
            check_text(tenant, "tenant", MAX_TENANT_BYTES)
        stop.check()
        lock = self._files.lock_for_reading()

        def release() -> None:
            if not keep:
                warm.close()
            self._files.unlock(lock)

        try:
            current = self.manifest()
            found = next(findings_of_files(self.directory, current, digests=False), None)
            if found is not None:
                raise damaged(found.message, found.file, found.first_position, found.last_position)
            current = current.before(head + 1) if exactly else current
            warm = (self._instances.kept if keep else self._instances.new)(current, tenant)
            try:
                warm.advance(self._read, head, stop)
                position, cursor = warm.position, warm.cursor()
            except BaseException:
                if not keep:
                    warm.close()
                raise
        except BaseException:
            self._files.unlock(lock)
            raise
        return Connection(
            cursor, position=position, tenant=tenant, timeout_s=timeout_s, stop=stop, release=release
        )

    def check(self, events_head: int, *, content: bool = False) -> list[ArchiveFinding]:
        """Compare the archive with the log, and its files with the manifest.

        Reads every file and the whole log up to the archive's last position.

        Args:
            events_head: the log's last position.
            content: make every row again from the log and compare: takes about as long as a build.
        Returns:
            What is wrong, each with the file and positions concerned; empty if all is well.
        """
        if not content:
            return self._check(events_head, content=False)
        with self._files.build_locked():
            return self._check(events_head, content=True)

    def _check(self, head: int, *, content: bool) -> list[ArchiveFinding]:
        try:
            current = self.manifest()
        except Damaged as error:
            return [ArchiveFinding("manifest", MANIFEST_NAME, 1, head, str(error))]
        findings = list(findings_of_files(self.directory, current, digests=True))
        findings += findings_of_log(current, self._read, head)
        if content and not any(finding.code == "ahead" for finding in findings):
            findings += self._findings_of_content(current, {f.first_position for f in findings})
        return findings

    def _findings_of_content(self, current: Manifest, known: set[int]) -> Iterator[ArchiveFinding]:
        """Compare the rows of each range with those the log gives.

        Only up to the first range that is `known` to be wrong: from its files it is read where the
        sessions of later ranges stand.
        """
        for range in current.ranges():
            if range.first_position in known:
                return
            for file in self._differing(current, range):
                first, last = file.first_position, file.last_position
                yield ArchiveFinding(
                    "content", file.name, first, last,
                    f"archive file {file.name} (positions {first} to {last}) holds other rows than"
                    " the log gives",
                )  # fmt: skip

    def _differing(self, current: Manifest, range: ArchiveFile) -> list[ArchiveFile]:
        with self._builder(current.before(range.first_position)) as builder:
            return builder.content_differs(current.files_of(range.first_position))

    def rebuild(self, head: int, progress: Progress | None = None) -> int:
        """Make again from the log whatever is wrong, rows included; return how many ranges were.

        An archive that is of another log, ahead of this one or without a readable manifest is made
        again as a whole, up to `head`.

        Raises as `build`; Damaged as well, with nothing changed, when a directory is where a file is to be.
        """
        self._files.check_places()
        with self._files.build_locked():
            self._files.clear_building()
            findings = self._check(head, content=False)
            whole = any(finding.code in ("manifest", "ahead") for finding in findings)
            current = manifest.make(self._log_id, []) if whole else self.manifest()
            if whole:
                self._files.replace_manifest(current)
            else:
                damaged_firsts = {f.first_position for f in findings if f.code != "extra"}
                count = 0
                # In order: a range's cursors are read from the files before it.
                for events_file in current.ranges():
                    first, last = events_file.first_position, events_file.last_position
                    if first in damaged_firsts or self._differing(current, events_file):
                        with self._builder(current.before(first)) as builder:
                            files = builder.write(first - 1, last)
                        current = current.with_range(files)
                        self._files.replace_manifest(current)
                        count += 1
                self._files.sweep(current)
                return count
        self.build(head, progress)
        return len(self.manifest().ranges())

    def _runs(self, current: Manifest) -> list[list[ArchiveFile]]:
        return runs_of_small(current, self._merged_events, self._merged_bytes)

    @contextmanager
    def _builder(self, before: Manifest) -> Iterator[Builder]:
        try:
            with Builder(
                self._files, self._read, before, memory_limit=self._memory_limit, threads=self._threads
            ) as builder:
                yield builder
        except duckdb.Error as error:
            raise AgentlogError(
                f"the archive's files cannot be written: {error}",
                hint="nothing of this range was added; free disk space and build again",
            ) from error
