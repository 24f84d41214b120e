"""A log to kill processes on: a directory, a schema, the notes of its clients; checked, spoiled, removed."""

from __future__ import annotations

import random
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

import agentlog
from agentlog.store import Store
from eventlog.command import Command
from eventlog.envelope import StreamId, new_event
from eventlog.errors import AgentlogError, Damaged, SchemaMismatch
from eventlog.segment.format import FILE_HEADER_BYTES
from replay.repair import repair
from replay.restore import restore_postgres
from tests.reliability.history import check, compare_copies
from tests.reliability.kill.victim import TRANSCRIPTS, Plan
from tests.reliability.recorder import Recorder, read_calls
from tests.support.postgres import fresh_schema

SESSIONS, LINES = 3, 60


class Place:
    """One log. Made by `new_place`, which removes it again."""

    def __init__(self, folder: Path, postgres: dict[str, Any] | None, schema: str) -> None:
        self.folder, self.postgres, self.schema = folder, postgres, schema
        self.data, self.notes = folder / "data", folder / "notes"

    def plan(self, work: str, **options: Any) -> Plan:
        return Plan(
            work=work, data=str(self.data), postgres=self.postgres, schema=self.schema,
            notes=str(self.notes), **options,
        )  # fmt: skip

    async def make(self) -> None:
        """Make the schema and the directory, with something in them."""
        plan = self.plan("append")
        async with agentlog.open(
            self.data, postgres=self.postgres, settings=plan.settings, migrate=True
        ) as store:
            recorder = Recorder(self.notes)
            event = new_event(StreamId("", "note", "a"), "begun", None, id=store.log.ids.next())
            await recorder.append(store.log, Command([event]))
            recorder.close()

    async def sql(self, *statements: str) -> None:
        assert self.postgres is not None
        connection = await asyncpg.connect(**self.postgres)
        try:
            for statement in statements:
                await connection.execute(statement.replace("{schema}", self.schema))
        finally:
            await connection.close()

    async def judge(self, work: str, *, last: bool = False) -> list[str]:
        """Open the log as anybody would after `work` was killed, and return all that is wrong.

        Args:
            last: of this place: then the copies are compared thoroughly.
        """
        recorder = Recorder(self.notes)
        try:
            async with await self._open(work) as store:
                # Before anything is read: what a killed client had sent may be committed even now.
                event = new_event(StreamId("", "note", "a"), "opened", None, id=store.log.ids.next())
                await recorder.append(store.log, Command([event]))
                events = [event async for block in store.log.read() for event in block]
                found = check([read_calls(self.notes)], events)
                return found + await compare_copies(store, thorough=last)
        except AgentlogError as error:
            return [f"cannot be opened or used: {type(error).__name__}: {error}"]
        finally:
            recorder.close()

    async def _open(self, work: str) -> Store:
        """Open the log; a mending that was interrupted is done again, as its errors say."""
        plan = self.plan(work)
        if work == "repair":
            await repair(self.data, self.postgres, settings=plan.settings)
        try:
            return await plan.open()
        except (Damaged, SchemaMismatch):
            if work == "restore postgres":
                await restore_postgres(self.data, self.postgres, settings=plan.settings)
            elif work == "restore segments":
                await repair(self.data, self.postgres, settings=plan.settings)
            else:
                raise
        return await plan.open()

    def segments(self) -> list[Path]:
        return sorted((self.data / "segments").glob("*.ndjson.zst"))

    def acknowledged(self) -> int:
        return sum(call.told is not None and call.outcome == "appended" for call in read_calls(self.notes))

    def spoil(self, chance: random.Random) -> None:
        """Damage what was synced: one byte anywhere behind a file's header."""
        path = chance.choice(self.segments())
        self.flip(path, chance.randrange(FILE_HEADER_BYTES, path.stat().st_size))

    def flip(self, path: Path, offset: int) -> None:
        content = bytearray(path.read_bytes())
        content[offset] ^= 0x10
        path.write_bytes(content)

    def tear(self) -> None:
        """Leave behind what a crash in the middle of a write leaves: bytes that nobody was promised."""
        path = self.segments()[-1]
        path.write_bytes(path.read_bytes() + bytes(range(1, 200)))

    def lose_segments(self) -> None:
        shutil.rmtree(self.data / "segments")

    async def lose_schema(self) -> None:
        await self.sql("DROP SCHEMA {schema} CASCADE")

    def write_transcripts(self) -> None:
        """Write sessions that take a moment to import."""
        folder = self.folder / TRANSCRIPTS
        folder.mkdir(exist_ok=True)
        for number in range(SESSIONS):
            session = f"00000000-0000-4000-8000-{number:012d}"
            lines = [
                f'{{"type":"user","uuid":"{number:08d}-0000-4000-8000-{line:012d}",'
                f'"sessionId":"{session}","timestamp":"2026-01-01T00:00:00.000Z",'
                f'"message":{{"role":"user","content":"line {line}"}}}}\n'
                for line in range(LINES)
            ]
            (folder / f"{session}.jsonl").write_text("".join(lines))


@asynccontextmanager
async def new_place(folder: Path, postgres: dict[str, Any] | None) -> AsyncIterator[Place]:
    """Make a place under `folder`, and remove all of it at the end.

    Args:
        postgres: a server that runs; None: one of the place's own, in its data directory.
    """
    schema = fresh_schema()
    place = Place(folder / schema, postgres, schema)
    place.folder.mkdir(mode=0o755)
    try:
        await place.make()
        yield place
    finally:
        if postgres is not None:
            await place.sql("DROP SCHEMA IF EXISTS {schema} CASCADE")
        shutil.rmtree(place.folder)
