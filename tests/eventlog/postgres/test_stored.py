"""What is stored otherwise than it stands on a line comes back as it was."""

from __future__ import annotations

import asyncpg
import pytest
import zstandard

from eventlog.envelope import time_to_us
from eventlog.postgres.stored import DataCompressor, take_times_as_text


def test_only_data_that_gets_smaller_is_stored_compressed():
    """Noise would grow; small data is not worth the time."""
    compressor = DataCompressor(64, 3)
    large = b"again and again " * 100
    compressed, stored = compressor.stored(large)
    assert compressed
    assert len(stored) < len(large)
    assert zstandard.ZstdDecompressor().decompress(stored) == large
    noise = bytes(range(256))
    assert compressor.stored(noise) == (False, noise)
    assert compressor.stored(large[:63]) == (False, large[:63])


@pytest.mark.parametrize(
    "time", ["0001-01-01T00:00:00.000000Z", "2026-11-22T07:44:36.123456Z", "9999-12-31T23:59:59.999999Z"]
)
async def test_times_come_back_to_the_microsecond_in_any_year(admin: asyncpg.Connection, time: str):
    """By itself asyncpg sends the first and the last of these as infinities."""
    await take_times_as_text(admin)
    assert await admin.fetchval("SELECT $1::timestamptz", time) == time_to_us(time)
    shown = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
    assert await admin.fetchval("SELECT to_char($1::timestamptz AT TIME ZONE 'UTC', $2)", time, shown) == time
