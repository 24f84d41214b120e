"""DuckDB instances that are kept from question to question, and brought level with the log at each.

Opening one takes tens of milliseconds, and reading 100,000 events that are in no Parquet file yet takes
seconds; a question should not pay for that again. Each is a cache: of one manifest, one price table and one
tenant, thrown away when one of them changes, when its process ends, and in a forked child.
"""

from __future__ import annotations

import os
import shutil
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import duckdb

from projections.archive import duck, staging
from projections.archive.building import Read, blocks
from projections.archive.columns import MESSAGES
from projections.archive.directory import ArchiveDirectory
from projections.archive.manifest import Manifest
from projections.archive.prices import BUNDLED, state_of
from projections.archive.rows import Cursor
from projections.archive.staging import Session, Staging
from projections.archive.stopping import AGAIN_S, Stop

# So many messages are added up anew when sums are asked for: adding them up at each step would cost every
# question 8 ms. While there are none, no view speaks of them: planning that takes 2 ms.
NEWEST_MAX = 4_096
_INSTANCES_MAX = 2  # kept open, each with memory of its own

# Names of the files, tenant, state of the price table.
_Key = tuple[tuple[str, ...], str | None, tuple[int, int, int] | None]


class Warm:
    """Views over the files of one manifest, and over a tail that grows. Any number of threads.

    Attributes:
        position: the last position that is seen.
    """

    def __init__(
        self,
        directory: ArchiveDirectory,
        current: Manifest,
        tenant: str | None,
        prices: Path,
        *,
        memory_limit: str,
        threads: int,
    ) -> None:
        self.position = current.archive_position
        self._spill, lock = directory.new_spill()
        self._lock = Lock()
        self._cursors: dict[Session, Cursor] = {}
        self._newest = 0  # how many messages in the tail are not in its kept sums
        self._summed_position = 0  # up to which the others are
        self._pid = os.getpid()
        try:
            self._connection = duck.open_duckdb(self._spill, memory_limit=memory_limit, threads=threads)
        except BaseException:
            _discard(None, self._spill, directory, lock, self._pid)
            raise
        # Also when nobody closes it: with the last reference, or at the end of the process.
        self.close = weakref.finalize(
            self, _discard, self._connection, self._spill, directory, lock, self._pid
        )
        try:
            duck.create_archived(self._connection, directory.path, current)
            staging.create_tail(self._connection)
            duck.create_views(self._connection, tenant, prices)
            duck.lock_down(
                self._connection, [directory.path / file.name for file in current.files], self._spill
            )
        except BaseException:
            self.close()
            raise

    @property
    def usable(self) -> bool:
        """Whether this is the process that opened it: a child of a fork has none of DuckDB's threads."""
        return self._pid == os.getpid()

    def advance(self, read: Read, head: int, stop: Stop) -> None:
        """Add to the tail what the log has up to `head`: all of it, or nothing when it is stopped.

        Raises Damaged; Closed: the question is to stop.
        """
        with self._turn(stop):
            if head <= self.position:
                return
            # Sessions in no file and not in the tail are looked up in the files; the rest is remembered.
            with Staging(
                self._spill, staging.cursor_lookup(self._connection), cursors=dict(self._cursors)
            ) as staged:
                for batch in staging.batches(stop.between(blocks(read, self.position, head))):
                    staged.add(batch)
                self._connection.execute("begin")
                try:
                    newest = self._newest + staged.tables[MESSAGES].rows
                    with stop.working(self._connection):
                        staged.fill_tail(self._connection)
                        if newest >= NEWEST_MAX:
                            staging.add_up_tail(self._connection, self._summed_position)
                        elif newest and not self._newest:
                            staging.show_tail_sums(self._connection, self._summed_position)
                    self._connection.execute("commit")
                except BaseException:
                    self._connection.execute("rollback")
                    raise
                self._cursors = staged.cursors
            if newest >= NEWEST_MAX:
                newest, self._summed_position = 0, head
            self._newest = newest
            self.position = head

    @contextmanager
    def _turn(self, stop: Stop) -> Iterator[None]:
        """Wait until no other question adds to the tail."""
        while not self._lock.acquire(timeout=AGAIN_S):
            stop.check()
        try:
            yield
        finally:
            self._lock.release()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a connection of one's own to the same views."""
        return self._connection.cursor()


class Instances:
    """Opens instances over one archive, and keeps those that another question may use. Any number of threads.

    Args:
        prices: a price table; while there is no such file, the bundled one counts.
    """

    def __init__(self, directory: ArchiveDirectory, prices: Path, *, memory_limit: str, threads: int) -> None:
        self._directory = directory
        self._prices = prices
        self._memory_limit = memory_limit
        self._threads = threads
        self._kept: dict[_Key, Warm] = {}
        self._lock = Lock()

    def kept(self, current: Manifest, tenant: str | None) -> Warm:
        """Return the instance of an earlier question, if it still fits, or a new one to be kept."""
        key = (tuple(file.name for file in current.files), tenant, state_of(self._prices))
        with self._lock:
            warm = self._kept.pop(key, None)
            if warm is None or not warm.usable:
                # Those of another manifest or price table fit no question any more. Who still asks
                # one holds a cursor, and so DuckDB itself, until that is closed.
                self._kept = {known: kept for known, kept in self._kept.items() if known[::2] == key[::2]}
                while len(self._kept) >= _INSTANCES_MAX:
                    self._kept.pop(next(iter(self._kept)))
                warm = self.new(current, tenant)
            self._kept[key] = warm  # last: the one that was used last is thrown away last
            return warm

    def new(self, current: Manifest, tenant: str | None) -> Warm:
        """Open one that is not kept: the caller closes it."""
        return Warm(
            self._directory, current, tenant, self._prices if self._prices.exists() else BUNDLED,
            memory_limit=self._memory_limit, threads=self._threads,
        )  # fmt: skip

    def close(self) -> None:
        """Close those that are kept; further ones may be opened."""
        with self._lock:
            kept, self._kept = self._kept.values(), {}
        for warm in kept:
            warm.close()


def _discard(
    connection: duckdb.DuckDBPyConnection | None,
    spill: Path,
    directory: ArchiveDirectory,
    lock: int,
    pid: int,
) -> None:
    if pid != os.getpid():
        return  # the parent still uses it
    if connection is not None:
        connection.close()
    shutil.rmtree(spill, ignore_errors=True)
    directory.unlock(lock)
