"""Either copy is made again from the other, byte for byte."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import zstandard

from eventlog.command import Command
from eventlog.directory import DataDirectory
from eventlog.errors import BadInput, CopiesDisagree, Damaged
from eventlog.events import new
from eventlog.io import SystemIo
from eventlog.segment.directory import SegmentDirectory
from replay.blocks import readable_blocks
from replay.restore import restore_postgres, restore_segments
from replay.verify import verify
from tests.replay.support import OTHER, SESSION, Spoiled, message

EVENTS = (
    "SELECT position, stream_id, version, type, schema, id, time, occurred_at, encoding, hash, chain"
    " FROM {schema}.events ORDER BY position"
)


def lines(data: Path) -> bytes:
    """All lines of the segments, as any zstd tool gives them."""
    reader = zstandard.ZstdDecompressor()
    text = b""
    for path in sorted((data / "segments").glob("*.ndjson.zst")):
        with path.open("rb") as file, reader.stream_reader(file, read_across_frames=True) as stream:
            text += stream.read()
    return text


async def test_postgres_comes_back_from_the_segments(spoiled: Spoiled):
    """Events, streams, chain, projections; the log opens and goes on as if nothing had been."""
    await spoiled.fill()
    log = await spoiled.log()
    await log.append(Command([new(OTHER, message("big", "x" * 5000), id=spoiled.ids.next(),
                                  occurred_at="0001-01-01T00:00:00.000000Z")]))  # fmt: skip
    await log.append(Command([new(SESSION, message(f"b{n}"), id=spoiled.ids.next()) for n in range(5)]))
    await spoiled.close()
    before, tables, text = await spoiled.sql(EVENTS), await spoiled.tables(), lines(spoiled.data)
    await spoiled.sql("DROP SCHEMA {schema} CASCADE")
    report = await restore_postgres(spoiled.data, spoiled.postgres, settings=spoiled.settings)
    assert report.events == 19
    assert await spoiled.sql(EVENTS) == before
    assert await spoiled.tables() == tables
    assert (await spoiled.sql("SELECT epoch FROM {schema}.head"))[0]["epoch"] == 2
    await spoiled.append(SESSION, message("after"))
    assert await verify(await spoiled.log()) == []
    assert lines(spoiled.data).startswith(text)


async def test_each_block_tells_the_epoch_of_its_writer(spoiled: Spoiled):
    """Whoever looks into a segment sees which side of a restore or repair a block is from."""
    await spoiled.append(SESSION, message("a"), message("b"))
    await spoiled.close()
    assert epochs(spoiled) == [1, 1]
    await spoiled.sql("DROP SCHEMA {schema} CASCADE")
    await restore_postgres(spoiled.data, spoiled.postgres, settings=spoiled.settings)
    await spoiled.append(SESSION, message("c"))
    await spoiled.close()
    assert epochs(spoiled) == [1, 1, 2]
    spoiled.data = spoiled.data.with_name("again")
    await restore_segments(spoiled.data, spoiled.postgres, settings=spoiled.settings)
    assert set(epochs(spoiled)) == {2}


def epochs(spoiled: Spoiled) -> list[int]:
    """The writer epoch in each block header of the segments."""
    directory = DataDirectory(spoiled.data, SystemIo())
    assert directory.log_id is not None
    segments = SegmentDirectory(str(directory.segments), SystemIo())
    blocks = readable_blocks(SystemIo(), segments, directory.log_id, 1 << 40)
    return [block.header.epoch for block in blocks]


async def test_a_restored_postgres_still_knows_the_idempotency_keys(spoiled: Spoiled):
    """Or whoever repeats a command after the restore would append it twice."""
    await spoiled.fill()
    events = [new(SESSION, message(f"keyed {n}"), id=spoiled.ids.next()) for n in range(2)]
    first = await (await spoiled.log()).append(Command(events, idempotency_key="once"))
    await spoiled.close()
    await spoiled.sql("DROP SCHEMA {schema} CASCADE")
    await restore_postgres(spoiled.data, spoiled.postgres, settings=spoiled.settings)
    log = await spoiled.log()
    again = await log.append(Command(events[:1], idempotency_key="once"))
    assert again.duplicate
    assert (again.first_position, again.last_position) == (first.first_position, first.last_position)
    assert await verify(log) == []


async def test_a_key_whose_time_is_over_is_not_restored(spoiled: Spoiled):
    """It was forgotten; a restore must not bring it back."""
    await spoiled.fill()
    event = new(SESSION, message("keyed"), id=spoiled.ids.next())
    await (await spoiled.log()).append(Command([event], idempotency_key="once"))
    await spoiled.close()
    await spoiled.sql("DROP SCHEMA {schema} CASCADE")
    brief = msgspec.structs.replace(spoiled.settings, idempotency_ttl_s=0.000001)
    await restore_postgres(spoiled.data, spoiled.postgres, settings=brief)
    assert await spoiled.sql("SELECT * FROM {schema}.idempotency_keys") == []


async def test_an_empty_log_is_restored_as_well(spoiled: Spoiled):
    """With its identity, so that the directory still belongs to it."""
    await spoiled.log()
    await spoiled.close()
    await spoiled.sql("DROP SCHEMA {schema} CASCADE")
    await restore_postgres(spoiled.data, spoiled.postgres, settings=spoiled.settings)
    assert await verify(await spoiled.log()) == []


async def test_a_schema_that_holds_events_is_not_restored_into(spoiled: Spoiled):
    """Whatever it holds, it may be all there is of it."""
    await spoiled.fill()
    await spoiled.close()
    with pytest.raises(BadInput, match="holds events up to position 13"):
        await restore_postgres(spoiled.data, spoiled.postgres, settings=spoiled.settings)


async def test_damaged_segments_restore_nothing(spoiled: Spoiled):
    """Half a log would look like a whole one."""
    await spoiled.fill()
    await spoiled.close()
    await spoiled.sql("DROP SCHEMA {schema} CASCADE")
    path = spoiled.segments()[0]
    content = bytearray(path.read_bytes())
    content[700] ^= 1
    path.write_bytes(content)
    with pytest.raises(Damaged):
        await restore_postgres(spoiled.data, spoiled.postgres, settings=spoiled.settings)
    assert await spoiled.sql("SELECT FROM pg_tables WHERE schemaname = '{schema}'") == []


async def test_a_torn_tail_is_no_obstacle(spoiled: Spoiled):
    """Nobody was promised those bytes; a crash that took Postgres along leaves them."""
    await spoiled.fill()
    await spoiled.close()
    await spoiled.sql("DROP SCHEMA {schema} CASCADE")
    with spoiled.segments()[0].open("ab") as file:
        file.write(b"\x50\x2a\x4d")
    await restore_postgres(spoiled.data, spoiled.postgres, settings=spoiled.settings)
    assert await verify(await spoiled.log()) == []


async def test_segments_come_back_from_postgres(spoiled: Spoiled):
    """The same lines; blocks may be cut otherwise."""
    await spoiled.fill()
    await spoiled.append(OTHER, message("big", "x" * 5000), message("float", "0.10"))
    await spoiled.close()
    text = lines(spoiled.data)
    for path in (spoiled.data / "segments").iterdir():
        path.unlink()
    report = await restore_segments(spoiled.data, spoiled.postgres, settings=spoiled.settings)
    assert report.events == 15
    assert lines(spoiled.data) == text
    assert await verify(await spoiled.log()) == []


async def test_another_host_gets_its_segments_the_same_way(spoiled: Spoiled, tmp_path: Path):
    """A new directory is tied to the log it is filled from."""
    await spoiled.fill()
    await restore_segments(tmp_path / "second", spoiled.postgres, settings=spoiled.settings)
    assert lines(tmp_path / "second") == lines(spoiled.data)


async def test_segments_are_not_restored_over_segments_or_into_another_logs_directory(
    spoiled: Spoiled, tmp_path: Path, schema_name: str
):
    """They may be the only copy."""
    await spoiled.fill()
    await spoiled.close()
    with pytest.raises(BadInput, match="holds segments"):
        await restore_segments(spoiled.data, spoiled.postgres, settings=spoiled.settings)
    other = Spoiled(tmp_path / "other", spoiled.postgres, f"{schema_name}_other")
    await other.log()
    await other.close()
    with pytest.raises(CopiesDisagree):
        await restore_segments(tmp_path / "other", spoiled.postgres, settings=spoiled.settings)
