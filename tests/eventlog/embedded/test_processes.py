"""Nothing but a living postgres of this very cluster is taken for one."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from eventlog.embedded.processes import Process, exists, find_process, is_alive, is_postgres_in, read_pid_file
from tests.eventlog.embedded.conftest import has_ended


def test_a_process_is_its_number_and_its_start():
    """The next one with the same number is another process."""
    me = find_process(os.getpid())
    assert me is not None
    assert is_alive(me)
    assert not is_alive(Process(me.pid, "0"))


def test_a_zombie_exists_and_does_not_live():
    process = subprocess.Popen([sys.executable, "-c", ""])
    assert has_ended(process.pid)
    assert exists(process.pid)
    assert find_process(process.pid) is None
    process.wait()
    assert not exists(process.pid)


def test_a_program_that_works_in_the_cluster_is_no_postgres(tmp_path):
    """A shell that somebody left in the directory."""
    with subprocess.Popen(["/bin/sh", "-c", "read line"], stdin=subprocess.PIPE, cwd=tmp_path) as shell:
        assert find_process(shell.pid) is not None
        assert not is_postgres_in(shell.pid, str(tmp_path))
        shell.communicate()


def test_nonsense_pids_are_nobody():
    assert find_process(0) is None
    assert find_process(-1) is None
    assert not exists(2**70)


@pytest.mark.parametrize(
    ("content", "pid"),
    [(b"4711\n/cluster\n1700000000\n", 4711), (b"4711", 4711), (b"", None), (b"x\n", None), (b"-4\n", None)],
)
def test_the_pid_file_is_read_as_far_as_it_goes(tmp_path, content, pid):
    (tmp_path / "postmaster.pid").write_bytes(content)
    assert read_pid_file(str(tmp_path / "postmaster.pid")) == pid
