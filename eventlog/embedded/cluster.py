"""Creates a cluster and starts its server. Does not count who uses it, and stops nothing (processes.py does).

Everything here runs under start.lock, blocks, and belongs into a thread.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import threading

from eventlog.clock import Clock
from eventlog.embedded import configuration
from eventlog.embedded.binaries import Binaries, find_python
from eventlog.embedded.holders import LockFile
from eventlog.embedded.identity import LAUNCHER, account_of, hand_over
from eventlog.embedded.layout import ROLE, Layout
from eventlog.embedded.privileges import Identity
from eventlog.embedded.processes import (
    MARK,
    Process,
    exists,
    find_process,
    hidden_postgres_processes,
    postgres_processes_in,
    read_pid_file,
)
from eventlog.embedded.ready import Cancelled, Progress
from eventlog.embedded.serverlog import ServerLog, last_lines
from eventlog.errors import EmbeddedPostgresError
from eventlog.io import SystemIo, sync_directory

# Backends of a killed server see that within a moment and end by themselves; a server whose
# postmaster.pid was spoilt sees that within a minute.
ORPHANS_MAX_S = 90.0
STILL_IN_USE = "pre-existing shared memory block"


class Cluster:
    """One cluster directory with what is needed to run it."""

    def __init__(
        self,
        layout: Layout,
        binaries: Binaries,
        identity: Identity,
        *,
        clock: Clock,
        progress: Progress,
        cancel: threading.Event,
    ) -> None:
        self.layout = layout
        self.binaries = binaries
        self.identity = identity
        self.clock = clock
        self.progress = progress
        self.cancel = cancel

    def create_if_missing(self, start_lock: LockFile) -> None:
        """Make the cluster unless it is there.

        initdb works in a directory beside it, which is renamed when all is synced: a cluster under
        its name is complete, whenever the power went.
        """
        if os.path.exists(self.layout.cluster):
            self._check_major()
            return
        self.progress("creating the Postgres cluster")
        place = self.layout.unfinished_cluster
        if os.path.lexists(place):
            shutil.rmtree(place)
        os.mkdir(place, 0o700)
        hand_over(self.layout, self.identity)
        arguments = ["-D", self._as_seen_by_server(place), "-U", ROLE, "-E", "UTF8", "--data-checksums"]
        arguments += ["--auth-local=peer", "--auth-host=scram-sha-256"]
        arguments += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        command = [self.binaries.program("initdb"), *arguments]
        done = self._launch(command, place, start_lock)
        if done.returncode != 0:
            raise EmbeddedPostgresError(
                f"initdb failed with status {done.returncode}: {last_lines(done.stdout + done.stderr)}",
                hint="free the disk or mend the permissions it names, then open the log again",
                status=done.returncode,
            )
        os.rename(place, self.layout.cluster)
        sync_directory(SystemIo(), self.layout.root)

    def _check_major(self) -> None:
        major = read_major(self.layout)
        if major != self.binaries.major:
            raise EmbeddedPostgresError(
                f"the cluster in {self.layout.cluster} was made by PostgreSQL {major}, "
                f"and the installed programs are PostgreSQL {self.binaries.major}",
                hint="run `agentlog restore postgres`: it builds a new cluster from the segments, "
                f"which hold the whole log; or install PostgreSQL {major} again",
                cluster_major=major,
                installed_major=self.binaries.major,
            )

    def start(self, start_lock: LockFile, log: ServerLog) -> Process:
        """Start the server; it may still be recovering. The caller knows that none runs.

        Raises:
            EmbeddedPostgresError: it ended at once; with its last words.
        """
        self._wait_for_orphans()
        environment = self._heal_pid_file()
        self._configure()
        self.progress("starting Postgres")
        log.begin()
        hand_over(self.layout, self.identity)
        command = [self.binaries.program("postgres")]
        base = self._as_seen_by_server(self.layout.cluster)
        command += configuration.command_line(base, MARK + self.layout.cluster)
        end = self.clock.monotonic() + ORPHANS_MAX_S
        while True:
            done = self._launch(
                command, self.layout.cluster, start_lock, log=log.path, environment=environment
            )
            answer = done.stdout.strip()
            process = find_process(int(answer)) if answer.isdigit() else None
            if process is not None:
                return process
            # Postgres' own guard saw backends of a killed server that we may not look at.
            if STILL_IN_USE not in log.tail() or self.clock.monotonic() > end:
                raise log.failure(f"Postgres did not start ({answer or done.stderr.strip() or 'ended'})")
            self._pause(0.2)

    def _wait_for_orphans(self) -> None:
        """Wait for the backends of a killed server: two servers' writers must never meet in one cluster."""
        end = self.clock.monotonic() + ORPHANS_MAX_S
        while pids := self._other_users():
            if self.clock.monotonic() > end:
                raise EmbeddedPostgresError(
                    f"processes {', '.join(map(str, pids))} may still work in {self.layout.cluster}, "
                    "but its postmaster.pid names no running server",
                    hint="their server was killed: end them, then open the log again",
                    pids=pids,
                )
            self.progress("waiting for the last processes of a killed Postgres")
            self._pause(0.05)

    def _other_users(self) -> list[int]:
        pids = postgres_processes_in(self.layout.cluster)
        if read_pid_file(self.layout.pid_file) is None and os.path.exists(self.layout.pid_file):
            # Nothing tells Postgres either about processes that we may not look at.
            pids += hidden_postgres_processes(os.stat(self.layout.cluster).st_uid)
        return pids

    def _pause(self, duration_s: float) -> None:
        if self.cancel.wait(duration_s):
            raise Cancelled

    def _heal_pid_file(self) -> dict[str, str]:
        """Make the remains of a dead server harmless; return what the new one must be told about them.

        Postgres refuses to start while the pid in postmaster.pid exists and has our uid, whoever it is
        now, a zombie too. It ignores one pid: its launcher's parent, which pg_ctl names in
        PG_GRANDPARENT_PID. The file itself stays when it can be read: it also names the shared memory
        by which Postgres recognises surviving backends.
        """
        pid = read_pid_file(self.layout.pid_file)
        if pid is not None:
            return {"PG_GRANDPARENT_PID": str(pid)} if exists(pid) else {}
        with contextlib.suppress(FileNotFoundError):
            # Short or garbled: Postgres would refuse it for ever, and nobody works here (we looked).
            os.unlink(self.layout.pid_file)
        return {}

    def _configure(self) -> None:
        """Write our settings and an empty socket directory. A stale socket lock would stop the server too."""
        me = account_of(os.geteuid(), os.getegid())
        owner = account_of(self.identity.owner_uid, self.identity.owner_gid)
        users = {self.identity.name}
        if self.identity.how != "namespace":
            # In a namespace all users but us appear as `nobody`; then only the inner name may enter.
            data = os.stat(os.path.dirname(self.layout.root))
            users |= {"root", me.name, owner.name, account_of(data.st_uid, data.st_gid).name}
        self._write(configuration.SETTINGS_FILE, configuration.settings_text())
        self._write(configuration.HBA_FILE, configuration.hba_text())
        self._write(configuration.IDENT_FILE, configuration.ident_text(users))
        _empty(self.layout.socket_directory)

    def _write(self, name: str, text: str) -> None:
        """Write one file of the cluster as its owner's. Through the directory's descriptor and never through
        links: as root we write where another user may write."""
        directory = os.open(self.layout.cluster, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=directory)
            fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=directory)
            with open(fd, "w") as file:
                file.write(text)
                if os.geteuid() == 0:
                    os.fchown(fd, self.identity.owner_uid, self.identity.owner_gid)
        finally:
            os.close(directory)

    def _launch(
        self,
        command: list[str],
        directory: str,
        start_lock: LockFile,
        *,
        log: str = "",
        environment: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program as the server's user, by launch.py; detached if it has a log."""
        who = [self.identity.how, str(self.identity.uid), str(self.identity.gid)]
        where = [directory, log, self.layout.pid_file if log else "", str(start_lock.fd)]
        launcher = [find_python(), "-I", "-S", LAUNCHER, *who, *where]
        # A clean environment: PGOPTIONS, PGDATA and the like of the caller are not for this server.
        clean = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C", "TZ": "UTC", **(environment or {})}
        if "LD_LIBRARY_PATH" in os.environ:
            clean["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
        return subprocess.run(
            launcher + command,
            env=clean,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            close_fds=True,
            pass_fds=(start_lock.fd,),
            start_new_session=True,  # Ctrl-C in the terminal is not meant for the server
        )

    def _as_seen_by_server(self, directory: str) -> str:
        return directory if self.identity.by_path else "/proc/self/cwd"


def _empty(directory: str) -> None:
    """Make a directory, or remove the files in it. It stays the same one: who holds the server under a
    path too long for a socket has it by a descriptor (address.py), and is to reach the next server too.
    """
    with contextlib.suppress(FileExistsError):
        os.mkdir(directory, 0o700)
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.fchmod(fd, 0o700)
        with os.scandir(fd) as entries:
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.name, dir_fd=fd)
    finally:
        os.close(fd)


def read_major(layout: Layout) -> int:
    """Return the major version of the Postgres that made the cluster."""
    path = os.path.join(layout.cluster, "PG_VERSION")
    try:
        with open(path) as file:
            return int(file.read())
    except (OSError, ValueError) as error:
        raise EmbeddedPostgresError(
            f"{layout.cluster} is no Postgres cluster: {path} does not hold a version ({error})",
            hint="move it away and run `agentlog restore postgres`: the segments hold the whole log",
        ) from error
