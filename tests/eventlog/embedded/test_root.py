"""As root: the server is not root, nobody else gets in, and no mode above it changes. Takes seconds."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from eventlog.clock import SystemClock
from eventlog.embedded.binaries import VARIABLE, find_binaries
from eventlog.embedded.identity import namespaces_work
from eventlog.embedded.layout import socket_name
from eventlog.embedded.privileges import Identity
from eventlog.embedded.server import attach
from tests.eventlog.embedded.conftest import has_ended, layout_of
from tests.eventlog.embedded.test_server import ask

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

CLOCK = SystemClock()
ANOTHER_UID = 12  # neither root, nor a user of the server; it needs no name
NAMESPACES = (
    namespaces_work(Identity("namespace", 1, 1, 0, 0, True, "daemon")) if os.geteuid() == 0 else False
)

ASK_AS_ANOTHER = """
import os, sys
from eventlog.embedded.probe import probe
os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
print(probe(sys.argv[1], role="agentlog", database="postgres").message)
"""


def ask_as(uid, path):
    """What the server tells another user of the system who knocks at `path`."""
    command = [sys.executable, "-c", ASK_AS_ANOTHER, path, str(uid)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def open_the_door(data_dir):
    """Loosen everything in front of the socket, so that peer authentication alone is left."""
    layout = layout_of(data_dir)
    for path in (data_dir, layout.root, layout.socket_directory):
        os.chmod(path, 0o755)
    os.chmod(socket_name(layout.socket_directory), 0o777)


def ids_of(pid):
    """Real and effective uid and gid of a process, and its groups, as we see them."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = {line.split(":")[0]: line.split(":")[1].split() for line in lines}
    return {int(number) for name in ("Uid", "Gid") for number in fields[name]}, fields["Groups"]


def owners_below(directory):
    return {os.lstat(path).st_uid for path in Path(directory).rglob("*")}


@pytest.fixture
def restored(data_dir):
    """The cluster as the other tests expect it: in a directory that is nobody else's business."""
    yield data_dir
    os.chmod(data_dir, 0o700)
    os.chmod(layout_of(data_dir).root, 0o700)


def test_the_server_has_neither_roots_uid_nor_its_gid_nor_its_groups(data_dir, new_holder):
    """Dropping the uid alone leaves a process that may read what root's groups may."""
    holder = new_holder(data_dir, groups=[0, 42])
    ids, groups = ids_of(holder.attached())
    assert 0 not in ids
    assert groups == []


async def test_another_user_cannot_even_reach_the_socket(data_dir, hold):
    server = await hold(data_dir)
    try:
        assert "Permission denied" in ask_as(ANOTHER_UID, server_socket(data_dir))
    finally:
        await server.close()


async def test_another_user_is_refused_by_the_server_itself(restored, hold):
    """The directory's mode is one wall; should it fall, peer authentication is the other."""
    server = await hold(restored)
    try:
        open_the_door(restored)
        assert "authentication failed" in ask_as(ANOTHER_UID, server_socket(restored))
        assert ask_as(0, server_socket(restored)) == ""
    finally:
        await server.close()


async def test_below_a_private_directory_it_works_and_no_mode_changes(new_dir, hold):
    """With data under /root, `chmod go+rx` on the way would open /root to everybody."""
    above = new_dir / "private" / "deeper"
    above.mkdir(parents=True)
    for directory in (above, above.parent, new_dir):
        directory.chmod(0o700)
    before = [(path, os.stat(path)) for path in [above, *above.parents]]
    server = await hold(above / "data")
    try:
        assert await ask(server, "select 1") == 1
    finally:
        await server.close()
    for path, status in before:
        now = os.stat(path)
        assert (now.st_mode, now.st_uid, now.st_gid) == (status.st_mode, status.st_uid, status.st_gid), path


async def test_a_cluster_in_a_persons_directory_stays_that_persons(new_dir, hold):
    """Opened by root once, a directory must not lock its owner out."""
    new_dir.mkdir()
    shutil.chown(new_dir, "games")
    server = await hold(new_dir)
    try:
        owner = new_dir.stat().st_uid
        ids, _ = ids_of(server.pid)
        assert owner in ids
        assert owners_below(layout_of(new_dir).root) == {owner}
    finally:
        await server.close()
    assert owners_below(layout_of(new_dir).root) == {owner}


@pytest.fixture
def private_programs(new_dir):
    """The server's programs where only root can go, as in a virtual environment below /root."""
    package = Path(find_binaries().directory).parent.parent
    private = new_dir.parent / "private"
    private.mkdir(mode=0o700)
    for part in (package, package.with_suffix(".libs")):  # the wheel keeps libraries beside the package
        shutil.copytree(part, private / part.name, symlinks=True)
    return {VARIABLE: str(private / package.name / "pginstall" / "bin")}


@pytest.mark.skipif(not NAMESPACES, reason="no user namespaces here")
async def test_programs_that_only_root_can_reach_run_in_a_user_namespace(
    new_dir, new_holder, private_programs
):
    """Root may connect, others may not, and a kill -9 ends it as everywhere."""
    holder = new_holder(new_dir, private_programs)
    server = holder.attached()
    assert os.readlink(f"/proc/{server}/ns/user") != os.readlink("/proc/self/ns/user")
    assert int(holder.do("query")) >= 3
    open_the_door(new_dir)
    # Everybody but root is the overflow uid in there, which no role is mapped to.
    assert "authentication failed" in ask_as(ANOTHER_UID, server_socket(new_dir))
    assert "authentication failed" in ask_as(65534, server_socket(new_dir))
    assert stat.S_IMODE((new_dir.parent / "private").stat().st_mode) == 0o700
    holder.kill()
    assert has_ended(server)


@pytest.mark.skipif(not NAMESPACES, reason="no user namespaces here")
async def test_a_cluster_goes_from_a_namespace_to_a_user_and_back(own_cluster, new_holder, private_programs):
    """Moving the virtual environment must not make the data unreadable."""
    for environment in (private_programs, {}, private_programs):
        holder = new_holder(own_cluster, environment)
        holder.attached()
        assert int(holder.do("query")) >= 3
        assert holder.do("close") == "closed"


def test_root_without_the_right_to_look_at_others_recognises_its_server(data_dir, new_holder):
    """Containers leave root without CAP_SYS_PTRACE: /proc hides the working directory of the server."""
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv")
    code = "import asyncio, sys; from tests.eventlog.embedded.test_root import join_and_close; "
    code += "print(asyncio.run(join_and_close(sys.argv[1])))"
    holder = new_holder(data_dir)
    server = holder.attached()
    command = ["setpriv", "--bounding-set=-sys_ptrace", sys.executable, "-c", code, str(data_dir)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(answer.stdout) == server
    holder.kill()
    assert has_ended(server)
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert has_ended(int(again.stdout))


async def join_and_close(data_dir):
    server = await attach(Path(data_dir), clock=CLOCK)
    await server.close()
    return server.pid


def server_socket(data_dir):
    return socket_name(layout_of(data_dir).socket_directory)
