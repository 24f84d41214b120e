"""Whatever is killed, and whatever a crash left behind, the next one to attach finds a server that works."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

from eventlog.clock import SystemClock
from eventlog.embedded.holders import LockFile
from eventlog.embedded.identity import LAUNCHER
from eventlog.embedded.processes import find_process, find_server, is_postgres_in, postgres_processes_in
from eventlog.embedded.server import attach
from tests.eventlog.embedded.conftest import PATIENCE_S, has_ended, layout_of, nothing_runs
from tests.eventlog.embedded.test_server import ask

CLOCK = SystemClock()


@contextmanager
def stranger(data_dir):
    """A living process that is no postgres and has the uid of the server: the worst case for a stale pid."""
    owner = os.stat(layout_of(data_dir).cluster)
    user = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    process = subprocess.Popen(["/bin/sh", "-c", "read line"], stdin=subprocess.PIPE, **user)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()


async def works(data_dir):
    """Attach, ask, let go."""
    server = await attach(data_dir, clock=CLOCK)
    try:
        return await ask(server, "select 1") == 1
    finally:
        await server.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_the_server_stops_when_its_only_holder_is_killed(data_dir, new_holder, number):
    """No cleanup code of ours runs then: the watcher does it."""
    holder = new_holder(data_dir)
    server = holder.attached()
    holder.kill(number)
    assert has_ended(server)


def test_the_server_stays_while_another_holder_lives(data_dir, new_holder):
    first, second = new_holder(data_dir), new_holder(data_dir)
    server = first.attached()
    assert second.attached() == server
    first.kill()
    assert int(second.do("query")) >= 3
    second.kill()
    assert has_ended(server)


async def test_nothing_acknowledged_is_lost_when_the_server_is_killed_while_writing(data_dir, hold):
    server = await hold(data_dir)
    connection = await asyncpg.connect(**server.connection)
    await connection.execute("drop table if exists t")
    await connection.execute("create table t (n bigint)")
    acknowledged = await insert_until_killed(connection, server.pid)
    # Held still: to attach again is how one gets the server back.
    again = await hold(data_dir)
    assert again.pid != server.pid
    assert await ask(again, "select count(*) from t") >= acknowledged >= 300
    await server.close()
    assert await ask(again, "select 1") == 1
    await again.close()


async def test_everything_killed_at_once_and_opened_again_at_once(data_dir, new_holder):
    """The dead server may still be a zombie that nobody reaps: it must not be taken for a living one."""
    holder = new_holder(data_dir)
    server = holder.attached()
    watcher = watcher_of(data_dir)
    for pid in (watcher, holder.process.pid, server):
        os.kill(pid, signal.SIGKILL)
    assert await works(data_dir)


async def test_a_killed_watcher_is_replaced_by_the_next_to_attach(data_dir, new_holder):
    first = new_holder(data_dir)
    server = first.attached()
    watcher = watcher_of(data_dir)
    os.kill(watcher, signal.SIGKILL)
    assert has_ended(watcher)
    second = new_holder(data_dir)
    assert second.attached() == server
    assert watcher_of(data_dir) != watcher
    first.kill()
    second.kill()
    assert has_ended(server)


def test_one_directory_has_one_watcher(data_dir, new_holder):
    holders = [new_holder(data_dir) for _ in range(3)]
    for holder in holders:
        holder.attached()
    assert len(watchers_of(data_dir)) == 1


async def test_an_unrelated_process_with_the_stale_pid_survives_and_the_server_starts(data_dir, hold):
    """After a reboot or in a new container the pid in postmaster.pid is anybody's."""
    with stranger(data_dir) as process:
        leave_pid_file(
            data_dir, f"{process.pid}\n{layout_of(data_dir).cluster}\n1700000000\n5432\n\n\n 1 1\n"
        )
        server = await hold(data_dir)
        assert server.pid != process.pid
        assert await ask(server, "select 1") == 1
        await server.close()
        assert process.poll() is None


async def test_a_zombie_with_the_stale_pid_does_not_stop_the_start(data_dir):
    with stranger(data_dir) as process:
        os.kill(process.pid, signal.SIGKILL)
        assert has_ended(process.pid)  # and is not reaped yet
        leave_pid_file(
            data_dir, f"{process.pid}\n{layout_of(data_dir).cluster}\n1700000000\n5432\n\n\n 1 1\n"
        )
        assert await works(data_dir)


async def test_the_pid_of_another_clusters_server_is_not_taken_for_ours(data_dir, tmp_path, hold):
    """It is a postgres, it has our uid, and stopping it would stop somebody else's database."""
    other = tmp_path / "other"
    foreign = await hold(other)
    try:
        leave_pid_file(data_dir, text_of(layout_of(other).pid_file))
        assert find_server(layout_of(data_dir).cluster, layout_of(data_dir).pid_file) is None
        assert await works(data_dir)
        assert await ask(foreign, "select 1") == 1
    finally:
        await foreign.close()


@pytest.mark.parametrize(
    "content", ["", "1", "12345\n/somewhere\n", "no number\nat all\n", "-7\n", "9" * 400, "\0" * 99]
)
async def test_a_short_or_garbled_pid_file_does_not_stop_the_start(data_dir, content):
    """A server killed while it starts leaves any part of the file."""
    leave_pid_file(data_dir, content)
    assert await works(data_dir)


async def test_a_stale_socket_lock_does_not_stop_the_start(data_dir):
    """Postgres guards its socket with a second lock file, with the same weakness."""
    with stranger(data_dir) as process:
        (Path(layout_of(data_dir).socket_directory) / ".s.PGSQL.5432.lock").write_text(f"{process.pid}\n")
        assert await works(data_dir)


async def test_a_start_waits_for_the_backends_of_a_killed_server(data_dir, hold):
    """A backend in a long statement notices the death of its server late; two writers must never meet."""
    server = await hold(data_dir)
    connection = await asyncpg.connect(**server.connection)
    backend = await connection.fetchval("select pg_backend_pid()")
    os.kill(backend, signal.SIGSTOP)
    os.kill(server.pid, signal.SIGKILL)
    assert has_ended(server.pid)
    told = []

    def tell(text):
        told.append(text)
        if "waiting for the last processes" in text and is_postgres_in(backend, layout_of(data_dir).cluster):
            os.kill(backend, signal.SIGCONT)

    again = await hold(data_dir, progress=tell)
    assert any("waiting for the last processes" in text for text in told)
    assert find_process(backend) is None
    connection.terminate()
    await again.close()
    await server.close()


async def test_initdb_killed_half_way_leaves_a_directory_that_works(new_dir, new_holder, hold):
    """The cluster gets its name only when it is complete, and nobody removes files under a running initdb."""
    layout = layout_of(new_dir)
    holder = new_holder(new_dir)
    eventually(lambda: os.path.exists(f"{layout.unfinished_cluster}/base"))
    holder.kill()
    assert "cluster" not in os.listdir(layout.root)
    lock = LockFile(layout.start_lock)
    assert lock.lock(exclusive=True, limit_s=PATIENCE_S)
    assert not any(works_in(pid, layout.unfinished_cluster) for pid in processes_with("-D"))
    lock.close()
    server = await hold(new_dir)
    assert await ask(server, "select 1") == 1


def test_a_holder_killed_while_it_starts_the_server_leaves_none(data_dir, new_holder):
    """Between the fork of the server and its pid file, only the inherited lock tells of it."""
    holder = new_holder(data_dir)
    eventually(lambda: processes_with(LAUNCHER, layout_of(data_dir).pid_file))
    holder.kill()
    eventually(lambda: not processes_with(LAUNCHER, layout_of(data_dir).pid_file))
    assert nothing_runs(data_dir)


def test_the_watcher_looks_again_before_it_stops_the_server(data_dir, new_holder):
    """Somebody may have come between the end of the last holder and the watcher's turn."""
    layout = layout_of(data_dir)
    doomed = new_holder(data_dir)
    server, watcher = doomed.attached(), watcher_of(data_dir)
    start, holders = LockFile(layout.start_lock), LockFile(layout.holders_lock)
    assert start.lock(exclusive=True, limit_s=PATIENCE_S)
    doomed.kill()
    eventually(lambda: waits_for(watcher, layout.start_lock))
    assert holders.lock(exclusive=False, limit_s=PATIENCE_S)  # as attach() does while it has start.lock
    start.close()
    eventually(lambda: waits_for(watcher, layout.holders_lock) or find_process(watcher) is None)
    assert find_process(server) is not None
    holders.close()
    assert has_ended(server)


async def test_who_attaches_while_the_watcher_stops_the_server_gets_one_that_lasts(
    data_dir, new_holder, hold
):
    """Joining and stopping exclude each other: no one joins a server that is then stopped under him."""
    for _ in range(5):
        doomed = new_holder(data_dir)
        doomed.attached()
        doomed.process.kill()
        server = await hold(data_dir)
        doomed.process.wait()
        connection = await asyncpg.connect(**server.connection)
        assert await connection.fetchval("select 1") == 1
        assert postgres_processes_in(layout_of(data_dir).cluster)
        assert await connection.fetchval("select 2") == 2
        await connection.close()
        await server.close()


async def insert_until_killed(connection, pid):
    """Insert, kill the server at the 300th, and return how many were acknowledged.

    The backend may outlive its server by some statements: what it acknowledges counts too.
    """
    acknowledged = 0
    try:
        while True:
            await connection.execute("insert into t values ($1)", acknowledged)
            acknowledged += 1
            if acknowledged == 300:
                os.kill(pid, signal.SIGKILL)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
        return acknowledged


def text_of(path):
    return Path(path).read_text()


def leave_pid_file(data_dir, content):
    path = Path(layout_of(data_dir).pid_file)
    path.write_text(content)
    owner = os.stat(layout_of(data_dir).cluster)
    os.chown(path, owner.st_uid, owner.st_gid)


def eventually(condition):
    """Ask again and again until it holds; for what has no handle to wait on."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end


def waits_for(pid, path):
    """Is the process asleep until it gets this lock?"""
    lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    waiting = [fields for fields in lines if fields[1:3] == ["->", "FLOCK"] and fields[5] == str(pid)]
    return any(fields[6].endswith(f":{os.stat(path).st_ino}") for fields in waiting)


def works_in(pid, directory):
    try:
        return os.path.samefile(f"/proc/{pid}/cwd", directory)
    except OSError:
        return False  # gone meanwhile


def processes_with(*wanted):
    """The living processes that have these among their arguments."""
    found = []
    for name in os.listdir("/proc"):
        try:
            arguments = Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0") if name.isdigit() else []
        except OSError:
            continue  # gone meanwhile
        if set(map(os.fsencode, wanted)) <= set(arguments) and find_process(int(name)):
            found.append(int(name))
    return found


def watchers_of(data_dir):
    return processes_with("-I", layout_of(data_dir).root)


def watcher_of(data_dir):
    (watcher,) = watchers_of(data_dir)
    return watcher
