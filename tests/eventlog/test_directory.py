"""The data directory: whose it is, and that a wrong one is refused with nothing changed."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import stat
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest

from eventlog.directory import FORMAT, NAME, DataDirectory
from eventlog.errors import AgentlogError, BadInput, CopiesDisagree, Damaged, FormatTooNew
from eventlog.io import SystemIo
from tests.support.lossy_io import LossyIo, PowerCut

LOG = uuid.UUID("11111111-1111-4111-8111-111111111111")
OTHER = uuid.UUID("22222222-2222-4222-8222-222222222222")


def opened(path: Path) -> DataDirectory:
    return DataDirectory(path, SystemIo())


def contents(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def test_a_new_directory_is_private_and_has_an_id_of_its_own(tmp_path: Path):
    one, other = opened(tmp_path / "deep" / "one"), opened(tmp_path / "other")
    assert stat.S_IMODE(one.path.stat().st_mode) == 0o700
    assert stat.S_IMODE((one.path / NAME).stat().st_mode) == 0o600
    assert one.id != other.id
    assert one.log_id is None
    assert list(contents(one.path)) == [NAME], "no temporary file is left"


def test_a_directory_opened_again_is_the_same_one(tmp_path: Path):
    first = opened(tmp_path / "d")
    first.belongs_to(LOG)
    again = opened(tmp_path / "d")
    assert (again.id, again.log_id) == (first.id, LOG)
    again.belongs_to(LOG)


def test_a_directory_belongs_to_one_log_for_ever(tmp_path: Path):
    """Two logs in one directory would be one damaged log."""
    opened(tmp_path / "d").belongs_to(LOG)
    before = contents(tmp_path / "d")
    with pytest.raises(CopiesDisagree, match=str(LOG)):
        opened(tmp_path / "d").belongs_to(OTHER)
    assert contents(tmp_path / "d") == before


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"not json",
        b"\xff",
        b"{}",
        b'{"format":1}',
        b'{"format":"1","id":"x"}',
        b"[]",
        b'{"format":1,"id":7}',
    ],
)
def test_a_file_that_is_no_agentlog_json_is_damage_and_stays(tmp_path: Path, text: bytes):
    (tmp_path / NAME).write_bytes(text)
    with pytest.raises(Damaged, match=r"agentlog\.json"):
        opened(tmp_path)
    assert contents(tmp_path) == {NAME: text}


def test_a_newer_format_is_refused_and_stays(tmp_path: Path):
    text = b'{"format":%d,"id":"%b","shape":"unknown"}' % (FORMAT + 1, str(OTHER).encode())
    (tmp_path / NAME).write_bytes(text)
    with pytest.raises(FormatTooNew, match="nothing was changed"):
        opened(tmp_path)
    assert contents(tmp_path) == {NAME: text}


@pytest.mark.parametrize("make", ["file", "file above", "directory in place of the file"])
def test_a_path_that_cannot_be_a_data_directory_is_bad_input(tmp_path: Path, make: str):
    path = tmp_path / "d"
    if make == "directory in place of the file":
        (path / NAME).mkdir(parents=True)
    else:
        path.write_bytes(b"mine")
        path = path / "below" if make == "file above" else path
    with pytest.raises(BadInput, match="cannot be used") as refused:
        opened(path)
    assert str(path) in str(refused.value)


def test_of_several_that_make_it_at_once_one_counts(tmp_path: Path):
    with ThreadPoolExecutor(8) as pool:
        ids = {made.id for made in pool.map(lambda _: opened(tmp_path / "d"), range(8))}
    assert len(ids) == 1
    assert list(contents(tmp_path / "d")) == [NAME]


def test_a_power_cut_takes_no_directory_that_was_made():
    """The names above it are synced as well: acknowledged events would go with one of them."""
    for seed in range(30):
        io = LossyIo(Random(seed))
        made = DataDirectory(Path("/deep/down/data"), io)
        made.belongs_to(LOG)
        again = DataDirectory(Path("/deep/down/data"), io.crash())
        assert (again.id, again.log_id) == (made.id, LOG)


@pytest.mark.parametrize("seed", range(10))
def test_a_power_cut_while_it_is_made_leaves_one_that_can_be_made(seed: int):
    for number in itertools.count(1):
        io = LossyIo(Random(f"{number} {seed}"))
        io.cut_after = number
        try:
            DataDirectory(Path("/deep/data"), io).belongs_to(LOG)
        except PowerCut:
            after = io.crash()
            DataDirectory(Path("/deep/data"), after).belongs_to(LOG)
            assert DataDirectory(Path("/deep/data"), after.crash()).log_id == LOG
        else:
            break
    assert number > 10, "every call was cut"


class FullDisk(SystemIo):
    def pwrite(self, fd: int, data: bytes, offset: int) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_no_half_written_file(tmp_path: Path):
    """The next start would call it damage."""
    with pytest.raises(AgentlogError, match="No space left"):
        DataDirectory(tmp_path / "d", FullDisk())
    assert opened(tmp_path / "d").log_id is None
    assert list(contents(tmp_path / "d")) == [NAME]


def test_the_parts_of_a_directory_stand_where_the_file_says(tmp_path: Path):
    directory = opened(tmp_path)
    assert (directory.segments, directory.quarantine) == (tmp_path / "segments", tmp_path / "quarantine")
    assert directory.archive == tmp_path / "archive"


def test_a_copy_of_a_directory_is_a_directory_of_its_own(tmp_path: Path):
    """Under one id, Postgres would remember of one what only the other had synced, and call it damage."""
    original = opened(tmp_path / "d")
    original.belongs_to(LOG)
    shutil.copytree(tmp_path / "d", tmp_path / "copy")
    copy = opened(tmp_path / "copy")
    assert (copy.id != original.id, copy.log_id) == (True, LOG)
    assert opened(tmp_path / "copy").id == copy.id
    assert opened(tmp_path / "d").id == original.id


def test_a_directory_that_was_moved_is_the_same_one(tmp_path: Path):
    original = opened(tmp_path / "d")
    (tmp_path / "d").rename(tmp_path / "elsewhere")
    assert opened(tmp_path / "elsewhere").id == original.id


def test_a_directory_of_before_keeps_its_id(tmp_path: Path):
    """Its file does not say which inode it had."""
    (tmp_path / NAME).write_bytes(b'{"format":1,"id":"%b","log_id":null}' % str(OTHER).encode())
    assert [opened(tmp_path).id for _ in range(2)] == [OTHER, OTHER]
