"""kill -9 of real processes: `python -m tests.reliability.kill`. Counts kills, judges the log after each.

At random instants (series.py), before every call that changes the log directory and in the middle of
every write (calls.py), and at every such system call of an unmodified process by strace (straced.py).
"""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.reliability.kill.calls import CallKills, run_calls
from tests.reliability.kill.series import Kills, run_series
from tests.reliability.kill.straced import Straced, run_straced, why_not
from tests.reliability.report import Report, argument_parser, chosen_seed
from tests.support.postgres import start_shared_server


def main() -> int:
    parser = argument_parser("kill -9 of real processes that work on a log; nothing told may be lost")
    parser.add_argument("--kills", type=int, default=2000, help="at random instants; default 2000")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # cleans up as Ctrl-C does
    report = Report("kill", chosen_seed(arguments))
    try:
        with start_shared_server() as server, tempfile.TemporaryDirectory(prefix="agentlog-kill-") as folder:
            asyncio.run(run(report, Path(folder), server.connection, arguments.kills))
    except (KeyboardInterrupt, SystemExit):
        report.failures.append("the run was stopped before its end")
    return report.finish(as_json=arguments.json)


async def run(report: Report, folder: Path, postgres: dict[str, Any], kills: int) -> None:
    """Kill at random, then at every call; what was done goes into the report, also of half a run."""
    at_random, at_calls = Kills(folder, postgres), CallKills(folder, postgres)
    straced = Straced(folder, postgres)
    try:
        await run_series(at_random, seed=report.seed, kills=kills)
        if not at_random.failures:
            await run_calls(at_calls)
        if reason := why_not():
            report.counts["kills by strace"] = f"skipped: {reason}"
        elif not at_random.failures + at_calls.failures:
            await run_straced(straced)
    finally:
        for part in (at_random, at_calls, straced):
            report.counts |= dict(sorted(part.counts.items()))
            report.failures += part.failures


if __name__ == "__main__":
    sys.exit(main())
