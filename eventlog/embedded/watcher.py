"""Stops the server when its last holder is gone, however it went. Starts nothing, and serves one directory.

A process of its own, `python -I -S -c … <root> <fd of watcher.lock>`, so that kill -9 of every holder
leaves somebody who acts. It sleeps in the kernel until holders.lock is free, and ends when the server
does. It ignores the signals of terminals and service managers: it goes when the holders go.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from eventlog.embedded.holders import LockFile
from eventlog.embedded.layout import Layout
from eventlog.embedded.processes import find_server, stop_server


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.chdir("/")
    watch(Layout(sys.argv[1]), int(sys.argv[2]))


def watch(layout: Layout, watcher_lock: int) -> None:
    """Wait for the last holder to go, stop the server, let go of the watcher's lock."""
    start, holders = LockFile(layout.start_lock), LockFile(layout.holders_lock)
    while True:
        holders.block()
        # Never hold this while waiting for start.lock: whoever attaches holds that one and wants this one.
        holders.unlock()
        start.block()
        if holders.try_lock(exclusive=True):
            break
        start.unlock()
    # Nobody holds, and nobody can join while we have start.lock.
    server = find_server(layout.cluster, layout.pid_file)
    if server is not None:
        say(f"the last process that used the server is gone: stopping it (pid {server.pid})")
        if not stop_server(layout.cluster, layout.pid_file):
            say(f"the server (pid {server.pid}) did not stop; the next start will try again")
    # In this order: whoever gets start.lock next must see that there is no watcher any more.
    os.close(watcher_lock)
    start.close()


def say(text: str) -> None:
    """Write a line where the server writes its own: stderr is server.log."""
    stamp = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    print(f"{stamp} [{os.getpid()}] agentlog: {text}", file=sys.stderr, flush=True)
