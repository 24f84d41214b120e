"""Repair keeps to an order: what gets a name is on disk, and what moved on meanwhile is left alone."""

from __future__ import annotations

import asyncpg
import msgspec
import pytest

from eventlog.errors import CopiesDisagree
from eventlog.io import SystemIo
from replay.repair import repair
from replay.repair_postgres import PostgresRepair
from replay.report import no_progress
from replay.site import open_site
from replay.verify import look
from tests.replay.support import SESSION, Spoiled, message
from tests.replay.test_repair import flip, offset_in


class WatchedIo(SystemIo):
    """The real file system; notes files that are renamed while their bytes are not synced."""

    def __init__(self) -> None:
        self.hasty: list[str] = []
        self._dirty: set[tuple[int, int]] = set()

    def pwrite(self, fd: int, data: bytes, offset: int) -> int:
        self._dirty.add(self.identity(fd))
        return super().pwrite(fd, data, offset)

    def fsync(self, fd: int) -> None:
        super().fsync(fd)
        self._dirty.discard(self.identity(fd))

    def fdatasync(self, fd: int) -> None:
        super().fdatasync(fd)
        self._dirty.discard(self.identity(fd))

    def rename(self, source: str, target: str) -> None:
        if self.identity(source) in self._dirty:
            self.hasty.append(source)
        super().rename(source, target)


@pytest.mark.parametrize("part", ["frame", "header"])
async def test_a_mended_file_is_on_disk_before_it_takes_its_name(spoiled: Spoiled, part: str):
    """A power cut right after would leave neither the damaged file under its name nor the mended one."""
    await spoiled.fill()
    path, offset = offset_in(await spoiled.log(), 7, part)
    await spoiled.close()
    flip(path, offset)
    io = WatchedIo()
    report = await repair(spoiled.data, spoiled.postgres, settings=spoiled.settings, io=io)
    assert report.left == []
    assert io.hasty == []


async def test_a_frame_of_another_compression_level_is_mended_to_the_very_bytes_it_had(spoiled: Spoiled):
    """Right lines in other bytes would not have the CRC that the header remembers."""
    await spoiled.log(zstd_level=9)
    await spoiled.append(SESSION, *[message(f"m{n}", f"{'ab' * n} {n}" * 300) for n in range(1, 6)])
    path, offset = offset_in(await spoiled.log(), 3, "frame")
    await spoiled.close()
    whole = path.read_bytes()
    flip(path, offset)
    other = msgspec.structs.replace(spoiled.settings, zstd_level=1)
    report = await repair(spoiled.data, spoiled.postgres, settings=other)
    assert (report.blocks, report.rewritten_from, report.left) == ([(3, 3)], None, [])
    assert path.read_bytes() == whole


async def test_a_log_that_has_moved_on_is_not_repaired_as_it_was(spoiled: Spoiled):
    """The head would go back behind events that somebody was told of."""
    await spoiled.fill()
    await spoiled.close()
    site = open_site(spoiled.data, spoiled.postgres, (), (), spoiled.settings)
    examination, found = await look(site, spoiled.postgres, None, False, no_progress)
    await spoiled.append(SESSION, message("meanwhile"))
    await spoiled.close()
    head = await spoiled.table("head")
    connection = await asyncpg.connect(**spoiled.postgres)
    with pytest.raises(CopiesDisagree, match=r"up to position 14; what was examined is .* up to 13"):
        await PostgresRepair(examination, found).run(connection)
    await connection.close()
    await site.reads.close()
    assert await spoiled.table("head") == head
