"""Compares archive files with the manifest, and the manifest with the log. Repairs nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from eventlog.envelope import Event
from projections.archive.columns import EVENTS, MESSAGES
from projections.archive.manifest import Manifest
from projections.archive.rows import is_message


class ArchiveFinding(msgspec.Struct, frozen=True):
    """One thing that is wrong with the archive.

    `code` is one of: missing (a file), altered (a file's size or SHA-256), extra (a file that does
    not belong to the archive), manifest (unreadable, or of another log), ahead (the archive has
    positions the log has not), count (other counts than the log has), content (other rows than the
    log gives).
    """

    code: str
    file: str
    first_position: int
    last_position: int
    message: str

    def __str__(self) -> str:
        return self.message


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def findings_of_files(directory: Path, manifest: Manifest, *, digests: bool) -> Iterator[ArchiveFinding]:
    """Compare the directory with the manifest; `digests` reads every file, else sizes must do."""
    for file in manifest.files:
        path = directory / file.name
        first, last = file.first_position, file.last_position
        where = f"{file.name} (positions {first} to {last})"
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            yield ArchiveFinding("missing", file.name, first, last, f"archive file {where} is missing")
            continue
        if path.is_dir():
            yield ArchiveFinding(
                "altered", file.name, first, last, f"a directory stands in the place of archive file {where}"
            )
        elif size != file.size_bytes:
            yield ArchiveFinding(
                "altered", file.name, first, last,
                f"archive file {where} has {size:,} bytes, not {file.size_bytes:,}",
            )  # fmt: skip
        elif digests and file_sha256(path) != file.sha256:
            yield ArchiveFinding(
                "altered", file.name, first, last,
                f"archive file {where} has another SHA-256 than the manifest says",
            )  # fmt: skip
    if digests:
        known = {file.name for file in manifest.files}
        for path in sorted(directory.glob("*.parquet")):
            if path.name not in known:
                fate = "it is a directory; move it away" if path.is_dir() else "the next build removes it"
                yield ArchiveFinding(
                    "extra", path.name, 0, 0, f"{path.name} is not in the manifest and not read; {fate}"
                )


def findings_of_log(
    manifest: Manifest, read: Callable[[int, int | None], Iterable[Sequence[Event]]], head: int
) -> Iterator[ArchiveFinding]:
    """Compare the manifest's counts with the log's own, range by range."""
    if manifest.archive_position > head:
        yield ArchiveFinding(
            "ahead", "", head + 1, manifest.archive_position,
            f"the archive ends at position {manifest.archive_position}, the log at {head}",
        )  # fmt: skip
        return
    messages = {file.first_position: file.rows for file in manifest.of_table(MESSAGES)}
    for file in manifest.of_table(EVENTS):
        first, last = file.first_position, file.last_position
        archived = last - first + 1  # an invariant of the manifest
        counted = counted_messages = 0
        for block in read(first - 1, last):
            for event in block:
                if first <= event.position <= last:
                    counted += 1
                    counted_messages += is_message(event)
        if (archived, messages[first]) != (counted, counted_messages):
            yield ArchiveFinding(
                "count", file.name, first, last,
                f"positions {first} to {last}: the archive has {archived:,} events and"
                f" {messages[first]:,} messages, the log {counted:,} and {counted_messages:,}",
            )  # fmt: skip
