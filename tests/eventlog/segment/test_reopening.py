"""Opening again after something went wrong: what the disk has counts, in the directory that is there."""

from __future__ import annotations

import errno
from contextlib import suppress
from pathlib import Path

import pytest

from eventlog.errors import MirrorUnavailable
from eventlog.io import SystemIo
from tests.eventlog.segment.building import History, lines_of, machine, open_store


@pytest.mark.parametrize("seed", range(20))
def test_opening_after_a_failed_sync_accepts_what_the_disk_has(seed: int) -> None:
    """The page cache goes on showing what a failed sync lost; whoever believes it promises what is lost."""
    history = History().commit_many(8, size=1500)
    io = machine(seed=seed)
    store = open_store(io)
    store.append([history.block(0, 2)])
    store.sync()
    store.append(history.blocks(2, [1, 1, 2]))
    io.failures = {"fdatasync": errno.EIO}
    with pytest.raises(MirrorUnavailable):
        store.sync()
    io.failures = {}
    with suppress(MirrorUnavailable):
        store.close()
    again = open_store(io)
    accepted = again.durable_position
    assert 2 <= accepted == again.head_position
    again.append([history.block(accepted, 8)])
    assert again.sync() == 8
    survivor = open_store(io.crash(), witness=8)
    assert lines_of(survivor) == history.lines


def test_a_mark_is_not_written_into_a_directory_made_anew(tmp_path: Path) -> None:
    """It would say of the new one what only the old one holds; the next opening would call that damage."""
    history = History().commit_many(4)
    directory = tmp_path / "segments"
    store = open_store(SystemIo(), str(directory))
    store.append([history.block(0, 4)])
    store.sync()
    directory.rename(tmp_path / "elsewhere")
    open_store(SystemIo(), str(directory)).close()
    with pytest.raises(MirrorUnavailable, match="moved, deleted"):
        store.write_mark()
    store.close()
    assert open_store(SystemIo(), str(directory)).head_position == 0
