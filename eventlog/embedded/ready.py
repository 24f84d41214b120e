"""Waits until a server takes connections, by connecting. Starts and stops nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable

from eventlog.clock import Clock
from eventlog.embedded.address import Address
from eventlog.embedded.layout import DATABASE, ROLE
from eventlog.embedded.probe import Answer, probe
from eventlog.embedded.processes import Process, is_alive
from eventlog.embedded.serverlog import ServerLog

# A server that neither answers nor writes to its log for this long is given up. Recovery writes a
# line a second, so a long one has no limit.
SILENCE_MAX_S = 120.0
POLL_S = 0.004

Progress = Callable[[str], None]


class Cancelled(Exception):
    """Whoever wanted the server went away meanwhile; nobody will see this."""


def wait_until_ready(
    process: Process,
    address: Address,
    log: ServerLog,
    *,
    clock: Clock,
    progress: Progress,
    cancel: threading.Event,
) -> Answer:
    """Connect again and again until that works, and return the server's answer.

    Raises:
        EmbeddedPostgresError: the server ended, refuses us, or fell silent; with its last words.
        Cancelled: `cancel` was set.
    """
    seen_bytes, seen_at = -1, clock.monotonic()
    while True:
        answer = probe(address.socket, role=ROLE, database=DATABASE)
        if answer.ready:
            return answer
        if not answer.wait:
            raise log.failure(f"Postgres refuses us: {answer.message}")
        if not is_alive(process):
            raise log.failure("Postgres ended while it started")
        size, now = log.size(), clock.monotonic()
        if size != seen_bytes:
            seen_bytes, seen_at = size, now
            if answer.sqlstate:  # it listens already: this takes longer than a moment
                progress(f"Postgres: {log.tail(1)}")
        elif now - seen_at > SILENCE_MAX_S:
            raise log.failure(
                f"Postgres (pid {process.pid}) did not answer for {SILENCE_MAX_S:.0f} s ({answer.message})"
            )
        if cancel.wait(POLL_S):
            raise Cancelled
