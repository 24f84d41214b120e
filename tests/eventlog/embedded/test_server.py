"""One server per directory: it starts with the first holder, is shared, and stops with the last."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import asyncpg
import pytest

from eventlog.clock import SystemClock
from eventlog.embedded.layout import LONGEST_SOCKET_BYTES, socket_name
from eventlog.embedded.processes import find_process
from eventlog.embedded.server import attach
from eventlog.errors import EmbeddedPostgresError
from tests.eventlog.embedded.conftest import has_ended, layout_of, leaving_nothing

CLOCK = SystemClock()


async def ask(server, sql):
    connection = await asyncpg.connect(**server.connection)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def test_variables_for_another_server_do_not_keep_us_from_ours(new_dir, hold, monkeypatch):
    """Who works with a remote Postgres has them set."""
    for name, value in (
        *(("PGHOST", "/nowhere"), ("PGPORT", "1"), ("PGUSER", "x"), ("PGDATABASE", "x"), ("PGPASSWORD", "x")),
        *(("PGSSLMODE", "verify-full"), ("PGSSLROOTCERT", "/nowhere"), ("PGTARGETSESSIONATTRS", "standby")),
    ):
        monkeypatch.setenv(name, value)
    assert await ask(await hold(new_dir), "SELECT 1") == 1


async def test_a_new_directory_gets_a_durable_private_server(new_dir, hold):
    """What people store is safe without a setting of theirs, and nobody else gets at it."""
    said = []
    server = await hold(new_dir, progress=said.append)
    try:
        assert said[0] == "creating the Postgres cluster"
        expected = {
            "fsync": "on",
            "full_page_writes": "on",
            "synchronous_commit": "on",
            "data_checksums": "on",
            "listen_addresses": "",
            "unix_socket_permissions": "0700",
            "autovacuum": "on",
            "jit": "off",
            "TimeZone": "UTC",
            "server_encoding": "UTF8",
        }
        assert {name: await ask(server, f"show {name}") for name in expected} == expected
        assert (
            await ask(server, "select datlocprovider::text || datlocale from pg_database limit 1")
            == "bC.UTF-8"
        )
        assert server.major * 10_000 <= int(await ask(server, "show server_version_num"))
        assert os.stat(layout_of(new_dir).socket_directory).st_mode & 0o077 == 0
        assert os.stat(layout_of(new_dir).root).st_mode & 0o077 == 0
    finally:
        await server.close()


async def test_a_second_attachment_joins_and_the_last_one_out_stops_the_server(data_dir, hold):
    """Two stores in one process are as independent as two processes."""
    first = await hold(data_dir)
    second = await hold(data_dir)
    assert second.pid == first.pid
    await first.close()
    await first.close()  # a second time changes nothing
    assert await ask(second, "select 1") == 1
    await second.close()
    assert find_process(second.pid) is None


async def test_rows_are_there_after_the_server_was_stopped_and_started(data_dir, hold):
    server = await hold(data_dir)
    await ask(server, "create table if not exists kept as select 7 as n")
    await server.close()
    again = await hold(data_dir)
    try:
        assert again.pid != server.pid
        assert await ask(again, "select n from kept") == 7
    finally:
        await again.close()


async def test_another_process_joins_and_keeps_the_server_when_the_starter_leaves(data_dir, new_holder, hold):
    server = await hold(data_dir)
    other = new_holder(data_dir)
    assert other.attached() == server.pid
    await server.close()
    assert int(other.do("query")) >= 3
    assert other.do("close") == "closed"
    assert find_process(server.pid) is None


def test_six_processes_that_start_at_once_share_one_server(new_dir, new_holder):
    """Nobody sees a half-made cluster, and initdb runs once."""
    holders = [new_holder(new_dir) for _ in range(6)]
    assert len({holder.attached() for holder in holders}) == 1
    made = [line for holder in holders for line in holder.progress if "creating" in line]
    assert len(made) == 1
    for holder in holders:
        assert holder.do("close") == "closed"


async def test_a_path_longer_than_a_socket_address_works(new_dir, hold):
    """The address of a Unix socket holds 107 bytes; home directories are deeper than that."""
    deep = new_dir / ("d" * 60) / ("e" * 60) / "with space, comma and 'quote'"
    assert len(socket_name(layout_of(deep).socket_directory)) > LONGEST_SOCKET_BYTES + 4
    with leaving_nothing(deep):
        server = await hold(deep)
        try:
            assert await ask(server, "select 1") == 1
            joined = await hold(deep)
            assert joined.pid == server.pid
            await joined.close()
            # Killed and started by another: whoever held it reaches the new one as well.
            os.kill(server.pid, signal.SIGKILL)
            again = await hold(deep)
            assert again.pid != server.pid
            assert await ask(server, "select 1") == 1
            await again.close()
        finally:
            await server.close()


async def test_a_relative_path_and_a_symbolic_link_are_the_same_directory(
    data_dir, tmp_path, monkeypatch, hold
):
    (tmp_path / "link").symlink_to(data_dir)
    monkeypatch.chdir(data_dir.parent)
    server = await hold(data_dir)
    relative = await hold(Path("data"))
    linked = await hold(tmp_path / "link")
    assert relative.pid == linked.pid == server.pid
    for one in (relative, linked, server):
        await one.close()


async def test_a_cluster_of_another_major_is_refused_with_both_named(own_cluster, hold):
    version = Path(layout_of(own_cluster).cluster) / "PG_VERSION"
    version.write_text("16\n")
    with pytest.raises(EmbeddedPostgresError, match=r"PostgreSQL 16.*agentlog restore postgres") as caught:
        await hold(own_cluster)
    assert caught.value.cluster_major == 16
    assert f"PostgreSQL {caught.value.installed_major}" in str(caught.value)


async def test_users_settings_count_but_durability_is_not_theirs_to_switch_off(own_cluster, hold):
    """postgresql.conf and ALTER SYSTEM work as everywhere, except where acknowledged means durable."""
    cluster = Path(layout_of(own_cluster).cluster)
    with (cluster / "postgresql.conf").open("a") as file:
        file.write("\nwork_mem = '7MB'\nfsync = off\n")
    (cluster / "postgresql.auto.conf").write_text("full_page_writes = 'off'\nsynchronous_commit = 'off'\n")
    server = await hold(own_cluster)
    try:
        assert await ask(server, "show work_mem") == "7MB"
        for name in ("fsync", "full_page_writes", "synchronous_commit"):
            assert await ask(server, f"show {name}") == "on"
        assert "full_page_writes = 'off'" in (cluster / "postgresql.auto.conf").read_text()
    finally:
        await server.close()


async def test_a_server_that_cannot_start_is_quoted(own_cluster, hold):
    """Whoever reads the error needs the server's own words, not ours."""
    with (Path(layout_of(own_cluster).cluster) / "postgresql.conf").open("a") as file:
        file.write("\nno_such_setting = 1\n")
    with pytest.raises(EmbeddedPostgresError, match='unrecognized configuration parameter "no_such_setting"'):
        await hold(own_cluster)


async def test_a_directory_that_is_a_file_is_refused(tmp_path, hold):
    (tmp_path / "data").write_text("not a directory")
    with pytest.raises(EmbeddedPostgresError, match="cannot use"):
        await hold(tmp_path / "data")


async def test_a_cancelled_attach_leaves_no_server(data_dir):
    """The thread that starts the server cannot be interrupted; what it starts belongs to nobody then."""
    told = asyncio.Event()
    task = asyncio.create_task(attach(data_dir, clock=CLOCK, progress=lambda _: told.set()))
    await told.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    # leaving_nothing() of the fixture waits for the watcher and then looks


async def test_a_long_log_is_moved_aside_at_the_next_start(data_dir, hold):
    log = layout_of(data_dir).log
    os.truncate(log, 9 * 1024 * 1024)
    server = await hold(data_dir)
    await server.close()
    assert os.stat(log).st_size < 100_000
    assert os.stat(f"{log}.1").st_size >= 9 * 1024 * 1024


def test_neither_a_forked_child_nor_a_spawned_program_keeps_the_server(data_dir, new_holder):
    """Their copies of our descriptors would hold our locks for as long as they live."""
    holder = new_holder(data_dir)
    server = holder.attached()
    children = [int(holder.do("fork")), int(holder.do("spawn"))]
    holder.kill()
    try:
        assert has_ended(server)
        assert [find_process(child) is not None for child in children] == [True, True]
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
