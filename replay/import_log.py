"""Read an export back: into an empty store, which then has an equal chain, or merged into another one.

An export is read once before anything is written: its hash, its lines, and, of a whole log, its chain must be
what its manifest says.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import msgspec

from eventlog.command import Command
from eventlog.directory import DataDirectory
from eventlog.envelope import (
    CHAIN_START,
    KEY_FIELD,
    Event,
    NewEvent,
    chain_hash,
    decode_lines,
    encode_meta,
    hashed,
    time_to_us,
    unplaced,
)
from eventlog.errors import BadInput, Damaged
from eventlog.io import SystemIo
from eventlog.log import Log
from eventlog.postgres.connect import Target, session
from eventlog.segment.store import Block
from eventlog.settings import Settings
from replay.export import EVENTS_FILE, FORMAT, MANIFEST_FILE, Manifest
from replay.imports.present import Present
from replay.report import Progress, RestoreReport, no_progress
from replay.restore import open_segments, restore_postgres
from replay.statements import filled

BLOCK_EVENTS = 64
BLOCK_BYTES = 8 * 1024 * 1024
BLOCKS_AT_ONCE = 16


class MergeReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a merge did: how many events are new in the log, and how many it had already."""

    events_new: int
    events_present: int


class _Run(NamedTuple):
    """Events of one tenant that follow one another in an export."""

    tenant: str
    events: list[Event]


def read_manifest(directory: Path) -> Manifest:
    """Return the manifest of an export. Raises BadInput when there is none, or it is of a newer format."""
    path = directory / MANIFEST_FILE
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
        uuid.UUID(manifest.log_id)
    except OSError as error:
        raise BadInput(
            f"{directory} is no whole export: {path} cannot be read: {error.strerror}",
            hint="name a directory that `agentlog export` wrote",
        ) from error
    except ValueError as error:
        raise BadInput(f"{path} is no manifest of an export: {error}") from error
    if manifest.format != FORMAT:
        raise BadInput(
            f"{path} has format {manifest.format}; this release reads {FORMAT}", hint="use a newer one"
        )
    return manifest


def check_export(directory: Path, manifest: Manifest) -> None:
    """Read an export once. Raises Damaged when it is not what its manifest says. Blocking."""
    hash, count, length, chain, position = sha256(), 0, 0, CHAIN_START, 0
    try:
        for lines in _blocks(directory):
            text = b"".join(lines)
            hash.update(text)
            length += len(text)
            count += len(lines)
            for event in decode_lines(text):
                if event.position <= position or (manifest.tenant is None and event.position != position + 1):
                    raise _damaged(directory, f"position {event.position} follows {position}", position + 1)
                position = event.position
                chain = _follow(chain, event)
    except (msgspec.DecodeError, ValueError) as error:
        raise _damaged(directory, f"a line is no event: {error}", position + 1) from error
    if (hash.hexdigest(), count, length) != (manifest.sha256, manifest.events, manifest.bytes):
        raise _damaged(directory, "its lines are not those that were written", 1)
    if manifest.tenant is None and (chain.hex(), position) != (manifest.chain, manifest.position):
        raise _damaged(directory, "its lines do not give its chain", 1)


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
    if any(place.segments.glob("*.ndjson.zst")):
        raise BadInput(f"{place.segments} holds segments", hint="import into an empty directory, or merge")
    await asyncio.to_thread(check_export, directory, manifest)
    if place.log_id is None:
        place.belongs_to(uuid.uuid4() if own_id else uuid.UUID(manifest.log_id))
    await asyncio.to_thread(_write_segments, directory, place, settings, manifest, tell)
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
    store = open_segments(place, settings, SystemIo())
    try:
        chain, blocks, made = CHAIN_START, list[Block](), 0
        for lines in _blocks(directory):
            before = chain
            for event in decode_lines(b"".join(lines)):
                chain = _follow(chain, event)
            blocks.append(Block(made + 1, len(lines), b"".join(lines), before, chain))
            made += len(lines)
            if len(blocks) >= BLOCKS_AT_ONCE:
                store.append(blocks)
                blocks = []
                tell("segments", made, manifest.events)
        store.append(blocks)
        store.sync()
        assert chain.hex() == manifest.chain, "check_export saw the same lines"
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
    blocks = _blocks(directory)
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


def _blocks(directory: Path) -> Iterator[list[bytes]]:
    """Yield the lines of an export, so many at once as make a block."""
    try:
        with open(directory / EVENTS_FILE, "rb") as file:
            block, length = list[bytes](), 0
            for line in file:
                if block and (len(block) >= BLOCK_EVENTS or length + len(line) > BLOCK_BYTES):
                    yield block
                    block, length = [], 0
                block.append(line)
                length += len(line)
            if block:
                yield block
    except OSError as error:
        raise BadInput(f"{directory / EVENTS_FILE} cannot be read: {error.strerror}") from error


def _follow(chain: bytes, event: Event) -> bytes:
    time_us = time_to_us(event.time)
    return chain_hash(chain, event.position, event.version, time_us, unplaced(event).hash)


def _damaged(directory: Path, problem: str, position: int) -> Damaged:
    return Damaged(
        f"the export in {directory} is damaged: {problem}",
        hint="export again; nothing was imported",
        first_position=position,
        last_position=None,
        where=str(directory / EVENTS_FILE),
    )
