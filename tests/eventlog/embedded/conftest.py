"""Own directories, other processes, and proof that nothing is left running."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from eventlog.clock import SystemClock
from eventlog.embedded.holders import LockFile
from eventlog.embedded.layout import Layout
from eventlog.embedded.processes import postgres_processes_in
from eventlog.embedded.server import EmbeddedPostgres, attach

PATIENCE_S = 30.0


def layout_of(data_dir: Path) -> Layout:
    return Layout(str(data_dir / "postgres"))


def has_ended(pid: int, limit_s: float = PATIENCE_S) -> bool:
    """Wait for the end of a process, without asking again and again. A zombie has ended."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], limit_s)[0])
    finally:
        os.close(handle)


def nothing_runs(data_dir: Path) -> bool:
    """Wait until the directory's watcher has gone, as it does last; then no server may be left."""
    if not os.path.exists(layout_of(data_dir).watcher_lock):
        return True
    lock = LockFile(layout_of(data_dir).watcher_lock)
    try:
        return lock.lock(exclusive=True, limit_s=PATIENCE_S) and not postgres_processes_in(
            layout_of(data_dir).cluster
        )
    finally:
        lock.close()


class Holder:
    """Another process that holds the server; see holder.py."""

    def __init__(
        self, data_dir: Path, environment: dict[str, str] | None = None, groups: list[int] | None = None
    ) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.eventlog.embedded.holder", str(data_dir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
            extra_groups=groups,
        )
        self.progress: list[str] = []

    def line(self) -> str:
        return self.process.stdout.readline().strip()

    def wait_for(self, word: str) -> str:
        """Read until a line that begins so; return the rest of it."""
        while line := self.line():
            if line.startswith(word):
                return line.removeprefix(word).strip()
            self.progress.append(line)
        raise AssertionError(f"the holder ended before {word!r}; it said {self.progress}")

    def attached(self) -> int:
        """Wait until it holds the server; return the server's pid."""
        return int(self.wait_for("attached"))

    def do(self, command: str) -> str:
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.line()

    def kill(self, number: int = signal.SIGKILL) -> None:
        self.process.send_signal(number)
        self.process.wait()

    def finish(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture
def new_holder() -> Iterator[Callable[..., Holder]]:
    """Start holders; they are ended after the test."""
    holders: list[Holder] = []

    def start(
        data_dir: Path, environment: dict[str, str] | None = None, groups: list[int] | None = None
    ) -> Holder:
        holders.append(Holder(data_dir, environment, groups))
        return holders[-1]

    yield start
    for holder in holders:
        holder.finish()


@pytest.fixture
async def hold() -> AsyncIterator[Callable[..., Awaitable[EmbeddedPostgres]]]:
    """attach(), with what the test did not close closed after it."""
    held: list[EmbeddedPostgres] = []

    async def attach_here(data_dir: Path, progress: Callable[[str], None] | None = None) -> EmbeddedPostgres:
        held.append(await attach(data_dir, clock=SystemClock(), progress=progress))
        return held[-1]

    yield attach_here
    for server in held:
        await server.close()


@contextmanager
def leaving_nothing(data_dir: Path) -> Iterator[Path]:
    """A data directory that is checked afterwards: whatever the test did, no process may be left."""
    yield data_dir
    quiet = nothing_runs(data_dir)
    left = postgres_processes_in(layout_of(data_dir).cluster)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert quiet, f"processes {left} or a watcher were left running in {data_dir}"


@contextmanager
def open_parent() -> Iterator[Path]:
    """A temporary directory that others may pass, as pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="agentlog-embedded-") as parent:
        os.chmod(parent, 0o755)
        yield Path(parent)


@pytest.fixture
def new_dir() -> Iterator[Path]:
    """A data directory that does not exist yet."""
    with open_parent() as parent, leaving_nothing(parent / "data") as data_dir:
        yield data_dir


@pytest.fixture(scope="session")
def used_cluster() -> Iterator[Path]:
    """A data directory with a cluster, one per test process: initdb and copies take a second each."""
    with open_parent() as parent:
        holder = Holder(parent / "data")
        try:
            holder.attached()
            assert holder.do("close") == "closed"
        finally:
            holder.finish()
        yield parent / "data"


@pytest.fixture
def data_dir(used_cluster: Path) -> Iterator[Path]:
    """A data directory with a cluster that other tests used before and will use again.

    What they did to it is what this package promises to cope with: they kill whatever they like.
    """
    with leaving_nothing(used_cluster):
        yield used_cluster


@pytest.fixture
def own_cluster(used_cluster: Path, new_dir: Path) -> Path:
    """A copy of a cluster, for a test that spoils it."""
    assert nothing_runs(used_cluster)
    shutil.copytree(used_cluster, new_dir)
    return new_dir
