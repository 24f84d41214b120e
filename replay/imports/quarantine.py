"""Where unreadable bytes of a transcript go: a finding that says where they stood, and a copy of them.

The transcript itself is never changed. The copy's name is the same on every import of the file.
"""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path, PurePath
from typing import BinaryIO

import msgspec

from replay.imports.files import shown
from replay.imports.lines import Line

_COPY_BYTES = 1024 * 1024


class Quarantined(msgspec.Struct, frozen=True):
    """A span of a file that became no event.

    Attributes:
        file: the transcript's path.
        line: number of the line, from 1; offset and length_bytes: where it stands, ending included.
        reason: what is wrong with it.
        copy: path of a file that holds exactly these bytes.
    """

    file: str
    line: int
    offset: int
    length_bytes: int
    reason: str
    copy: str


def quarantine(source: BinaryIO, path: Path, line: Line, reason: str, directory: Path) -> Quarantined:
    """Copy a line's bytes to `directory` and return the finding.

    Args:
        source: the transcript; its own position is left where it was.
    Raises OSError when the copy cannot be written: bytes are never let go silently.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The digest keeps apart files of one name from different folders.
    digest = sha256(os.fsencode(path.absolute())).hexdigest()[:12]
    copy = directory / f"{shown(PurePath(path.stem))[:40]}-{digest}-{line.offset}.bytes"
    fd = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as target:
        offset, end = line.offset, line.offset + line.length_bytes
        while offset < end:
            chunk = os.pread(source.fileno(), min(_COPY_BYTES, end - offset), offset)
            if not chunk:
                break  # the file was cut meanwhile; what is left of the span is saved
            target.write(chunk)
            offset += len(chunk)
        target.flush()
        os.fsync(target.fileno())
    return Quarantined(shown(path), line.number, line.offset, line.length_bytes, reason, shown(copy))
