"""Keep what a repair replaces: files under quarantine/, durable before anything is changed."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from eventlog.io import make_directory, sync_directory, write_all
from replay.site import Site


def keep_lines(site: Site, name: str, lines: Iterable[str]) -> str:
    """Write lines into a new file; return its path."""
    path = _free(site, name)
    content = "".join(f"{line}\n" for line in lines).encode()
    fd = site.io.open(str(path), os.O_RDWR | os.O_CREAT | os.O_EXCL)
    try:
        write_all(site.io, fd, content, 0)
        site.io.fsync(fd)
    finally:
        site.io.close(fd)
    sync_directory(site.io, str(path.parent))
    return str(path)


def keep_file(site: Site, path: str) -> str:
    """Give a file of the segments a second name here; the first may then be replaced. Return the new one."""
    kept = _free(site, f"{os.path.basename(path)}.damaged")
    site.io.link(path, str(kept))
    sync_directory(site.io, str(kept.parent))
    return str(kept)


def put_away(site: Site, path: str) -> str:
    """Move a file, or whatever has its name, from the segments to here. Return where it is now."""
    kept = str(_free(site, f"{os.path.basename(path)}.damaged"))
    site.io.rename(path, kept)
    sync_directory(site.io, os.path.dirname(kept))
    sync_directory(site.io, os.path.dirname(path))
    return kept


def _free(site: Site, name: str) -> Path:
    """Return a path that nobody has yet."""
    directory = site.directory.quarantine
    make_directory(site.io, str(directory))
    number = 1
    while site.io.exists(str(path := directory / f"{name}-{number}")):
        number += 1
    return path
