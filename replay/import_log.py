"""Read an export back: into an empty store, which then has an equal chain, or merged into another one.

An export is read once before anything is written (`export_read.py`): its hash, its lines, and, of a whole
log, its chain must be what its manifest says.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from eventlog.clock import SystemClock
from eventlog.command import Command
from eventlog.directory import DataDirectory
from eventlog.envelope import (
    CHAIN_START,
    KEY_FIELD,
    Event,
    NewEvent,
    decode_lines,
    encode_meta,
    hashed,
)
from eventlog.errors import BadInput
from eventlog.io import SystemIo, sync_directory
from eventlog.log import Log
from eventlog.postgres.connect import Target, session
from eventlog.segment.store import Block, SegmentStore
from eventlog.settings import Settings
from replay.export import Manifest
from replay.export_read import blocks as blocks_of
from replay.export_read import check_export, follow, read_manifest
from replay.imports.present import Present
from replay.report import Progress, RestoreReport, no_progress
from replay.restore import open_segments, restore_postgres
from replay.statements import filled

BLOCKS_AT_ONCE = 16
UNFINISHED = "segments.unfinished"  # in the data directory, while an import writes


class MergeReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a merge did: how many events are new in the log, and how many it had already."""

    events_new: int
    events_present: int


class _Run(NamedTuple):
    """Events of one tenant that follow one another in an export."""

    tenant: str
    events: list[Event]


async def import_empty(
    directory: Path,
    data: Path,
    postgres: Target,
    *,
    settings: Settings,
    own_id: bool = False,
    progress: Progress | None = None,
) -> RestoreReport:
    """Make a store of the export of a whole log: same positions, times and chain.

    Args:
        data: a data directory without events, made when missing. postgres: a schema without events.
        own_id: make it another log, that happens to begin alike; otherwise it is the same log.
    Raises:
        BadInput: the export is of one tenant, or there are events already. Damaged: it is not what its
            manifest says. Nothing was written in either case.
    One that was cut off leaves no part of a log: the same import again goes on.
    """
    tell = progress or no_progress
    manifest = read_manifest(directory)
    if manifest.tenant is not None:
        raise BadInput(
            f"the export is of tenant {manifest.tenant!r} alone, which no log begins with",
            hint="merge it into an open store",
        )
    await _check_empty(postgres, settings)
    place = DataDirectory(data, SystemIo())
    await asyncio.to_thread(check_export, directory, manifest)
    if not any(place.segments.glob("*.ndjson.zst")):
        if place.log_id is None:
            place.belongs_to(uuid.uuid4() if own_id else uuid.UUID(manifest.log_id))
        await asyncio.to_thread(_write_segments, directory, place, settings, manifest, tell)
    elif not await asyncio.to_thread(_are_there, place, settings, manifest):
        raise BadInput(f"{place.segments} holds segments", hint="import into an empty directory, or merge")
    return await restore_postgres(data, postgres, settings=settings, progress=progress)


async def _check_empty(postgres: Target, settings: Settings) -> None:
    async with session(postgres, timeout_s=settings.connect_timeout_s, command_timeout_s=None) as connection:
        if await connection.fetchval(filled("has_table"), f"{settings.schema}.head"):
            position = await connection.fetchval(filled("head_position", schema=settings.schema))
            if position:
                raise BadInput(
                    f"schema {settings.schema!r} holds events up to position {position}",
                    hint="import into an empty store, or merge the export into this one",
                )


def _write_segments(
    directory: Path, place: DataDirectory, settings: Settings, manifest: Manifest, tell: Progress
) -> None:
    """Write the segments beside their place, and move them there when they are whole and synced.

    A part of a log in the place of a log would be taken for one, and restored to Postgres as such.
    """
    io, unfinished = SystemIo(), place.path / UNFINISHED
    ours = io.open(str(place.path), os.O_RDONLY)
    try:
        try:
            io.lock(ours, wait=False)
        except BlockingIOError as error:
            raise BadInput(f"another import works in {place.path}", hint="wait for it") from error
        shutil.rmtree(unfinished, ignore_errors=True)  # of one that was killed
        log_id = place.log_id
        assert log_id is not None
        store = SegmentStore.open(
            str(unfinished), log_id=log_id, io=io, clock=SystemClock(), settings=settings
        )
        try:
            chain = _append_lines(directory, store, manifest, tell)
        finally:
            store.close()
        assert chain.hex() == manifest.chain, "check_export saw the same lines"
        if place.segments.exists():
            shutil.rmtree(place.segments)  # it holds no segment, only the lock and the mark of an empty log
        io.rename(str(unfinished), str(place.segments))
        sync_directory(io, str(place.path))
    finally:
        io.close(ours)


def _append_lines(directory: Path, store: SegmentStore, manifest: Manifest, tell: Progress) -> bytes:
    """Append the lines of an export to segments and sync them; return the chain behind them."""
    chain, blocks, made = CHAIN_START, list[Block](), 0
    for lines in blocks_of(directory):
        before = chain
        for event in decode_lines(b"".join(lines)):
            chain = follow(chain, event)
        blocks.append(Block(made + 1, len(lines), b"".join(lines), before, chain))
        made += len(lines)
        if len(blocks) >= BLOCKS_AT_ONCE:
            store.append(blocks)
            blocks = []
            tell("segments", made, manifest.events)
    store.append(blocks)
    store.sync()
    return chain


def _are_there(place: DataDirectory, settings: Settings, manifest: Manifest) -> bool:
    """Whether the segments of this very export are in their place, as after an import that was cut off."""
    if str(place.log_id) != str(uuid.UUID(manifest.log_id)):
        return False
    store = open_segments(place, settings, SystemIo())
    try:
        return (store.head_position, store.head_chain.hex()) == (manifest.position, manifest.chain)
    finally:
        store.close()


async def merge(
    log: Log, directory: Path, *, tenant: str | None = None, progress: Progress | None = None
) -> MergeReport:
    """Append what an export has and the log has not, by the ids of events. Twice is once.

    Each stream gets its events in their order, behind what it has. They keep type, schema, data, id and
    the time they were accepted at as `occurred_at`; position, version and time are this log's.

    Args:
        tenant: take only that tenant's events.
    Raises:
        BadInput, Damaged: as `import_empty`. What `Log.append` raises: merge again, it goes on.
    """
    tell = progress or no_progress
    manifest = read_manifest(directory)
    await asyncio.to_thread(check_export, directory, manifest)
    known: dict[str, Present] = {}
    new = present = done = 0
    blocks = blocks_of(directory)
    while lines := await asyncio.to_thread(next, blocks, None):
        for run in _runs(decode_lines(b"".join(lines))):
            done += len(run.events)
            if tenant is not None and run.tenant != tenant:
                continue
            there = known.setdefault(run.tenant, Present(log, run.tenant))
            await there.meet(event.stream_id for event in run.events)
            events = [made for made in map(_unkeyed, run.events) if not there.has(made)]
            present += len(run.events) - len(events)
            if events:
                streams = {event.stream: there.version(event.stream) for event in events}
                receipt = await log.append(Command(events, expected=streams))
                there.note(events, receipt.versions)
                new += len(events)
        tell("merge", done, manifest.events)
    return MergeReport(events_new=new, events_present=present)


def _unkeyed(event: Event) -> NewEvent:
    """Return the event as it is appended to another log: its idempotency key was used in the first one."""
    meta = event.metadata
    encoded = bytes(event.meta) if meta.pop(KEY_FIELD, None) is None else encode_meta(meta)
    return hashed(
        event.stream_id, event.type, event.schema, event.id, event.occurred_at or event.time, event.encoding,
        bytes(event.data), encoded,
    )  # fmt: skip


def _runs(events: Sequence[Event]) -> Iterator[_Run]:
    run: _Run | None = None
    for event in events:
        if run is None or run.tenant != event.tenant:
            if run is not None:
                yield run
            run = _Run(event.tenant, [])
        run.events.append(event)
    if run is not None:
        yield run
