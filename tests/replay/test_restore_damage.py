"""Restore looks at every byte first, also of sealed segments, which open without a complaint."""

from __future__ import annotations

import pytest

from eventlog.errors import Damaged
from replay.restore import restore_postgres
from tests.replay.support import SESSION, Spoiled, message
from tests.replay.test_repair import flip, offset_in


async def test_damage_in_a_sealed_segment_is_named_and_nothing_is_restored(spoiled: Spoiled):
    """Opening checks sealed segments by their ends alone, and half a log would look like a whole one."""
    await spoiled.log(segment_bytes_max=4096)
    await spoiled.append(SESSION, *[message(f"m{n}", f"{n} " * 3000) for n in range(60)])
    assert len(spoiled.segments()) > 2
    path, offset = offset_in(await spoiled.log(), 5, "frame")
    assert path == spoiled.segments()[0]
    await spoiled.close()
    await spoiled.sql("DROP SCHEMA {schema} CASCADE")
    flip(path, offset)
    with pytest.raises(Damaged) as found:
        await restore_postgres(spoiled.data, spoiled.postgres, settings=spoiled.settings)
    assert (found.value.first_position, found.value.last_position) == (5, 5)
    assert await spoiled.sql("SELECT FROM pg_tables WHERE schemaname = '{schema}'") == []
