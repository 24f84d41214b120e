"""A real log with both copies, to be damaged and mended: its snapshot, its blocks, hands to spoil it.

One log serves all kinds of damage: after each it must be what it was, byte for byte.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from eventlog.command import Command
from eventlog.directory import DataDirectory
from eventlog.events import ItemCompleted, SessionEnded, SessionUpdated, SummaryRecorded, new
from eventlog.io import SystemIo
from eventlog.segment.directory import SegmentDirectory
from eventlog.segment.format import BlockHeader
from projections.catalog import INLINE
from replay.blocks import readable_blocks
from replay.report import Finding
from replay.verify import verify, verify_store
from tests.replay.support import ITEM, OTHER, SESSION, Spoiled, message
from tests.replay.test_restore import lines

TABLES = ("events", "streams", "idempotency_keys", *(projection.name for projection in INLINE))
# Which rows keep the chain is no part of an event: one in each batch, or in each block after a restore.
EVENTS = "SELECT to_jsonb(e) - 'chain' AS row FROM {schema}.events e ORDER BY position"
HEAD = "SELECT log_id, position, time, chain, projections FROM {schema}.head"


class Snapshot(NamedTuple):
    """All that must come back: the lines of the segments, and every row of Postgres."""

    lines: bytes
    rows: dict[str, list[str]]
    head: list[Any]


class Place(Spoiled):
    """A log of some forty events in four segments; see `build`.

    Attributes:
        head_position: the last position.
        blocks: the header of each block, and its file, in order.
        older: files of the segments as they were at position `older_position`.
    """

    async def build(self) -> None:
        """Write the log: every noun, keyed commands, blocks of several events, small segments."""
        await self.log(segment_bytes_max=4096)
        await self.fill()
        await self.append(SESSION, message("big", "0123456789abcdef" * 400), SessionUpdated(title="second"))
        await self._keyed("first key", 1)
        await self.append(OTHER, *[message(f"n{number}", os.urandom(900).hex()) for number in range(1, 6)])
        await self._keyed("second key", 3)
        # Before the backup: a stream that is made again after one gets another id, which nobody sees.
        await self.append_every_other_noun()
        await self.close()
        self.older_position = self.segments_end()
        self.older = {path: path.read_bytes() for path in self.all_files()}
        await self.sql(*[f"CREATE TABLE {{schema}}_older_{name} AS TABLE {{schema}}.{name}" for name in
                         (*TABLES, "head", "mirrors")])  # fmt: skip
        await self.append(ITEM, ItemCompleted())
        await self.append(SESSION, *[message(f"late {number}", os.urandom(900).hex()) for number in range(6)])
        await self.append(OTHER, SummaryRecorded("all of it"), SessionEnded("done"))
        await self._keyed("third key", 2)
        await self.append(SESSION, message("last"), message("very last"))
        await self.close()
        self.head_position = self.segments_end()
        self.blocks = self.find_blocks()
        self._first = {path: path.read_bytes() for path in self.all_files()}

    async def put_back(self) -> None:
        """Have the segments as they were built again: a repair may have cut the blocks otherwise.

        And let Postgres remember that they are synced: a repair may have had it forget.
        """
        position = self.head_position
        await self.sql(f"UPDATE {{schema}}.mirrors SET durable_position = {position}")
        directory = self.data / "segments"
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(mode=0o700)
        for path, content in self._first.items():
            path.write_bytes(content)

    async def _keyed(self, key: str, count: int) -> None:
        events = [new(SESSION, message(f"{key} {number}"), id=self.ids.next()) for number in range(count)]
        await (await self.log()).append(Command(events, idempotency_key=key))

    async def drop(self) -> None:
        """Remove what was made in the database beside the schema."""
        await self.sql(*[f"DROP TABLE IF EXISTS {{schema}}_older_{name}" for name in
                         (*TABLES, "head", "mirrors")])  # fmt: skip

    def all_files(self) -> list[Path]:
        return sorted(path for path in (self.data / "segments").iterdir() if path.is_file())

    def files_alike(self) -> bool:
        """Whether the segments are, file by file, as they were built; the durable mark moves on."""
        return all(path.is_file() and path.read_bytes() == content for path, content in self._first.items()
                   if path.name not in ("HEAD", "LOCK"))  # fmt: skip

    def find_blocks(self) -> list[tuple[Path, BlockHeader]]:
        directory = SegmentDirectory(str(self.data / "segments"), SystemIo())
        found = readable_blocks(SystemIo(), directory, self.log_id(), 10**9)
        return [(Path(block.path), block.header) for block in found]

    def segments_end(self) -> int:
        return self.find_blocks()[-1][1].last_position

    def log_id(self) -> Any:
        return DataDirectory(self.data, SystemIo()).log_id

    def block(self, position: int) -> tuple[Path, BlockHeader]:
        """The block that holds a position, and its file."""
        return next((path, header) for path, header in self.blocks if position <= header.last_position)

    def change(self, path: Path, change: Callable[[bytearray], object]) -> None:
        """Change the bytes of a file."""
        content = bytearray(path.read_bytes())
        change(content)
        path.write_bytes(content)

    async def snapshot(self) -> Snapshot:
        rows = {name: await self.table(name) for name in TABLES if name != "events"}
        rows["events"] = [row["row"] for row in await self.sql(EVENTS)]
        return Snapshot(lines(self.data), rows, [tuple(row) for row in await self.sql(HEAD)])

    async def look(self) -> list[Finding]:
        """Verify the closed store."""
        return await verify_store(self.data, self.postgres, settings=self.settings)

    async def open_and_verify(self) -> list[Finding]:
        try:
            return await verify(await self.log())
        finally:
            await self.close()

    def kept(self) -> set[Path]:
        quarantine = self.data / "quarantine"
        return set(quarantine.iterdir()) if quarantine.exists() else set()

    def forget_kept(self) -> None:
        shutil.rmtree(self.data / "quarantine", ignore_errors=True)
