"""Hands rows to DuckDB: batches of events become NDJSON files that DuckDB reads with declared types.

Of the ways without pyarrow this is the one that DuckDB 1.3 and 2.0 share, and the quickest of those
that were measured (docs/decisions/0016). It does not decide where ranges end.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter
from pathlib import Path
from types import TracebackType
from typing import Any

import duckdb

from eventlog.envelope import Event
from eventlog.events import SESSION
from projections.archive import duck
from projections.archive.columns import (
    EVENTS,
    MESSAGES,
    SESSION_CHANGES,
    STAGED,
    SUMS,
    TABLES,
    MessageRow,
    encode_rows,
)
from projections.archive.rows import Cursor, moves_cursor, rows_of

BATCH_EVENTS = 16_384
BATCH_BYTES = 32 * 1024 * 1024
ROW_GROUP_ROWS = 4_096  # a session is read by whole groups: 124 ms in groups of 16,384, 29 ms in these
ROW_GROUP_BYTES = 64 * 1024 * 1024
_ENCODED_ROWS = 2_048
_FRESH = Cursor()

Session = tuple[str, str]  # tenant, session
Lookup = Callable[[Sequence[Session]], dict[Session, Cursor]]


class StagedTable:
    """The staged rows of one table, and what must be found in the file made of them."""

    def __init__(self, path: Path, texts: Sequence[str]) -> None:
        self.path = path
        self.rows = 0
        self.first = 0
        self.last = 0
        self.positions_sum = 0
        self.characters = 0
        self.bytes = 0
        self.longest = 0
        self._texts = attrgetter(*texts) if len(texts) > 1 else lambda row: (getattr(row, texts[0]),)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)

    def add(self, rows: Sequence[Any]) -> None:
        """Write rows, in whatever order."""
        if not rows:
            return
        lines, texts = encode_rows(rows), self._texts
        positions = [row.position for row in rows]
        self.rows += len(rows)
        self.first = min(self.first or positions[0], *positions)
        self.last = max(self.last, *positions)
        self.positions_sum += sum(positions)
        self.characters += sum([len(text) for row in rows for text in texts(row) if text])
        self.bytes += len(lines)
        self.longest = max(self.longest, _longest_line(lines))
        view = memoryview(lines)
        while view:
            view = view[os.write(self._file, view) :]

    def found(self) -> tuple[int, ...]:
        """Return what queries/verify_file.sql must give."""
        return self.rows, self.first, self.last, self.positions_sum, self.characters

    @property
    def object_bytes_max(self) -> int:
        # DuckDB allocates twice this per thread; its own default is 16 MiB.
        return max(self.longest + 1024, 1024 * 1024)

    @property
    def row_group_rows(self) -> int:
        return row_group_rows(self.rows, self.bytes)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def row_group_rows(rows: int, size: int) -> int:
    """Rows in a group: a multiple of DuckDB's vector of 2,048, fewer when rows are long."""
    fitting = ROW_GROUP_BYTES * rows // max(size, 1)
    return max(2048, min(ROW_GROUP_ROWS, fitting // 2048 * 2048))


class Staging:
    """Three files of rows in `directory`, removed on exit.

    Args:
        lookup: tells where the sessions of the first events stand; from there the cursors are folded.
        cursors: as an earlier staging of the same run left them; the sessions in it are not looked up.
        grouped: hold messages back and write them by session, as a Parquet file has them. Takes as much
            memory as they do. Otherwise they are written as they come.
    """

    def __init__(
        self,
        directory: Path,
        lookup: Lookup,
        *,
        cursors: dict[Session, Cursor] | None = None,
        grouped: bool = False,
    ) -> None:
        self.tables = {
            table: StagedTable(directory / f"{table}.ndjson", TABLES[table].texts) for table in STAGED
        }
        self.source_bytes = 0
        self.events = 0
        self.last = 0
        self._lookup = lookup
        self.cursors = {} if cursors is None else cursors
        self._grouped = grouped
        self._groups: dict[Session, list[MessageRow]] = {}

    def __enter__(self) -> Staging:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for staged in self.tables.values():
            staged.close()
            staged.path.unlink(missing_ok=True)

    def add(self, batch: Sequence[Event]) -> None:
        """Stage the rows of the next events."""
        self._find_cursors(batch)
        cursors, groups = self.cursors, self._groups
        events, changes = [], []
        for event in batch:
            session = (event.tenant, event.stream.key)
            (row, message, change), cursor = rows_of(event, cursors.get(session, _FRESH))
            if message is not None:
                cursors[session] = cursor
                group = groups.get(session)
                if group is None:
                    groups[session] = [message]
                else:
                    group.append(message)
            else:
                events.append(row)
                if change is not None:
                    changes.append(change)
                    if moves_cursor(event):  # of one that does not, nobody has looked up where it stands
                        cursors[session] = cursor
            self.source_bytes += len(bytes(event.data)) + len(bytes(event.meta))
        self.events += len(batch)
        self.last = batch[-1].position
        self.tables[EVENTS].add(events)
        self.tables[SESSION_CHANGES].add(changes)
        if not self._grouped:
            self._write_messages()

    def _find_cursors(self, batch: Sequence[Event]) -> None:
        cursors, unknown = self.cursors, set()
        for event in batch:
            if event.stream.kind == SESSION:
                session = (event.tenant, event.stream.key)
                if event.version == 1:
                    cursors[session] = _FRESH  # nothing of it can have been archived
                elif session not in cursors and moves_cursor(event):
                    unknown.add(session)
        if unknown:
            found = self._lookup(sorted(unknown))
            cursors.update((session, found.get(session, _FRESH)) for session in unknown)

    def _write_messages(self) -> None:
        """Write the messages that were held back, by session."""
        staged, rows = self.tables[MESSAGES], []
        for session in sorted(self._groups):
            rows += self._groups.pop(session)
            if len(rows) >= _ENCODED_ROWS:
                staged.add(rows)
                rows = []
        staged.add(rows)

    def write_parquet(self, connection: duckdb.DuckDBPyConnection, table: str, target: Path) -> bool:
        """Write one table's file, and say whether it holds what was staged."""
        staged = self._finished(table)
        order = ", ".join(f'"{name}"' for name in TABLES[table].order)
        grouped = table == MESSAGES and self._grouped
        connection.execute(
            duck.filled(
                "queries/write_file",
                rows=self.source(table),
                columns=duck.column_list(table),
                order=f"order by {order}" if order and not grouped else "",
                target=duck.quoted(str(target)),
                row_group_rows=str(staged.row_group_rows),
            )
        )
        characters = " + ".join(f'coalesce(sum(length("{name}")), 0)' for name in TABLES[table].texts)
        found = connection.execute(
            duck.filled("queries/verify_file", file=duck.quoted_list([str(target)]), characters=characters)
        ).fetchone()
        return found == staged.found()

    def source(self, table: str) -> str:
        """Return SQL that reads the staged rows of a table."""
        staged = self._finished(table)
        return duck.filled(
            "queries/staged",
            rows=duck.quoted(str(staged.path)),
            struct=duck.column_struct(table),
            object_bytes_max=str(staged.object_bytes_max),
        )

    def fill_tail(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Put the staged rows into the tables of the schema `tail`."""
        for table, staged in self.tables.items():
            if staged.rows:
                _add_to_tail(connection, table, self.source(table), duck.column_list(table))

    def _finished(self, table: str) -> StagedTable:
        if table == MESSAGES:
            self._write_messages()
        staged = self.tables[table]
        staged.close()
        return staged


def _add_to_tail(connection: duckdb.DuckDBPyConnection, table: str, rows: str, columns: str) -> None:
    connection.execute(duck.filled("views/table_tail_fill", table=table, columns=columns, rows=rows))


def create_tail(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the tables of the schema `tail`, without rows."""
    for table in TABLES:
        name = _kept(table) if table in SUMS else table
        connection.execute(duck.filled("views/table_tail", table=name, types=duck.column_types(table)))
    show_tail_sums(connection)


def add_up_tail(connection: duckdb.DuckDBPyConnection, after: int) -> None:
    """Keep the sums of the tail's messages of positions above `after`, up to which they are kept already."""
    for table in SUMS:
        _add_to_tail(connection, _kept(table), _newest(table, after), duck.column_list(table))
    show_tail_sums(connection)


def show_tail_sums(connection: duckdb.DuckDBPyConnection, newest_after: int | None = None) -> None:
    """Show the kept sums, and those of messages of positions above `newest_after`; None: of no others."""
    for table in SUMS:
        columns = duck.column_list(table)
        parts = [f"tail.{_kept(table)}"]
        if newest_after is not None:
            parts.append(_newest(table, newest_after))
        rows = " union all ".join(f"select {columns} from {part}" for part in parts)
        connection.execute(duck.filled("views/tail_sums", table=table, rows=rows))


def _kept(table: str) -> str:
    """The table that holds the sums which are kept; `table` itself is a view of these and of the newest."""
    return f"kept_{table}"


def _newest(table: str, after: int) -> str:
    """SQL that adds up the tail's messages of positions above `after`, as a part of a FROM."""
    return duck.added_up(table, f"tail.{MESSAGES} where position > {after}")


def batches(
    blocks: Iterable[Sequence[Event]], events_max: int = BATCH_EVENTS, bytes_max: int = BATCH_BYTES
) -> Iterator[list[Event]]:
    """Join blocks to batches: one lookup per batch, and bounded memory."""
    batch: list[Event] = []
    size = 0
    for block in blocks:
        for event in block:
            batch.append(event)
            size += len(bytes(event.data))
            if len(batch) >= events_max or size >= bytes_max:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch


def cursor_lookup(connection: duckdb.DuckDBPyConnection) -> Lookup:
    """Return a lookup that reads cursors back from the tables in the schema `archived`."""

    def lookup(sessions: Sequence[Session]) -> dict[Session, Cursor]:
        found = connection.execute(
            duck.sql("queries/cursors"),
            {"tenants": [tenant for tenant, _ in sessions], "sessions": [key for _, key in sessions]},
        ).fetchall()
        return {(tenant, key): Cursor(generation, seq) for tenant, key, generation, seq in found}

    return lookup


def _longest_line(lines: bytes) -> int:
    longest = start = 0
    while (end := lines.find(b"\n", start)) >= 0:
        longest = max(longest, end - start)
        start = end + 1
    return max(longest, len(lines) - start)
