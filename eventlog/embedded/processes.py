"""Tells whether a process is our postgres, signals it and waits for its end. Starts nothing.

A process id alone proves nothing: after a crash or in a new container it may belong to anybody. Here a
process is (pid, start time), it counts as ours only if it is a `postgres` program that works in our
cluster directory, a zombie counts as gone, and nothing else is ever signalled. Standard library only:
the watcher runs this file too.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from typing import NamedTuple

HAS_PROC = sys.platform == "linux"
# The server carries its cluster's path in its arguments, as a setting that Postgres keeps and ignores.
MARK = "agentlog.cluster="


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
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def is_postgres_in(pid: int, cluster: str) -> bool:
    """Is this a postgres program (server or backend) that works in `cluster`?

    By its executable and its working directory, which Postgres sets to the cluster. Where these are
    hidden, by the mark among its arguments, which servers keep and backends overwrite: the root of a
    container without CAP_SYS_PTRACE may not look at processes of other users; macOS has no /proc.
    """
    if not HAS_PROC:
        return MARK + cluster in _ps(pid, "command=")
    try:
        # After an upgrade of the package the link ends in " (deleted)".
        program = os.path.basename(os.readlink(f"/proc/{pid}/exe")).removesuffix(" (deleted)")
        return program == "postgres" and _same(f"/proc/{pid}/cwd", cluster)
    except PermissionError:
        return _is_marked(pid, cluster)
    except OSError:
        return False  # gone, or a zombie


def postgres_processes_in(cluster: str) -> list[int]:
    """Return the living postgres processes of this cluster that we may look at: a killed server's orphans."""
    if not HAS_PROC:
        return []
    return [
        int(name) for name in os.listdir("/proc") if name.isdigit() and is_postgres_in(int(name), cluster)
    ]


def hidden_postgres_processes(uid: int) -> list[int]:
    """Return postgres processes of this user that we may not look at: they may work anywhere."""
    found = []
    for name in os.listdir("/proc") if HAS_PROC else []:
        try:
            if name.isdigit() and os.stat(f"/proc/{name}").st_uid == uid:
                os.readlink(f"/proc/{name}/cwd")
        except PermissionError:
            if _program_name(int(name)) == "postgres":
                found.append(int(name))
        except OSError:
            continue  # gone meanwhile
    return found


def read_pid_file(path: str) -> int | None:
    """Return the pid in postmaster.pid; None when the file is absent or unusable.

    A server that was killed while it started leaves any part of the file, also nothing. Postgres
    itself wants the pid in the first line and the shared memory in the seventh.
    """
    try:
        with open(path, "rb") as file:
            lines = file.read(4096).split(b"\n")
        pid = int(lines[0])
    except (OSError, ValueError):
        return None
    return pid if 0 < pid < 2**31 else None


def find_server(cluster: str, pid_file: str) -> Process | None:
    """Return the running server of this cluster, verified; None when there is none."""
    pid = read_pid_file(pid_file)
    process = None if pid is None else find_process(pid)
    return process if process is not None and is_postgres_in(process.pid, cluster) else None


def stop_server(cluster: str, pid_file: str, patience_s: float = 60.0) -> bool:
    """Stop the server of this cluster if one runs; return whether none runs now.

    Fast shutdown first: clients are cut, the buffers are written. A server that has not ended after
    `patience_s` is told to quit at once, which is safe and leaves a recovery to the next start.
    """
    process = find_server(cluster, pid_file)
    if process is None:
        return True
    for number, limit_s in ((signal.SIGINT, patience_s), (signal.SIGQUIT, 10.0)):
        try:
            if _signal_and_wait(process, number, limit_s):
                return True
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
    return False


def _signal_and_wait(process: Process, number: signal.Signals, limit_s: float) -> bool:
    """Signal the process, which was verified to be ours; return whether it ended in time."""
    handle = _open_handle(process.pid)
    if handle is None:
        if is_alive(process):
            os.kill(process.pid, number)
        return _poll_until_gone(process, limit_s)
    try:
        # The handle pins whoever has the number now. If that is still our process, then the signal
        # cannot reach another one.
        if not is_alive(process):
            return True
        signal.pidfd_send_signal(handle, number)
        # Readable once it has ended, also as a zombie that nobody reaps.
        return bool(select.select([handle], [], [], limit_s)[0])
    finally:
        os.close(handle)


def _open_handle(pid: int) -> int | None:
    """A pidfd; None where there are none (macOS, old kernels, some sandboxes) or select cannot take it."""
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        raise
    except OSError:
        return None
    if handle >= 1024:  # FD_SETSIZE
        os.close(handle)
        return None
    return handle


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


def _program_name(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except OSError:
        return ""


def _is_marked(pid: int, cluster: str) -> bool:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            arguments = [os.fsdecode(part) for part in file.read().split(b"\0")]
        marks = [argument.removeprefix(MARK) for argument in arguments if argument.startswith(MARK)]
        return any(_same(mark, cluster) for mark in marks) and os.path.basename(arguments[0]) == "postgres"
    except OSError:
        return False


def _same(one: str, other: str) -> bool:
    here, there = os.stat(one), os.stat(other)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def _state_ps(pid: int) -> tuple[str, str]:
    state = _ps(pid, "state=")
    return (state[0], _ps(pid, "lstart=")) if state else ("X", "")


def _ps(pid: int, column: str) -> str:
    """One column of ps. For systems without /proc (macOS)."""
    command = ["ps", "-ww", "-o", column, "-p", str(pid)]
    answer = subprocess.run(command, capture_output=True, text=True, env={"LC_ALL": "C"}, check=False)
    return answer.stdout.strip()
