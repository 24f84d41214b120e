"""Starts or joins the Postgres server of a data directory, and lets go of it. Decides none of the how.

    server = await attach(Path("data"), clock=SystemClock())
    connection = await asyncpg.connect(**server.connection)
    ...
    await server.close()

All processes that attach to one directory share one server. It starts with the first and stops with the
last of them, also when that one died by kill -9 (watcher.py). Every attach() makes sure that the server
runs: if it was killed, attach again.
"""

from __future__ import annotations

import asyncio
import functools
import os
import subprocess
import sys
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import eventlog
from eventlog.clock import Clock
from eventlog.embedded.address import Address
from eventlog.embedded.binaries import find_binaries, find_python
from eventlog.embedded.cluster import Cluster, read_major
from eventlog.embedded.files import open_owned
from eventlog.embedded.holders import LockFile, is_last
from eventlog.embedded.identity import account_of, choose_identity
from eventlog.embedded.layout import DATABASE, PORT, ROLE, Layout
from eventlog.embedded.processes import Process, find_server, stop_server
from eventlog.embedded.ready import Cancelled, Progress, wait_until_ready
from eventlog.embedded.serverlog import ServerLog
from eventlog.errors import EmbeddedPostgresError

# How long close() waits for its turn to stop the server. After that the watcher does it.
CLOSE_WAIT_S = 10.0
WATCHER = "import sys; sys.path.append(sys.argv.pop(1)); from eventlog.embedded.watcher import main; main()"


class EmbeddedPostgres:
    """One attachment to a running server.

    Attributes:
        connection: arguments for asyncpg.connect. Valid in this process, until close().
        major: the server's major version.
        pid: of the server when we attached.
    """

    def __init__(self, layout: Layout, holder: LockFile, address: Address, process: Process) -> None:
        self._layout = layout
        self._holder: LockFile | None = holder
        self._address = address
        self.connection: dict[str, Any] = {
            "host": address.directory,
            "port": PORT,
            "user": ROLE,
            "database": DATABASE,
            # Said, so that PGSSLMODE and the like, meant for some other server, do not keep us from ours.
            "ssl": False,
            "target_session_attrs": "any",
        }
        self.major = read_major(layout)
        self.pid = process.pid

    async def close(self) -> None:
        """Let go of the server. The last to do so stops it, and returns when it has stopped.

        Close connections before. Closing twice does nothing.
        """
        holder, self._holder = self._holder, None
        if holder is not None:
            await asyncio.shield(asyncio.to_thread(_release, self._layout, holder, self._address))


async def attach(data_dir: Path, *, clock: Clock, progress: Progress | None = None) -> EmbeddedPostgres:
    """Start or join the server of a data directory and return when it takes connections.

    Args:
        data_dir: the cluster is in <data_dir>/postgres; both are made when missing.
        clock: for timeouts.
        progress: called in the event loop's thread with one line for people when something takes time.
    Raises:
        EmbeddedPostgresError: no server can run here; with its own last words and what to do.
    A long crash recovery is waited for without limit while the server reports progress.
    """
    if sys.platform == "win32":
        raise EmbeddedPostgresError(
            "the embedded Postgres is not tested on Windows, so it is not started",
            hint="open the log with postgres='postgresql://…', or run it under WSL",
        )
    loop = asyncio.get_running_loop()
    cancel = threading.Event()

    def tell(text: str) -> None:
        if progress is not None:
            loop.call_soon_threadsafe(progress, text)

    layout = Layout(os.path.join(os.getcwd(), data_dir, "postgres"))
    work = functools.partial(_attach, layout, clock, tell, cancel)
    future = loop.run_in_executor(None, work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        # The thread cannot be stopped at once; whatever it still gets must not be kept.
        cancel.set()
        future.add_done_callback(_release_unwanted)
        raise


def _release_unwanted(future: asyncio.Future[EmbeddedPostgres] | Future[EmbeddedPostgres]) -> None:
    if not future.cancelled() and future.exception() is None:
        server = future.result()
        if server._holder is not None:
            # Without stopping the server here, in the event loop's thread: the watcher does it.
            server._holder.close()
            server._address.close()


def _attach(layout: Layout, clock: Clock, progress: Progress, cancel: threading.Event) -> EmbeddedPostgres:
    """Attach, and turn what the file system refuses into our error."""
    try:
        _make_directories(layout)
        return _attach_under_lock(layout, clock, progress, cancel)
    except OSError as error:
        where = error.filename or layout.root
        raise EmbeddedPostgresError(
            f"the embedded Postgres cannot use {where!r}: {error.strerror or error}",
            hint="give it a writable directory on a local disk, or open the log with postgres='postgresql://…'",
            directory=layout.root,
        ) from error


def _attach_under_lock(
    layout: Layout, clock: Clock, progress: Progress, cancel: threading.Event
) -> EmbeddedPostgres:
    """Hold start.lock, count ourselves among the holders, have a watcher, have a server."""
    start_lock = LockFile(layout.start_lock)
    holder = LockFile(layout.holders_lock)
    address: Address | None = None
    try:
        if not start_lock.try_lock(exclusive=True):
            progress("waiting for another process that starts or stops Postgres")
            if not start_lock.lock(exclusive=True, stop=cancel):
                raise Cancelled
        # The watcher may have this exclusively for a moment, but never while it waits for start.lock.
        if not holder.lock(exclusive=False, stop=cancel):
            raise Cancelled
        _ensure_watcher(layout)
        log = ServerLog(layout.log)
        process = find_server(layout.cluster, layout.pid_file)
        if process is not None:
            address = Address(layout.socket_directory)
            if wait_until_ready(process, address, log, clock=clock, progress=progress, cancel=cancel):
                return EmbeddedPostgres(layout, holder, address, process)
            address.close()  # it was stopping; the next start has a new socket directory
        binaries = find_binaries()
        identity = choose_identity(layout, binaries.directory)
        cluster = Cluster(layout, binaries, identity, clock=clock, progress=progress, cancel=cancel)
        cluster.create_if_missing(start_lock)
        process = cluster.start(start_lock, log)
        address = Address(layout.socket_directory)
        if not wait_until_ready(process, address, log, clock=clock, progress=progress, cancel=cancel):
            raise log.failure("Postgres ended while it started")
        return EmbeddedPostgres(layout, holder, address, process)
    except BaseException:
        if address is not None:
            address.close()
        holder.close()  # if a server runs and nobody else holds it, the watcher stops it
        raise
    finally:
        start_lock.close()


def _make_directories(layout: Layout) -> None:
    """Make <data_dir> and <data_dir>/postgres, or say whose they are."""
    os.makedirs(os.path.dirname(layout.root), 0o700, exist_ok=True)
    os.makedirs(layout.root, 0o700, exist_ok=True)
    me, owner = os.geteuid(), os.stat(layout.root)
    if me not in (0, owner.st_uid):
        name = account_of(owner.st_uid, owner.st_gid).name or f"uid {owner.st_uid}"
        raise EmbeddedPostgresError(
            f"the Postgres cluster in {layout.root} belongs to {name}, and we are uid {me}",
            hint=f"open it as {name} or as root, or use a data directory of your own",
            owner_uid=owner.st_uid,
            own_uid=me,
        )


def _ensure_watcher(layout: Layout) -> None:
    """Start the directory's watcher unless it has one. The caller holds start.lock.

    We lock watcher.lock and the watcher inherits the open file: there is no moment in which
    the watcher exists and its lock is free.
    """
    lock = LockFile(layout.watcher_lock)
    try:
        if not lock.try_lock(exclusive=True):
            return
        parent = os.path.dirname(os.path.dirname(os.path.abspath(eventlog.__file__)))
        watcher = [find_python(), "-I", "-S", "-c", WATCHER, parent, layout.root, str(lock.fd)]
        log = open_owned(layout.log, os.O_WRONLY | os.O_APPEND)
        try:
            # The shell puts it into the background and ends: init becomes its parent, and
            # whoever attached has no child that could become a zombie or disturb its wait().
            subprocess.run(
                ["/bin/sh", "-c", '"$@" &', "sh", *watcher],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=True,
                close_fds=True,
                pass_fds=(lock.fd,),
                start_new_session=True,
            )
        finally:
            os.close(log)
    finally:
        lock.close()


def _release(layout: Layout, holder: LockFile, address: Address) -> None:
    """Let go; stop the server if nobody else holds it."""
    address.close()
    if holder.fd < 0:
        return  # a forked child: the hold stayed with its parent
    start_lock = LockFile(layout.start_lock)
    try:
        if start_lock.lock(exclusive=True, limit_s=CLOSE_WAIT_S) and is_last(holder):
            stop_server(layout.cluster, layout.pid_file)
    finally:
        holder.close()
        start_lock.close()
