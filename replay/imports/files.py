"""Paths in, files out: what an import was asked to read. Contents are not judged here."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath
from stat import S_ISREG
from typing import NamedTuple

from eventlog.errors import BadInput

SUFFIX = ".jsonl"


class Found(NamedTuple):
    """A file to read, and its size when it was found."""

    path: Path
    length_bytes: int


def find_files(paths: Iterable[str | os.PathLike[str]]) -> tuple[list[Found], list[BadInput]]:
    """Return the files of `paths`, each once, and an error for each path that gives none.

    A file is taken whatever its name; of a directory every *.jsonl below it, sorted, symbolic
    links to directories not followed.
    """
    found: dict[str, Found] = {}
    refused: list[BadInput] = []
    for given in map(Path, paths):
        try:
            files = _below(given) if given.is_dir() else [given]
        except OSError as error:
            refused.append(unreadable(given, error))
            continue
        if not files:
            refused.append(
                BadInput(f"{shown(given)} holds no *{SUFFIX} file, at any depth", path=shown(given))
            )
        for path in files:
            try:
                found.setdefault(os.path.realpath(path), _regular(path))
            except BadInput as error:
                refused.append(error)
    return list(found.values()), refused


def _regular(path: Path) -> Found:
    try:
        status = path.stat()
    except OSError as error:
        raise unreadable(path, error) from error
    # Opening a pipe would wait for somebody to write.
    if not S_ISREG(status.st_mode):
        raise BadInput(
            f"{shown(path)} is no regular file", hint="save it as one and import that", path=shown(path)
        )
    return Found(path, status.st_size)


def shown(path: PurePath) -> str:
    """Return a path as text that can be printed and encoded: what is no UTF-8 in it is U+FFFD."""
    return os.fsencode(path).decode(errors="replace")


def unreadable(path: Path, error: OSError) -> BadInput:
    """Return the error for a path that the system does not let us read, or not copy bytes of."""
    return BadInput(
        f"{shown(path)} cannot be imported: {error.strerror or error}",
        hint="mend that and import again",
        path=shown(path),
    )


def _below(directory: Path) -> list[Path]:
    return sorted(_walk(directory))


def _walk(directory: Path) -> Iterator[Path]:
    def stop(error: OSError) -> None:
        raise error  # a folder that cannot be listed may hold transcripts: say so

    for folder, _, names in os.walk(directory, onerror=stop):
        for name in names:
            if name.endswith(SUFFIX):
                yield Path(folder, name)
