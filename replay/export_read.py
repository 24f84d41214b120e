"""Read an export, and believe nothing that it says: whoever sends one may have written it by hand.

Every line must be one that a log could hold, to the byte. What Postgres, the segments or a later reader would
choke on would otherwise be found out when it is in the log, which forgets nothing. Writes nothing.
"""

from __future__ import annotations

import errno
import stat
import uuid
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import msgspec

from eventlog.envelope import (
    CHAIN_START,
    MAX_EVENT_BYTES,
    MAX_META_BYTES,
    Event,
    NewEvent,
    StreamId,
    chain_hash,
    check_id,
    check_stream,
    decode_lines,
    encode_line,
    format_time,
    hashed,
    new_event,
    parse_time,
    time_to_us,
    unplaced,
)
from eventlog.errors import BadInput, Damaged
from eventlog.payload import exact_json, is_strict
from replay.export import EVENTS_FILE, FORMAT, MANIFEST_FILE, Manifest

BLOCK_EVENTS = 64
BLOCK_BYTES = 8 * 1024 * 1024
MANIFEST_BYTES_MAX = 64 * 1024


def read_manifest(directory: Path) -> Manifest:
    """Return the manifest of an export. Raises BadInput when there is none, or it is of a newer format."""
    path = directory / MANIFEST_FILE
    try:
        check_file(path)
        with path.open("rb") as file:
            manifest = msgspec.json.decode(file.read(MANIFEST_BYTES_MAX), type=Manifest)
        uuid.UUID(manifest.log_id)
    except OSError as error:
        raise BadInput(
            f"{directory} is no whole export: {path} cannot be read: {error.strerror}", hint=_HINT
        ) from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path} is no manifest of an export: {error}", hint=_HINT) from error
    if manifest.format != FORMAT:
        raise BadInput(
            f"{path} has format {manifest.format}; this release reads {FORMAT}", hint="use a newer one"
        )
    return manifest


def check_export(directory: Path, manifest: Manifest) -> None:
    """Read an export once. Raises Damaged when it is not what its manifest says. Blocking."""
    hash, count, length = sha256(), 0, 0
    checked = _Checked(manifest)
    try:
        for lines in blocks(directory):
            text = b"".join(lines)
            hash.update(text)
            length += len(text)
            count += len(lines)
            events = decode_lines(text)
            if len(events) != len(lines):
                raise ValueError(f"{len(lines)} lines hold {len(events)} events")
            for line, event in zip(lines, events, strict=True):
                checked.add(line, event)
    except OSError as error:
        raise BadInput(f"{directory / EVENTS_FILE} cannot be read: {error.strerror}", hint=_HINT) from error
    # What msgspec and datetime raise, and BadInput, are ValueErrors.
    except (ValueError, OverflowError) as error:
        raise _damaged(directory, f"a line is no event: {error}", checked.position + 1) from error
    if (hash.hexdigest(), count, length) != (manifest.sha256, manifest.events, manifest.bytes):
        raise _damaged(directory, "its lines are not those that were written", 1)
    whole = manifest.tenant is None
    if whole and (checked.chain.hex(), checked.position) != (manifest.chain, manifest.position):
        raise _damaged(directory, "its lines do not give its chain", 1)


class _Checked:
    """How far an export was read, and what the next line must therefore say."""

    def __init__(self, manifest: Manifest) -> None:
        self._tenant = manifest.tenant
        self._versions: dict[StreamId, int] = {}
        self._time_us = 0
        self.position, self.chain = 0, CHAIN_START

    def add(self, line: bytes, event: Event) -> None:
        """Go on by one event. Raises ValueError or BadInput: no log wrote this line behind the others."""
        said, stream = check_event(event), event.stream_id
        if encode_line(said, event.position, event.version, event.time) != line:
            raise ValueError(f"the line of position {event.position} is not how that event is written")
        if event.position <= self.position or (self._tenant is None and event.position != self.position + 1):
            raise ValueError(f"position {event.position} follows {self.position}")
        if self._tenant is not None and event.tenant != self._tenant:
            raise ValueError(f"position {event.position} is of tenant {event.tenant!r}")
        # All of a stream is in an export: whoever is of the log, or of the tenant, is so from the beginning.
        version = self._versions.get(stream, 0) + 1
        if event.version != version:
            raise ValueError(
                f"position {event.position} is version {event.version} of {stream}, not {version}"
            )
        time_us = time_to_us(event.time)
        if time_us < self._time_us:
            raise ValueError(f"the time of position {event.position} runs backwards")
        self.position, self._versions[stream], self._time_us = event.position, version, time_us
        self.chain = follow(self.chain, event)


def check_event(event: Event) -> NewEvent:
    """Return what an event says, if `Log.append` could have been given it. Raises ValueError or BadInput."""
    said = unplaced(event)
    check_stream(*said.stream)
    # By the rules of whoever makes an event: its type and schema, then its size.
    new_event(said.stream, said.type, None, id=said.id, schema=said.schema)
    hashed(*(getattr(said, name) for name in _PARTS))
    if check_id(said.id) != said.id:
        raise ValueError(f"id {said.id!r} is not in canonical form")
    for time in (event.time, said.occurred_at):
        if time is not None and format_time(parse_time(time)) != time:
            raise ValueError(f"time {time!r} is not in canonical form")
    exact_json(said.data, said.encoding)
    if said.encoding is not None and not said.data.startswith(b'"'):
        raise ValueError("its encoded data are no text")
    meta = said.meta
    if not (
        is_strict(said.data) and is_strict(meta) and meta.startswith(b"{") and len(meta) <= MAX_META_BYTES
    ):
        raise ValueError(f"data or meta of position {event.position} are not what a log holds")
    return said


def blocks(directory: Path) -> Iterator[list[bytes]]:
    """Yield the lines of an export, so many at once as make a block.

    Raises OSError; ValueError where a line has no end.
    """
    path = directory / EVENTS_FILE
    check_file(path)
    with open(path, "rb") as file:
        block, length = list[bytes](), 0
        while line := file.readline(MAX_EVENT_BYTES + 1):
            if not line.endswith(b"\n"):
                raise ValueError(f"a line has no end, or is over {MAX_EVENT_BYTES:,} bytes")
            if block and (len(block) >= BLOCK_EVENTS or length + len(line) > BLOCK_BYTES):
                yield block
                block, length = [], 0
            block.append(line)
            length += len(line)
        if block:
            yield block


def check_file(path: Path) -> None:
    """Raise OSError where there is no file: whoever reads a pipe or a device may wait for ever."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "it is no file", str(path))


def follow(chain: bytes, event: Event) -> bytes:
    """Return the chain behind an event."""
    return chain_hash(chain, event.position, event.version, time_to_us(event.time), unplaced(event).hash)


def _damaged(directory: Path, problem: str, position: int) -> Damaged:
    return Damaged(
        f"the export in {directory} is damaged: {problem}",
        hint="export again; nothing was imported",
        first_position=position,
        last_position=None,
        where=str(directory / EVENTS_FILE),
    )


_PARTS: Sequence[str] = ("stream", "type", "schema", "id", "occurred_at", "encoding", "data", "meta")
_HINT = "name a directory that `agentlog export` wrote"
