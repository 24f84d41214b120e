"""Rows of the log as Postgres has them, damaged or not: the line each stands for, and what is wrong.

Reading a healthy log is eventlog/postgres/reads.py; this never refuses.
"""

from __future__ import annotations

from typing import Any

import msgspec
import zstandard

from eventlog.envelope import Event, NewEvent, StreamId, decode_lines, encode_line, event_hash, us_to_time

PAGE_ROWS = 1_000


class StoredRow(msgspec.Struct, gc=False):
    """One row of `events`.

    Attributes:
        line: the line it stands for; None when none can be made of it.
        hash: hash(n), recomputed from what the row says.
        problem: why it is not what was written, as far as the row alone can tell; "" when it can't.
        chain: the chain value kept in the row, if any.
        stored_hash: the hash column.
    """

    position: int
    stream_id: int
    stream: StreamId | None
    version: int
    time_us: int
    line: bytes | None
    hash: bytes | None
    problem: str
    chain: bytes | None
    stored_hash: bytes

    def event(self) -> Event:
        assert self.line is not None
        return decode_lines(self.line)[0]


class RowReader:
    """Makes StoredRows of what read_rows.sql returns. For use in one thread at a time."""

    def __init__(self) -> None:
        self._decompress = zstandard.ZstdDecompressor().decompress

    def read(self, row: Any) -> StoredRow:
        (position, stream_id, tenant, kind, key, version, type, schema, id, time_us, occurred_at, encoding,
         compressed, data, meta, stored_hash, chain) = row  # fmt: skip
        stream = StreamId(tenant, kind, key) if tenant is not None else None
        found = StoredRow(
            position, stream_id, stream, version, time_us, None, None, "", chain, stored_hash
        )  # fmt: skip
        if stream is None:
            found.problem = "its stream is missing"
            return found
        try:
            data = self._decompress(data) if compressed else data
            hash = event_hash(stream, type, schema, id, occurred_at, encoding, data, meta)
            new = NewEvent(stream, type, schema, id, occurred_at, encoding, data, meta, hash)
            found.line = encode_line(new, position, version, us_to_time(time_us))
        except zstandard.ZstdError as error:
            found.problem = f"its data cannot be decompressed: {error}"
            return found
        except (ValueError, OverflowError) as error:
            found.problem = f"it cannot be written as a line: {error}"
            return found
        found.hash = hash
        if hash != stored_hash:
            found.problem = "it does not match its hash"
        return found
