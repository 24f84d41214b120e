"""Rows of another store that became no event: why, and a copy of each. The other store is never changed."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from replay.imports.files import shown


class Rejected(msgspec.Struct, frozen=True):
    """A row that became no event.

    Attributes:
        table, key: which one. reason: what is wrong with it.
        copy: path of a file that holds the row as JSON.
    """

    table: str
    key: str
    reason: str
    copy: str


class MoveSummary(msgspec.Struct):
    """What a move from another store did.

    Attributes:
        rows: how many were read, by table.
        events_new, events_present: events that were appended, and that the log had already.
        rejected: rows that became no event, each with a copy.
        notes: what came over in another form than it had, for people.
    """

    rows: dict[str, int] = {}
    events_new: int = 0
    events_present: int = 0
    rejected: list[Rejected] = []
    notes: list[str] = []

    def count(self, table: str, rows: int = 1) -> None:
        """Note that so many rows of a table were read."""
        self.rows[table] = self.rows.get(table, 0) + rows


def reject(directory: Path, table: str, key: str, row: Any, reason: str) -> Rejected:
    """Write a copy of the row and return the finding. The copy's name is the same on every import.

    Raises OSError when the copy cannot be written: rows are never let go silently.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = msgspec.json.encode(row, enc_hook=repr)
    copy = directory / f"{table}-{sha256(text).hexdigest()[:16]}.json"
    fd = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as target:
        target.write(text)
        target.flush()
        os.fsync(target.fileno())
    return Rejected(table, key, reason, shown(copy))
