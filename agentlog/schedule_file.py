"""A JSON5 file that is kept equal to the schedules: written on each change, read when a person edited it.

Knows the file alone: what stands in it is schedule_text.py, what it asks for is appended by schedule_sets.py.
Never overwrites what a person wrote and nobody has read yet.
"""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

import msgspec

from agentlog.checks import check_interval
from agentlog.errors import AgentlogError, Conflict
from agentlog.schedule_sets import ScheduleSets
from agentlog.schedule_text import Text, decide_import, parse, render, same
from eventlog.errors import BadInput
from eventlog.io import Io, SystemIo, sync_directory, write_all

FILE_BYTES_MAX = 16 << 20
ATTEMPTS_MAX = 10

_logger = logging.getLogger(__name__)


class Synced(msgspec.Struct, frozen=True):
    """What one look at the file did: schedules set and deleted by it, and whether it was written anew."""

    changed: int
    deleted: int
    written: bool


class ScheduleFile:
    """A file and the schedules of one tenant. Made by `Schedules.keep_file`.

    Attributes:
        path: of the file, links resolved.
        error: why the last look at it failed; None when it did not.
    """

    def __init__(
        self, schedules: ScheduleSets, path: str | os.PathLike[str], tenant: str, io: Io | None = None
    ) -> None:
        self.path = Path(os.path.realpath(path))
        self.error: AgentlogError | OSError | None = None
        self._schedules = schedules
        self._tenant = tenant
        self._io = io or SystemIo()
        self._seen: str | None = None
        self._turn = asyncio.Lock()
        self._again = False

    async def sync(self) -> Synced:
        """Take over what a person wrote, then write what changed. All of an edit is taken over, or nothing.

        Raises:
            BadInput: what stands in the file cannot be read. Refused: it would overwrite what changed in
                the log after it was written. The file stays as it is, and so do the schedules.
            OSError: the file cannot be read or written.
        """
        async with self._turn:
            changed, deleted, written = 0, 0, False
            self._again = True
            try:
                while self._again:
                    self._again = False
                    done = await self._sync()
                    changed, deleted = changed + done.changed, deleted + done.deleted
                    written = written or done.written
            except (AgentlogError, OSError) as error:
                self.error = error
                raise
            self.error = None
            return Synced(changed, deleted, written)

    async def after_change(self) -> None:
        """As `sync`, where something else has been done already: what goes wrong is logged.

        Where a `sync` is under way, maybe the one that made the change, that one looks once more.
        """
        if self._turn.locked():
            self._again = True
            return
        try:
            await self.sync()
        except (AgentlogError, OSError) as error:
            _logger.warning("%s was not written: %s", self.path, error)

    async def watch(self, *, interval_s: float = 1.0) -> None:
        """Look at the file, and at what other hosts changed, again and again, until it is cancelled.

        What goes wrong is logged once, and stands in `error`.
        """
        check_interval(interval_s)
        said = ""
        while True:
            try:
                await self.sync()
                said = ""
            except (AgentlogError, OSError) as error:
                if str(error) != said:
                    said = str(error)
                    _logger.warning("%s was not taken over: %s", self.path, error)
            await asyncio.sleep(interval_s)

    async def _sync(self) -> Synced:
        changed = deleted = 0
        for _ in range(ATTEMPTS_MAX):
            text = await asyncio.to_thread(self._read)
            found = None if text is None else parse(text)
            if found is not None and text != self._seen:
                edits, gone = decide_import(found, await self._schedules.standing(self._tenant))
                if edits or gone:
                    try:
                        await self._schedules.change(edits, gone, tenant=self._tenant)
                    except Conflict:  # what it was decided on changed: decide again
                        continue
                    changed, deleted = changed + len(edits), deleted + len(gone)
            written = await self._write(text, found)
            if written is not None:
                return Synced(changed, deleted, written)
        raise BadInput(f"{self.path} changes faster than it can be read", hint="let one program write it")

    async def _write(self, text: str | None, found: Text | None) -> bool | None:
        """Write the file if it does not say what stands; None when somebody wrote it meanwhile."""
        # First the position: what changes after it, this text need not know.
        head = await self._schedules.position()
        standing = await self._schedules.standing(self._tenant)
        current = {id: one.definition for id, one in standing.items() if one.definition is not None}
        if found is not None and found.schedules.keys() == current.keys():
            newest = max((one.changed_position for one in standing.values()), default=0)
            knows_all = found.position is not None and newest <= found.position
            if knows_all and all(same(one, found.schedules[id]) for id, one in current.items()):
                self._seen = text
                return False
        new = render(current, head)
        if not await asyncio.to_thread(self._put, text, new):
            return None
        self._seen = new
        return True

    def _read(self) -> str | None:
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return None
        if len(data) > FILE_BYTES_MAX:
            raise BadInput(f"{self.path} has {len(data):,} bytes, over the limit of {FILE_BYTES_MAX:,}")
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise BadInput(f"{self.path} is not UTF-8: {error}") from error

    def _put(self, known: str | None, text: str) -> bool:
        """Put a new text in place of the one that is known, whole or not at all; False when it is another."""
        temporary = str(self.path.with_name(f".{self.path.name}.{os.getpid()}"))
        descriptor = self._io.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            write_all(self._io, descriptor, text.encode(), 0)
            self._io.fdatasync(descriptor)
        finally:
            self._io.close(descriptor)
        if self._read() != known:
            self._io.unlink(temporary)
            return False
        self._io.rename(temporary, str(self.path))
        sync_directory(self._io, str(self.path.parent))
        return True
