"""How an event's values stand in Postgres where that differs from the line: times, and large data.

For whoever writes rows: appends here, restore and repair in `replay`. Reading them back is reads.py.
"""

from __future__ import annotations

import asyncpg
import zstandard

from eventlog.envelope import time_to_us

_EPOCH_US = time_to_us("2000-01-01T00:00:00Z")


class DataCompressor:
    """Makes large data smaller. One per thread: sharing one between threads crashes."""

    def __init__(self, compress_min_bytes: int, zstd_level: int) -> None:
        self._compress_min_bytes = compress_min_bytes
        self._compress = zstandard.ZstdCompressor(level=zstd_level).compress

    def stored(self, data: bytes) -> tuple[bool, bytes]:
        """Return (compressed, data) as the row has them; compressed only when that is smaller."""
        if len(data) < self._compress_min_bytes:
            return False, data
        smaller = self._compress(data)
        return (True, smaller) if len(smaller) < len(data) else (False, data)


async def take_times_as_text(connection: asyncpg.Connection) -> None:
    """Let a connection take times as they stand on a line, and give them as microseconds since 1970."""
    # asyncpg sends the first and the last moment of datetime as infinities, which name no time
    # when read back; the year 1 is what Go programs write for "no time".
    await connection.set_type_codec(
        "timestamptz", schema="pg_catalog", format="tuple", encoder=_to_postgres, decoder=_from_postgres
    )


def _to_postgres(time: str) -> tuple[int]:
    """A time as on a line, in microseconds since 2000, as Postgres counts."""
    return (time_to_us(time) - _EPOCH_US,)


def _from_postgres(value: tuple[int]) -> int:
    return value[0] + _EPOCH_US
