"""Events from their lines back into rows of Postgres, by COPY: for restore and repair.

The bytes of `data` and `meta` are those of the line; whether `data` is stored compressed is no part
of the event. No transaction begins or ends here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import asyncpg

from eventlog.envelope import Event, StreamId
from eventlog.postgres.stored import DataCompressor
from eventlog.settings import Settings
from replay.statements import filled

_COLUMNS = (
    "position", "stream_id", "version", "type", "schema", "id", "time", "occurred_at",
    "encoding", "compressed", "data", "meta", "hash", "chain",
)  # fmt: skip

Record = tuple[Any, ...]


class RecordMaker:
    """Makes records of events. For use in one thread at a time."""

    def __init__(self, settings: Settings) -> None:
        self._stored = DataCompressor(settings.compress_min_bytes, settings.zstd_level).stored

    def record(self, event: Event, stream_id: int, hash: bytes, chain: bytes | None) -> Record:
        """Return the row of an event; `chain` is kept in the last row of a batch."""
        compressed, data = self._stored(bytes(event.data))
        return (
            event.position, stream_id, event.version, event.type, event.schema, event.id, event.time,
            event.occurred_at, event.encoding, compressed, data, bytes(event.meta), hash, chain,
        )  # fmt: skip


async def copy_events(connection: asyncpg.Connection, schema: str, records: Sequence[Record]) -> None:
    """Add rows to `events`. Their positions must be free; the connection takes times as text (stored.py)."""
    await connection.copy_records_to_table(
        "events", schema_name=schema, columns=_COLUMNS, records=records, timeout=None
    )


async def copy_streams(
    connection: asyncpg.Connection, schema: str, streams: Iterable[tuple[int, StreamId, int]]
) -> None:
    """Add rows to `streams`, each (id, identity, version), and let new ids begin behind them."""
    records = [(id, *stream, version) for id, stream, version in streams]
    if records:
        await connection.copy_records_to_table(
            "streams",
            schema_name=schema,
            columns=("id", "tenant", "kind", "key", "version"),
            records=records,
            timeout=None,
        )
    await connection.fetch(filled("advance_stream_ids", schema=schema), f"{schema}.streams")
