"""Waits until a server takes connections, by connecting. Starts and stops nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable

from eventlog.clock import Clock
from eventlog.embedded.address import Address
from eventlog.embedded.layout import DATABASE, ROLE
from eventlog.embedded.probe import probe
from eventlog.embedded.processes import Process, is_alive
from eventlog.embedded.serverlog import ServerLog

# A server that neither answers nor reports anything new for this long is given up. Recovery writes a
# line a second, so a long one has no limit.
SILENCE_MAX_S = 120.0
# Each question before its time is a line in the log, so after a moment we ask less often.
HASTE_S = 0.5
POLL_S = 0.004
SLOW_POLL_S = 0.1

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
) -> bool:
    """Connect again and again until that works; return False if the server ended before.

    Raises:
        EmbeddedPostgresError: it refuses us, or fell silent; with its last words.
        Cancelled: `cancel` was set.
    """
    began = heard_at = clock.monotonic()
    heard = ""
    while True:
        answer = probe(address.socket, role=ROLE, database=DATABASE)
        if answer.ready:
            return True
        if not is_alive(process):
            return False
        if not answer.wait:
            raise log.failure(f"Postgres refuses us: {answer.message}")
        now, news = clock.monotonic(), log.news()
        if news != heard:
            heard, heard_at = news, now
            if now - began > HASTE_S:
                progress(f"waiting for Postgres: {news}")
        elif now - heard_at > SILENCE_MAX_S:
            raise log.failure(
                f"Postgres (pid {process.pid}) did not answer for {SILENCE_MAX_S:.0f} s ({answer.message})"
            )
        if cancel.wait(POLL_S if now - began < HASTE_S else SLOW_POLL_S):
            raise Cancelled
