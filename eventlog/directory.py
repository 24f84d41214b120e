"""The data directory: what lies where, and the small file that says whose it is.

<data>/agentlog.json     format, the directory's own id, the log's id
<data>/segments/         the local copy of the log (docs/formats/segment.md)
<data>/quarantine/       bytes that were cut or refused, never deleted
<data>/postgres/         the embedded server's cluster, when there is one
<data>/archive/          Parquet files, all rebuildable
"""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
from pathlib import Path

import msgspec

from eventlog.errors import BadInput, CopiesDisagree, Damaged, FormatTooNew
from eventlog.io import Io, read_all, sync_directory, write_all

FORMAT = 1
NAME = "agentlog.json"


class DirectoryFile(msgspec.Struct, kw_only=True):
    """Contents of agentlog.json.

    Attributes:
        inode: of the file itself. In a copy of the directory it is another one, and a copy is a
            directory of its own: under one id, each would be blamed for what only the other has.
            A file system that numbers its files anew at each mount makes every opening look like
            a copy; all that is lost then is what Postgres remembers of the directory.
    """

    format: int
    id: uuid.UUID
    log_id: uuid.UUID | None = None
    inode: int | None = None


class DataDirectory:
    """A data directory on this host. Making one creates it, 0700."""

    def __init__(self, path: Path, io: Io) -> None:
        self.path = path
        self._io = io
        try:
            found = self._read()
            if found is None:
                self._make(os.path.abspath(path), 0o700)
                found = self._create()
            self._file = self._own(found)
        except OSError as error:
            raise self._unusable(error) from error

    @property
    def id(self) -> uuid.UUID:
        return self._file.id

    @property
    def segments(self) -> Path:
        return self.path / "segments"

    @property
    def quarantine(self) -> Path:
        return self.path / "quarantine"

    @property
    def archive(self) -> Path:
        return self.path / "archive"

    @property
    def log_id(self) -> uuid.UUID | None:
        return self._file.log_id

    def belongs_to(self, log_id: uuid.UUID) -> None:
        """Tie the directory to a log, once; refuse another log for ever after."""
        if self._file.log_id is None:
            tied = msgspec.structs.replace(self._file, log_id=log_id)
            try:
                self._write(tied)
            except OSError as error:
                raise self._unusable(error) from error
            self._file = tied
        elif self._file.log_id != log_id:
            raise CopiesDisagree(
                f"data directory {self.path} holds log {self._file.log_id}, Postgres holds log {log_id}",
                hint="give the database this directory was made with, or another directory",
                first_position=1,
                last_position=None,
                where=str(self.path),
            )

    def _make(self, path: str, mode: int) -> None:
        """Make a directory, with those missing above it, and make its name durable.

        Comes before agentlog.json: where that file is, no power cut takes the directory away. One that
        exists is synced too: whoever made it may have been killed before that.
        """
        above = os.path.dirname(path)
        if not self._io.exists(above):
            self._make(above, 0o777)
        if not self._io.exists(path):
            with suppress(FileExistsError):  # another process was faster
                self._io.mkdir(path, mode)
        with suppress(PermissionError):  # a directory that may not be read cannot be synced either
            sync_directory(self._io, above)

    def _unusable(self, error: OSError) -> BadInput:
        return BadInput(
            f"data directory {self.path} cannot be used: {error.strerror}",
            hint="give a directory this user can write to, on a disk with free space",
            path=str(self.path),
        )

    def _read(self) -> DirectoryFile | None:
        try:
            text = read_all(self._io, str(self.path / NAME))
        except FileNotFoundError:
            return None
        try:
            found = msgspec.json.decode(text, type=DirectoryFile)
        except (ValueError, RecursionError) as error:
            raise Damaged(
                f"{self.path / NAME} does not read as JSON of this format: {error}",
                hint="restore that one file; its format is in docs/formats/segment.md",
                first_position=0,
                last_position=0,
                where=str(self.path / NAME),
            ) from error
        if found.format > FORMAT:
            raise FormatTooNew(
                f"data directory {self.path} has format {found.format}, this release reads up to {FORMAT}",
                hint="use the newer agentlog that made it; nothing was changed",
                format=found.format,
            )
        return found

    def _own(self, found: DirectoryFile) -> DirectoryFile:
        """Return what was read; when it was copied from another directory, under a new id."""
        if found.inode == self._io.identity(str(self.path / NAME))[1]:
            return found
        own = found if found.inode is None else msgspec.structs.replace(found, id=uuid.uuid4())
        with suppress(OSError):  # who only looks at a copy needs no right to write there
            self._write(own)
        return own

    def _create(self) -> DirectoryFile:
        fresh = DirectoryFile(format=FORMAT, id=uuid.uuid4())
        self._write(fresh, exclusive=True)
        found = self._read()  # of several processes that make it at once, the first one's counts
        assert found is not None
        return found

    def _write(self, content: DirectoryFile, *, exclusive: bool = False) -> None:
        """Replace agentlog.json whole and durably; with `exclusive`, only when there is none."""
        # A name of its own: processes in two containers can have one pid, two logs in one process do.
        target, temporary = str(self.path / NAME), str(self.path / f"{NAME}.{uuid.uuid4().hex}")
        fd = self._io.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600)
        try:
            try:
                content = msgspec.structs.replace(content, inode=self._io.identity(fd)[1])
                write_all(self._io, fd, msgspec.json.encode(content) + b"\n", 0)
                self._io.fsync(fd)
            finally:
                self._io.close(fd)
            if exclusive:
                with suppress(FileExistsError):  # another process was quicker; its file counts
                    self._io.link(temporary, target)
            else:
                self._io.rename(temporary, target)
        finally:
            with suppress(FileNotFoundError):
                self._io.unlink(temporary)
        sync_directory(self._io, str(self.path))
