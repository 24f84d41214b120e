"""A log, or one tenant's part of it, as a directory of JSON lines that proves itself.

    events.ndjson    the lines of the log, as they stand in it (docs/formats/event.md)
    manifest.json    what they are: of which log, how many, up to where, their hash, and the chain

The manifest is written last: a directory without one is an export that was cut off. Reading one back is
replay/import_log.py.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from eventlog.envelope import CHAIN_START, Event, chain_hash, encode_line, time_to_us, unplaced
from eventlog.errors import BadInput, Damaged
from eventlog.log import Log
from replay.moment import Moment
from replay.report import Progress, no_progress

EVENTS_FILE = "events.ndjson"
MANIFEST_FILE = "manifest.json"
FORMAT = 1
_UNFINISHED = ".unfinished"
_REMAINS = {EVENTS_FILE, EVENTS_FILE + _UNFINISHED, MANIFEST_FILE + _UNFINISHED}


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an export is.

    Attributes:
        format: of the directory; 1.
        log_id: of the log it is from.
        tenant: whose events alone; None for all of them.
        position, time: up to where; every event up to there that belongs to it is in it.
        events, bytes: how many, and how long the file of lines is.
        sha256: of that file, hexadecimal.
        chain: of the log behind `position`, hexadecimal. Of a whole log it follows from the lines.
    """

    format: int
    log_id: str
    tenant: str | None
    position: int
    time: str
    events: int
    bytes: int
    sha256: str
    chain: str


async def export_log(
    log: Log,
    directory: Path,
    moment: Moment,
    *,
    tenant: str | None = None,
    progress: Progress | None = None,
) -> Manifest:
    """Write all events up to a moment, or one tenant's, to a new directory.

    What one that was cut off left there is made anew.

    Args:
        progress: called with ("export", position, of how many).
    Raises:
        BadInput: the directory holds something. Damaged: the log's chain is not that of its events.
    """
    lock = await asyncio.to_thread(_make, directory)
    try:
        return await _export(log, directory, moment, tenant, progress or no_progress)
    finally:
        os.close(lock)


async def _export(log: Log, directory: Path, moment: Moment, tenant: str | None, tell: Progress) -> Manifest:
    writer = _Writer(directory, tenant)
    try:
        async for block in log.read(0, moment.position):
            await asyncio.to_thread(writer.add, block)
            tell("export", block[-1].position, moment.position)
        chain = await log.reads.chain_at(moment.position)
        if writer.position != moment.position or writer.chain != chain:
            raise Damaged(
                f"the events up to position {moment.position} do not give the chain that Postgres keeps",
                hint="run `agentlog verify`; the export was left without a manifest",
                first_position=1,
                last_position=moment.position,
                where=str(directory),
            )
        await asyncio.to_thread(writer.sync)
    finally:
        writer.close()
    manifest = writer.manifest(str(log.directory.log_id), moment)
    await asyncio.to_thread(_finish, directory, manifest)
    return manifest


class _Writer:
    """The file of lines while it is written."""

    def __init__(self, directory: Path, tenant: str | None) -> None:
        self._tenant = tenant
        self._file = open(directory / (EVENTS_FILE + _UNFINISHED), "wb")  # noqa: SIM115  # see `close`
        self._hash = sha256()
        self._events = self._bytes = 0
        self.position = 0
        self.chain = CHAIN_START

    def add(self, events: Any) -> None:
        lines = []
        for event in events:
            said = unplaced(event)
            self._follow(event, said.hash)
            if self._tenant is None or event.tenant == self._tenant:
                lines.append(encode_line(said, event.position, event.version, event.time))
        text = b"".join(lines)
        self._events += len(lines)
        self._bytes += len(text)
        self._hash.update(text)
        self._file.write(text)

    def _follow(self, event: Event, hash: bytes) -> None:
        self.position = event.position
        self.chain = chain_hash(self.chain, event.position, event.version, time_to_us(event.time), hash)

    def sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Let go of the file. What is not synced by then is of an export that failed already."""
        with suppress(OSError):
            self._file.close()

    def manifest(self, log_id: str, moment: Moment) -> Manifest:
        return Manifest(
            format=FORMAT, log_id=log_id, tenant=self._tenant, position=moment.position, time=moment.time,
            events=self._events, bytes=self._bytes, sha256=self._hash.hexdigest(), chain=self.chain.hex(),
        )  # fmt: skip


def _make(directory: Path) -> int:
    """Make the directory, and return the lock on it. Remains of an export that was cut off go away."""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(directory, os.O_RDONLY)
    except OSError as error:
        raise BadInput(f"{directory} cannot be written: {error.strerror}", hint="name another one") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        names = {path.name for path in directory.iterdir()}
        if names and not (names <= _REMAINS and any(name.endswith(_UNFINISHED) for name in names)):
            raise BadInput(f"{directory} holds something", hint="name a directory that is new or empty")
        for name in names:
            (directory / name).unlink()
    except BlockingIOError as error:
        os.close(lock)
        raise BadInput(f"another export is written to {directory}", hint="name another one") from error
    except BaseException:
        os.close(lock)
        raise
    return lock


def _finish(directory: Path, manifest: Manifest) -> None:
    """Give the files their names, the manifest last, each of them synced.

    Until then one of them is called unfinished, which tells remains from files of somebody's.
    """
    unfinished = directory / (MANIFEST_FILE + _UNFINISHED)
    with open(unfinished, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(directory / (EVENTS_FILE + _UNFINISHED), directory / EVENTS_FILE)
    os.replace(unfinished, directory / MANIFEST_FILE)
    place = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(place)
    finally:
        os.close(place)
