"""Hands rows to DuckDB: batches of events become NDJSON files that DuckDB reads with declared types.

Of the ways without pyarrow this is the one that DuckDB 1.3 and 2.0 share, and it streams: memory
is one batch of rows, whatever the range. It does not decide where ranges end.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType

import duckdb
import msgspec

from eventlog.envelope import Event
from projections.archive import duck
from projections.archive.columns import EVENTS, MESSAGES, SESSION_CHANGES, TABLES, encode_rows
from projections.archive.rows import Cursor, moves_cursor, rows_of

BATCH_EVENTS = 8192
BATCH_BYTES = 32 * 1024 * 1024
ROW_GROUP_ROWS = 32_768  # larger groups run out of memory at 512 MB
ROW_GROUP_BYTES = 64 * 1024 * 1024

Session = tuple[str, str]  # tenant, session
Lookup = Callable[[Sequence[Session]], dict[Session, Cursor]]


class StagedTable:
    """The staged rows of one table, and what must be found in the file made of them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = 0
        self.first = 0
        self.last = 0
        self.positions_sum = 0
        self.bytes = 0
        self.longest = 0
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)

    def add(self, rows: Sequence[msgspec.Struct], positions: Sequence[int]) -> None:
        if not rows:
            return
        lines = encode_rows(rows)
        self.rows += len(rows)
        self.first = self.first or positions[0]
        self.last = positions[-1]
        self.positions_sum += sum(positions)
        self.bytes += len(lines)
        self.longest = max(self.longest, _longest_line(lines))
        view = memoryview(lines)
        while view:
            view = view[os.write(self._file, view) :]

    def found(self) -> tuple[int, int, int, int]:
        """Return what queries/verify_file.sql must give."""
        return self.rows, self.first, self.last, self.positions_sum

    @property
    def object_bytes_max(self) -> int:
        # DuckDB allocates twice this per thread; its own default is 16 MiB.
        return max(self.longest + 1024, 1024 * 1024)

    @property
    def row_group_rows(self) -> int:
        """Rows in a group: a multiple of DuckDB's vector of 2,048, fewer when rows are long."""
        fitting = ROW_GROUP_BYTES * self.rows // max(self.bytes, 1)
        return max(2048, min(ROW_GROUP_ROWS, fitting // 2048 * 2048))

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class Staging:
    """Three files of rows in `directory`, removed on exit.

    `lookup` tells where the sessions of the first events stand; from there the cursors are folded.
    """

    def __init__(self, directory: Path, lookup: Lookup) -> None:
        self.tables = {table: StagedTable(directory / f"{table}.ndjson") for table in TABLES}
        self.source_bytes = 0
        self._lookup = lookup
        self._cursors: dict[Session, Cursor] = {}

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
        needed = {(event.tenant, event.stream.key) for event in batch if moves_cursor(event)}
        unknown = sorted(needed - self._cursors.keys())
        if unknown:
            found = self._lookup(unknown)
            self._cursors.update((session, found.get(session, Cursor())) for session in unknown)
        rows: dict[str, list[msgspec.Struct]] = {table: [] for table in TABLES}
        positions: dict[str, list[int]] = {table: [] for table in TABLES}
        for event in batch:
            session = (event.tenant, event.stream.key)
            made, cursor = rows_of(event, self._cursors.get(session, Cursor()))
            if session in needed:
                self._cursors[session] = cursor
            for table, row in (
                (EVENTS, made.event),
                (MESSAGES, made.message),
                (SESSION_CHANGES, made.change),
            ):
                if row is not None:
                    rows[table].append(row)
                    positions[table].append(event.position)
            self.source_bytes += len(bytes(event.data)) + len(bytes(event.meta))
        for table, staged in self.tables.items():
            staged.add(rows[table], positions[table])

    def write_parquet(self, connection: duckdb.DuckDBPyConnection, table: str, target: Path) -> bool:
        """Write one table's file, and say whether it holds what was staged."""
        staged = self.tables[table]
        staged.close()
        order = ", ".join(f'"{name}"' for name in TABLES[table].order)
        connection.execute(
            duck.filled(
                "queries/write_file",
                rows=duck.quoted(str(staged.path)),
                columns=duck.column_list(table),
                struct=duck.column_struct(table),
                object_bytes_max=str(staged.object_bytes_max),
                order=f"order by {order}" if order else "",
                target=duck.quoted(str(target)),
                row_group_rows=str(staged.row_group_rows),
            )
        )
        found = connection.execute(
            duck.filled("queries/verify_file", file=duck.quoted_list([str(target)]))
        ).fetchone()
        return found == staged.found()

    def fill_tail(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Put the staged rows into the tables of the schema `tail`."""
        for table, staged in self.tables.items():
            staged.close()
            if staged.rows:
                connection.execute(
                    duck.filled(
                        "views/table_tail_fill",
                        table=table,
                        columns=duck.column_list(table),
                        rows=duck.quoted(str(staged.path)),
                        struct=duck.column_struct(table),
                        object_bytes_max=str(staged.object_bytes_max),
                    )
                )


def create_tail(connection: duckdb.DuckDBPyConnection) -> None:
    for table in TABLES:
        connection.execute(duck.filled("views/table_tail", table=table, types=duck.column_types(table)))


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
