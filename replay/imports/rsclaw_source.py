"""Read a dump of the embedded store (JSON lines) and move it into the log. The dump is read twice.

First all keys: which sessions there are, and where in the file their messages stand. Then session by
session, and the other tables in the order of the file. No more than one session is in memory.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import msgspec

from eventlog.envelope import NewEvent
from eventlog.errors import BadInput
from eventlog.log import Log
from replay.imports.appending import append_all, append_fresh
from replay.imports.files import unreadable
from replay.imports.lines import WHITE_SPACE, Line, read_lines
from replay.imports.present import Present
from replay.imports.quarantine import quarantine
from replay.imports.rejected import MoveSummary, Rejected
from replay.imports.rsclaw import (
    IDEM_KEYS,
    MESSAGES,
    SESSION_META,
    Meta,
    Place,
    SessionTeller,
    Shape,
    other_events,
    place_of,
)
from replay.imports.rsclaw_cron import Calendar

# Called with (bytes of the file that are done, of how many).
ReportBytes = Callable[[int, int], None]

ROWS_AT_ONCE = 64


class Entry(msgspec.Struct, frozen=True):
    """A line of the dump: a row of a table, its value as it is stored (JSON is a text)."""

    table: str
    key: str
    value: str | int


async def import_rsclaw(
    log: Log,
    path: str | os.PathLike[str],
    *,
    calendar: Calendar,
    tenant: str = "",
    quarantine_dir: Path,
    progress: ReportBytes | None = None,
) -> MoveSummary:
    """Move a dump into the log: sessions, archive, keys, pairings, permissions, tasks, schedules …

    Again is harmless: what the log has already is left out, and what changed is appended.

    Args:
        calendar: of schedules. tenant: owner of all of it.
        quarantine_dir: where lines that become no event are copied.
    Raises:
        BadInput: the file cannot be read. LogUnavailable: run it again, it goes on.
    """
    found = Path(path)
    try:
        with await asyncio.to_thread(found.open, "rb") as file:
            move = _Move(log, file, found, calendar, tenant, quarantine_dir, progress)
            await asyncio.to_thread(move.index)
            await move.sessions()
            await move.others()
            await move.delivered()
    except OSError as error:
        raise unreadable(found, error) from error
    return move.summary


class _Move:
    def __init__(
        self,
        log: Log,
        file: BinaryIO,
        path: Path,
        calendar: Calendar,
        tenant: str,
        quarantine_dir: Path,
        progress: ReportBytes | None,
    ) -> None:
        self.summary = MoveSummary()
        self._log = log
        self._file = file
        self._path = path
        self._calendar = calendar
        self._tenant = tenant
        self._quarantine_dir = quarantine_dir
        self._progress = progress
        self._bytes = os.fstat(file.fileno()).st_size
        self._done = 0
        self._metas: dict[str, Meta] = {}
        self._places: dict[str, dict[tuple[int | None, int], Line]] = {}
        self._others: list[Line] = []
        self._delivered: list[tuple[str, Line]] = []

    def index(self) -> None:
        """Read all keys; whatever is no row is rejected here."""
        messages: list[tuple[str, Line]] = []
        self._file.seek(0)
        for line in read_lines(self._file):
            entry = self._entry(line)
            if entry is None:
                continue
            self.summary.count(entry.table)
            # Of a line only its place is kept.
            line = line._replace(content=None)
            if entry.table == MESSAGES:
                messages.append((entry.key, line))
            elif entry.table == SESSION_META:
                self._meta(entry, line)
            elif entry.table == IDEM_KEYS:
                self._delivered.append((entry.key, line))
            else:
                self._others.append(line)
        for key, line in messages:
            try:
                place = place_of(key, set(self._metas) & {key.rpartition(":")[0]})
            except BadInput as error:
                self._reject(line, MESSAGES, key, str(error))
                continue
            self._places.setdefault(place.session, {})[place.generation, place.seq] = line
        for key in self._metas:
            self._places.setdefault(key, {})

    def _entry(self, line: Line) -> Entry | None:
        if line.content is None:
            self._reject(line, "", f"line {line.number}", "the line is longer than an event can be")
        elif line.content.strip(WHITE_SPACE):
            try:
                return msgspec.json.decode(line.content, type=Entry)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                self._reject(line, "", f"line {line.number}", f"no row of a dump: {error}")
        return None

    def _meta(self, entry: Entry, line: Line) -> None:
        try:
            self._metas[entry.key] = msgspec.json.decode(str(entry.value), type=Meta)
        except (msgspec.DecodeError, RecursionError) as error:
            self._reject(line, SESSION_META, entry.key, str(error))

    async def sessions(self) -> None:
        """Tell the sessions, in the order of the dump's keys."""
        for key, places in self._places.items():
            events = await asyncio.to_thread(self._session, key, places)
            await self._append(events)
            self._tell(sum(line.length_bytes for line in places.values()))

    def _session(self, key: str, places: dict[tuple[int | None, int], Line]) -> list[NewEvent]:
        archived = [(generation, seq) for generation, seq in places if generation is not None]
        active = [seq for generation, seq in places if generation is None]

        def say(place: Place) -> str:
            return str(self._read(places[place.generation, place.seq]).value)

        def reject(place: Place, reason: str) -> None:
            line = places[place.generation, place.seq]
            self._reject(line, MESSAGES, self._read(line).key, reason)

        shape = Shape(key, self._metas.get(key), archived, active)
        teller = SessionTeller(shape, self._tenant, say, reject)
        try:
            events = teller.tell()
        except BadInput as error:
            for line in places.values():
                self._reject(line, MESSAGES, self._read(line).key, f"session {key!r}: {error}")
            return []
        self.summary.notes += teller.notes
        return events

    async def others(self) -> None:
        """Tell the rows of the other tables, in the order of the file."""
        for start in range(0, len(self._others), ROWS_AT_ONCE):
            lines = self._others[start : start + ROWS_AT_ONCE]
            events = [event for line in lines for event in self._other(line)]
            await self._append(events)
            self._tell(sum(line.length_bytes for line in lines))

    async def delivered(self) -> None:
        """Tell the idempotency keys, each by a command that carries it: so it counts for all that comes."""
        present = Present(self._log, self._tenant)
        for key, line in self._delivered:
            for event in self._other(line):
                fresh = await append_fresh(self._log, [event], present, idempotency_key=key)
                self.summary.events_new += fresh
                self.summary.events_present += 1 - fresh
            self._tell(line.length_bytes)

    def _other(self, line: Line) -> list[NewEvent]:
        entry = self._read(line)
        try:
            return other_events(entry.table, entry.key, entry.value, self._tenant, self._calendar)
        except BadInput as error:
            self._reject(line, entry.table, entry.key, str(error))
            return []

    def _read(self, line: Line) -> Entry:
        text = os.pread(self._file.fileno(), line.length_bytes, line.offset)
        return msgspec.json.decode(text.removeprefix(b"\xef\xbb\xbf"), type=Entry)

    async def _append(self, events: list[NewEvent]) -> None:
        fresh = await append_all(self._log, events, Present(self._log, self._tenant))
        self.summary.events_new += fresh
        self.summary.events_present += len(events) - fresh

    def _reject(self, line: Line, table: str, key: str, reason: str) -> None:
        copy = quarantine(self._file, self._path, line, reason, self._quarantine_dir).copy
        self.summary.rejected.append(Rejected(table, key, reason, copy))

    def _tell(self, done_bytes: int) -> None:
        self._done += done_bytes
        if self._progress is not None:
            self._progress(min(self._done, self._bytes), self._bytes)
