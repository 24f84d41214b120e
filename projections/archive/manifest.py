"""The archive's table of contents: which Parquet files make it up, and what each must contain.

`manifest.json` is one JSON object (docs/formats/archive.md). A file that is not in it is not part
of the archive. Nothing here touches files; `archive.py` replaces the manifest by an atomic rename.
"""

from __future__ import annotations

from collections import defaultdict

import msgspec
from msgspec.structs import replace

from eventlog.errors import Damaged, FormatTooNew
from projections.archive.columns import EVENTS, MESSAGES, STAGED, SUMS, TABLES

FORMAT = 3
_OLDEST_READ = 2  # has no files of sums
MANIFEST_NAME = "manifest.json"


class ArchiveFile(msgspec.Struct, frozen=True, kw_only=True):
    """One Parquet file: the rows of one table from a range of positions.

    `source_bytes` counts the payload bytes of the range (events files only, else 0): it tells a
    range that is small from one that was closed because it was large.
    """

    table: str
    name: str
    first_position: int
    last_position: int
    rows: int
    size_bytes: int
    sha256: str
    source_bytes: int = 0


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """All files, in order of position. Ranges follow each other without a gap from position 1.

    `events` counts messages as well, `messages` those alone.
    """

    format: int
    log_id: str
    archive_position: int
    events: int
    messages: int
    files: list[ArchiveFile]

    def of_table(self, table: str) -> list[ArchiveFile]:
        return [file for file in self.files if file.table == table]

    def ranges(self) -> list[ArchiveFile]:
        """The events files: one per range."""
        return self.of_table(EVENTS)

    def without_sums(self, table: str) -> list[ArchiveFile]:
        """The messages files of ranges that have no file of that table of sums."""
        added_up = {file.first_position for file in self.of_table(table)}
        return [file for file in self.of_table(MESSAGES) if file.first_position not in added_up]

    def before(self, position: int) -> Manifest:
        """Return the manifest of the ranges that end before `position`."""
        return make(self.log_id, [file for file in self.files if file.last_position < position])

    def files_of(self, first_position: int) -> list[ArchiveFile]:
        """The files of the range that begins there."""
        return [file for file in self.files if file.first_position == first_position]

    def with_range(self, files: list[ArchiveFile]) -> Manifest:
        """Return the manifest with one more range, or with those replaced whose positions it holds."""
        first, last = files[0].first_position, files[0].last_position
        others = [file for file in self.files if not first <= file.first_position <= last]
        return make(self.log_id, others + files)


def make(log_id: str, files: list[ArchiveFile]) -> Manifest:
    """Return the manifest of `files`; positions and counts follow from them.

    A message has a row in `messages`, any other event one in `events`: together they are all events.
    """
    ordered = sorted(files, key=lambda file: (file.first_position, file.table))
    counts = {table: sum(file.rows for file in ordered if file.table == table) for table in TABLES}
    return Manifest(
        format=FORMAT,
        log_id=log_id,
        archive_position=max((file.last_position for file in ordered), default=0),
        events=counts[EVENTS] + counts[MESSAGES],
        messages=counts[MESSAGES],
        files=ordered,
    )


def file_name(table: str, first_position: int, last_position: int, sha256: str) -> str:
    """Named after range and content: a file that is made again never replaces the one being read."""
    return f"{table}-{first_position:020d}-{last_position:020d}-{sha256[:12]}.parquet"


def encode(manifest: Manifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def decode(text: bytes, log_id: str) -> Manifest:
    """Return a manifest that holds together. That of format 1 counts as empty: its files have other
    columns, so they are made again. Ranges of format 2 have no files of sums.

    Raises:
        FormatTooNew: a newer agentlog wrote it.
        Damaged: it is no manifest, belongs to another log, or has a gap.
    """
    try:
        number = msgspec.json.decode(text, type=_FormatOnly).format
        if number > FORMAT:
            raise FormatTooNew(
                f"the archive has format {number}, this release reads up to {FORMAT}",
                hint="use the newer agentlog, or delete the archive's directory and build it again",
            )
        if 1 <= number < _OLDEST_READ:
            return make(log_id, [])
        manifest = replace(msgspec.json.decode(text, type=Manifest), format=FORMAT)
    except (ValueError, RecursionError) as error:
        raise damaged(f"{MANIFEST_NAME} is no manifest: {error}", MANIFEST_NAME) from error
    if manifest.log_id != log_id:
        raise damaged(
            f"the archive was made from log {manifest.log_id!r}, not from {log_id!r}", MANIFEST_NAME
        )
    _check_ranges(manifest)
    return manifest


class _FormatOnly(msgspec.Struct):
    format: int


def _check_ranges(manifest: Manifest) -> None:
    ends: dict[str, int] = defaultdict(int)
    ranges = {(file.first_position, file.last_position) for file in manifest.ranges()}
    for file in manifest.files:
        end = ends[file.table]
        if file.table in SUMS:  # a range of format 2 lacks it, until the next build
            fits = (file.first_position, file.last_position) in ranges and file.first_position > end
        else:
            fits = file.table in TABLES and file.first_position == end + 1
        if not fits:
            raise damaged(
                f"{MANIFEST_NAME} has {file.name} after position {end} of {file.table}",
                MANIFEST_NAME,
            )
        ends[file.table] = file.last_position
    for file in manifest.ranges():
        rows = sum(f.rows for f in manifest.files_of(file.first_position) if f.table in (EVENTS, MESSAGES))
        if rows != file.last_position - file.first_position + 1:
            raise damaged(
                f"{MANIFEST_NAME} has {rows} events for positions {file.first_position} to"
                f" {file.last_position}", MANIFEST_NAME, file.first_position, file.last_position,
            )  # fmt: skip
    expected = make(manifest.log_id, manifest.files)
    if expected != manifest or {ends[table] for table in STAGED} != {manifest.archive_position}:
        raise damaged(f"the counts in {MANIFEST_NAME} are not those of its files", MANIFEST_NAME)


def damaged(what: str, where: str, first_position: int = 1, last_position: int | None = None) -> Damaged:
    """An error of the archive. The log is not concerned: the archive can be made again from it."""
    return Damaged(
        what,
        hint="delete the archive's directory and run `agentlog archive build`: the log has all of it",
        first_position=first_position,
        last_position=last_position,
        where=where,
    )
