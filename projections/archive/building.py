"""Writes the Parquet files of ranges of positions: from the log, or from smaller ranges.

A range is written, verified and synced here; it belongs to the archive once its caller has put it into
the manifest. Decides nothing about which ranges there are to be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import duckdb

from eventlog.envelope import Event
from eventlog.errors import Damaged
from projections.archive import duck, staging
from projections.archive.columns import EVENTS, MESSAGES, STAGED, SUMS, TABLES
from projections.archive.directory import ArchiveDirectory
from projections.archive.manifest import ArchiveFile, Manifest, damaged
from projections.archive.rows import Cursor
from projections.archive.staging import Session, Staging

Read = Callable[[int, int | None], Iterable[Sequence[Event]]]


class Builder:
    """Writes ranges, one after the other or any one anew. Close it, or use it in `with`.

    Args:
        before: the archive that the ranges follow: where sessions stand is read from its files, once;
            after that it is remembered from range to range.
    """

    def __init__(
        self, directory: ArchiveDirectory, read: Read, before: Manifest, *, memory_limit: str, threads: int
    ) -> None:
        self._directory = directory
        self._read = read
        self._cursors: dict[Session, Cursor] = {}
        self._connection = duck.open_duckdb(directory.building, memory_limit=memory_limit, threads=threads)
        duck.create_archived(self._connection, directory.path, before)

    def __enter__(self) -> Builder:
        return self

    def __exit__(self, *exc: object) -> None:
        self._connection.close()

    def write(
        self, after: int, until: int, *, range_events: int | None = None, range_bytes: int | None = None
    ) -> list[ArchiveFile]:
        """Write and verify the files of the range that begins behind `after` and ends at `until`.

        Args:
            range_events, range_bytes: end it earlier, at so many events or payload bytes.
        Raises:
            Damaged: the log has not all of it, or a file does not hold what was written.
        """
        batch_events = min(staging.BATCH_EVENTS, range_events or staging.BATCH_EVENTS)
        with self._staging() as staged:
            for batch in staging.batches(blocks(self._read, after, until), batch_events):
                staged.add(batch)
                full = range_events is not None and staged.events >= range_events
                if full or (range_bytes is not None and staged.source_bytes >= range_bytes):
                    break
            first, last = after + 1, staged.last
            # Invariant: a range is every position from `first` to `last`, once.
            assert staged.events == last - after
            files = []
            for table in STAGED:
                target = self._directory.building / f"{table}.parquet"
                if not staged.write_parquet(self._connection, table, target):
                    raise damaged(
                        f"{table} of positions {first} to {last} does not read as it was written",
                        str(target), first, last,
                    )  # fmt: skip
                source_bytes = staged.source_bytes if table == EVENTS else 0
                rows = staged.tables[table].rows
                files.append(self._directory.keep(target, table, first, last, rows, source_bytes))
        return self._with_sums(files)

    def _with_sums(self, files: list[ArchiveFile]) -> list[ArchiveFile]:
        """Return a range's files with those that add up its messages. All their names are durable then."""
        [messages] = [file for file in files if file.table == MESSAGES]
        sums = [self.add_up(table, messages) for table in SUMS]
        self._directory.sync()
        return files + sums

    def add_up(self, table: str, messages: ArchiveFile) -> ArchiveFile:
        """Write and verify the file of a table of sums that belongs to a messages file.

        Raises Damaged: it does not hold what was written.
        """
        first, last = messages.first_position, messages.last_position
        source = duck.added_up(table, duck.parquet([self._directory.path / messages.name]))
        target = self._directory.building / f"{table}.parquet"
        rows = self._rewritten(table, source, target, SUMS_GROUP_ROWS)
        if rows is None:
            raise damaged(
                f"{table} of positions {first} to {last} does not read as it was written",
                str(target), first, last,
            )  # fmt: skip
        return self._directory.keep(target, table, first, last, rows, 0)

    def _rewritten(self, table: str, source: str, target: Path, group_rows: int) -> int | None:
        """Write the rows that `source` reads, in order, and return how many; None if they read otherwise."""
        order = ", ".join(f'"{name}"' for name in TABLES[table].order or ("position",))
        self._connection.execute(
            duck.filled(
                "queries/write_file",
                rows=source,
                columns=duck.column_list(table),
                order=f"order by {order}",
                target=duck.quoted(str(target)),
                row_group_rows=str(group_rows),
            )
        )
        found = content(self._connection, table, duck.parquet([target]))
        return found[0] if found == content(self._connection, table, source) else None

    def content_differs(self, files: Sequence[ArchiveFile]) -> list[ArchiveFile]:
        """Return those files of one range whose rows are not the ones the log gives, or do not read."""
        first, last = files[0].first_position, files[0].last_position
        differing = []
        with self._staging() as staged:
            for batch in staging.batches(blocks(self._read, first - 1, last)):
                staged.add(batch)
            for file in files:
                path = self._directory.path / file.name
                if file.table in SUMS:
                    source = duck.added_up(file.table, staged.source(MESSAGES))
                else:
                    source = staged.source(file.table)
                made = content(self._connection, file.table, source)
                try:
                    found = content(self._connection, file.table, duck.parquet([path]))
                except (duckdb.Error, UnicodeDecodeError):  # it quotes bytes that need not be text
                    found = None
                if made != found:
                    differing.append(file)
        return differing

    def merge(self, ranges: Sequence[Sequence[ArchiveFile]]) -> list[ArchiveFile]:
        """Write ranges that follow each other as one, and verify it against them.

        Raises Damaged: the new files do not hold what the old ones do.
        """
        first, last = ranges[0][0].first_position, ranges[-1][0].last_position
        files = []
        for table in STAGED:
            parts = [file for one in ranges for file in one if file.table == table]
            source = duck.parquet([self._directory.path / file.name for file in parts])
            target = self._directory.building / f"{table}.parquet"
            rows, size = sum(part.rows for part in parts), sum(part.size_bytes for part in parts)
            group_rows = staging.row_group_rows(rows, size * _TEXT_PER_STORED)
            if self._rewritten(table, source, target, group_rows) is None:
                raise damaged(
                    f"{table} of positions {first} to {last} differs from the files it was merged from",
                    str(target), first, last,
                )  # fmt: skip
            source_bytes = sum(part.source_bytes for part in parts)
            files.append(self._directory.keep(target, table, first, last, rows, source_bytes))
        return self._with_sums(files)

    def _staging(self) -> Staging:
        lookup = staging.cursor_lookup(self._connection)
        return Staging(self._directory.building, lookup, cursors=self._cursors, grouped=True)


# Text that a byte of Parquet stands for, about; it bounds the row groups of merged files.
_TEXT_PER_STORED = 6
# Sums are short and all of them are read: large groups, but several to a thread.
SUMS_GROUP_ROWS = 16_384


def content(connection: duckdb.DuckDBPyConnection, table: str, source: str) -> tuple[int, object]:
    """Return the count, and a hash over all columns of all rows in any order."""
    columns = duck.column_list(table)
    row = connection.execute(duck.filled("queries/content", rows=source, columns=columns)).fetchone()
    assert row is not None
    return row


def blocks(read: Read, after: int, until: int) -> Iterator[list[Event]]:
    """Events `after` < position <= `until`, every one of them, or Damaged."""
    position = after
    for block in read(after, until):
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
