"""Tells whether a process is our postgres, signals it and waits for its end. Starts nothing.

A process id alone proves nothing: after a crash or in a new container it may belong to anybody. Here a
process is (pid, start time), it counts as ours only if it is a `postgres` program that works in our
cluster directory, a zombie counts as gone, and nothing else is ever signalled. Standard library only:
the watcher runs this file too.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from typing import NamedTuple

HAS_PROC = sys.platform == "linux"


class Process(NamedTuple):
    """One process, not whoever gets its number next."""

    pid: int
    started: str  # Linux: clock ticks since boot; elsewhere: the time that ps prints


def find_process(pid: int) -> Process | None:
    """Return the living process with this number; None when there is none, or only a zombie."""
    if pid <= 0:
        return None
    state, started = _state_proc(pid) if HAS_PROC else _state_ps(pid)
    return None if state in "ZX" else Process(pid, started)


def is_alive(process: Process) -> bool:
    return find_process(process.pid) == process


def exists(pid: int) -> bool:
    """Is the number taken, by anybody, a zombie included? So Postgres asks before it starts."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def is_postgres_in(pid: int, cluster: str) -> bool:
    """Is this a postgres program (server or backend) that works in `cluster`?

    On Linux by its executable and its working directory, which postgres sets to the cluster. Elsewhere
    by its name alone: the caller has compared the start time with the one in postmaster.pid.
    """
    if not HAS_PROC:
        return os.path.basename(_ps(pid, "comm=")) == "postgres"
    try:
        # After an upgrade of the package the link ends in " (deleted)".
        program = os.path.basename(os.readlink(f"/proc/{pid}/exe")).removesuffix(" (deleted)")
        here, there = os.stat(f"/proc/{pid}/cwd"), os.stat(cluster)
    except OSError:
        return False  # gone, a zombie, or not ours to look at
    return program == "postgres" and (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def postgres_processes_in(cluster: str) -> list[int]:
    """Return every living postgres process of this cluster: orphaned backends of a killed server."""
    if not HAS_PROC:
        return []  # Postgres' own check of the shared memory remains
    return [
        int(name) for name in os.listdir("/proc") if name.isdigit() and is_postgres_in(int(name), cluster)
    ]


def read_pid_file(path: str) -> tuple[int, int] | None:
    """Return (pid, start in seconds since 1970) from postmaster.pid; None when it is absent or unusable.

    A server that was killed while it started leaves any part of the file, also nothing.
    """
    try:
        with open(path, "rb") as file:
            lines = file.read(4096).split(b"\n")
    except OSError:
        return None
    try:
        pid, started_s = int(lines[0]), int(lines[2])
    except (ValueError, IndexError):
        return None
    return (pid, started_s) if pid > 0 else None


def find_server(cluster: str, pid_file: str) -> Process | None:
    """Return the running server of this cluster, verified; None when there is none."""
    entry = read_pid_file(pid_file)
    if entry is None:
        return None
    process = find_process(entry[0])
    if process is None or not is_postgres_in(process.pid, cluster):
        return None
    if not HAS_PROC and abs(_ps_start_s(process.pid) - entry[1]) > 5:
        return None
    return process


def stop_server(cluster: str, pid_file: str, patience_s: float = 60.0) -> bool:
    """Stop the server of this cluster if one runs; return whether none runs now.

    Fast shutdown first: clients are cut, the buffers are written. A server that has not ended after
    `patience_s` is told to quit at once, which is safe and leaves a recovery to the next start.
    """
    process = find_server(cluster, pid_file)
    if process is None:
        return True
    for number, limit_s in ((signal.SIGINT, patience_s), (signal.SIGQUIT, 10.0)):
        if _signal_and_wait(process, number, limit_s, cluster):
            return True
    return False


def _signal_and_wait(process: Process, number: signal.Signals, limit_s: float, cluster: str) -> bool:
    if not hasattr(os, "pidfd_open"):
        if is_alive(process) and is_postgres_in(process.pid, cluster):
            os.kill(process.pid, number)
        return _poll_until_gone(process, limit_s)
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return True
    except OSError:  # a kernel or sandbox without pidfd
        if is_alive(process) and is_postgres_in(process.pid, cluster):
            os.kill(process.pid, number)
        return _poll_until_gone(process, limit_s)
    try:
        # The handle pins the process: verified after it was opened, the signal cannot reach another.
        if not is_alive(process):
            return True
        signal.pidfd_send_signal(handle, number)
        # Readable once it has ended, also as a zombie that nobody reaps.
        return bool(select.select([handle], [], [], limit_s)[0])
    except ProcessLookupError:
        return True
    finally:
        os.close(handle)


def _poll_until_gone(process: Process, limit_s: float) -> bool:
    end = time.monotonic() + limit_s
    while is_alive(process):
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def _state_proc(pid: int) -> tuple[str, str]:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except OSError:
        return "X", ""
    # The second field is the program's name in parentheses and may hold anything, also ")".
    fields = text[text.rindex(b")") + 2 :].split()
    return fields[0].decode(), fields[19].decode()


def _state_ps(pid: int) -> tuple[str, str]:
    state = _ps(pid, "state=")
    return (state[0], _ps(pid, "lstart=")) if state else ("X", "")


def _ps_start_s(pid: int) -> float:
    with contextlib.suppress(ValueError):
        return time.mktime(time.strptime(_ps(pid, "lstart="), "%a %b %d %H:%M:%S %Y"))
    return 0.0


def _ps(pid: int, column: str) -> str:
    """One column of ps. For systems without /proc (macOS)."""
    command = ["ps", "-o", column, "-p", str(pid)]
    return subprocess.run(
        command, capture_output=True, text=True, env={"LC_ALL": "C"}, check=False
    ).stdout.strip()
