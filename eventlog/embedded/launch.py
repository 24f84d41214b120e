"""Becomes the user the server runs as, and runs one program of Postgres. Decides nothing.

A separate small process, run by path as `python -I -S launch.py …`: changing user or entering a namespace
between fork and exec of a threaded process is not safe, and as its child the server would become the
zombie of whoever happened to start it. Standard library only, nothing of this package.

    launch.py <how> <uid> <gid> <directory> <log> <pid_file> <lock_fd> <program> <argument>…

how        own: as we are; user: as uid and gid, without other groups; namespace: as uid and gid inside a
           user namespace in which they stand for us
directory  working directory, entered before the change of user
log        append the program's output to this file; empty: leave it as it is
pid_file   empty: exec the program here. Otherwise run it detached in a session of its own, wait until it
           has written its pid there or ended, and print "<pid>" or "ended <status>"
lock_fd    the caller's start.lock, held here so that it stays locked if the caller is killed; -1: none.
           A detached program does not get it; initdb does, so nobody removes the files under it.
"""

from __future__ import annotations

import os
import signal
import sys
import time

CLONE_NEWUSER = 0x10000000


def main() -> None:
    how, uid, gid, directory, log, pid_file, lock_fd, *command = sys.argv[1:]
    if not pid_file:
        run(how, int(uid), int(gid), directory, log, command)
    child = os.fork()
    if child == 0:
        os.setsid()
        if int(lock_fd) >= 0:
            os.close(int(lock_fd))
        run(how, int(uid), int(gid), directory, log, command)
    print(wait_for_pid(child, pid_file), flush=True)


def run(how: str, uid: int, gid: int, directory: str, log: str, command: list[str]) -> None:
    """Exec the program, or end with status 71 and the reason on stderr."""
    try:
        os.umask(0o077)
        if log:
            fd = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            os.dup2(fd, 1)
            os.dup2(fd, 2)
        os.chdir(directory)
        if how == "user":
            os.setgroups([])
            os.setgid(gid)  # by root: real, effective and saved at once
            os.setuid(uid)
        elif how == "namespace":
            enter_namespace(uid, gid)
        # Python ignores some signals and callers may block others; the server shall inherit none of that.
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            if signal.getsignal(number) == signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        os.execv(command[0], command)
    except OSError as error:
        where = "" if error.filename is None else f" {error.filename}"
        os.write(2, f"agentlog: cannot run {command[0]} as {how}: {error.strerror}{where}\n".encode())
        os._exit(71)


def enter_namespace(uid: int, gid: int) -> None:
    """Enter a user namespace in which we have the ids `uid` and `gid`, and no other ids exist."""
    import ctypes

    outer_uid, outer_gid = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"no user namespace ({os.strerror(number)})")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {outer_uid} 1"),
        ("gid_map", f"{gid} {outer_gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def wait_for_pid(child: int, pid_file: str) -> str:
    """Wait until the server has put its pid into its file, or ended: either happens within moments."""
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return f"ended {os.waitstatus_to_exitcode(status)}"
        try:
            with open(pid_file, "rb") as file:
                if file.readline() == b"%d\n" % child:
                    return str(child)
        except OSError:
            pass  # not yet written
        time.sleep(0.002)


if __name__ == "__main__":
    main()
