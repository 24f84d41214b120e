"""Ctrl-C ends a command at once, with one line and no traceback."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.agentlog.cli.conftest import start
from tests.support.questions import ENDLESS, until


def test_following_ends_with_130_and_one_line(cli):
    """No traceback: nothing went wrong."""
    cli("queue", "enqueue", "main", "x")
    process = start("tail", "-f")
    try:
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()

    assert process.returncode == 130
    assert err.splitlines() == ["interrupted; what was acknowledged is in the log"]


def test_a_question_is_stopped(cli, environment):
    """In the middle of DuckDB's work, and without a traceback of its."""
    cli("queue", "enqueue", "main", "x")
    process = start("sql", ENDLESS)
    try:
        until(lambda: any(environment.glob("archive/spill/*")))
        before_s = worked_s(process)
        until(lambda: worked_s(process) > before_s + 1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()

    assert (process.returncode, out) == (130, "")
    assert err.splitlines() == ["interrupted; what was acknowledged is in the log"]
    assert cli("sql", "select count(*) as items from queue_items", "--json").rows == [{"items": 1}]


def worked_s(process):
    """How long a process has been at work on a CPU, in seconds."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
