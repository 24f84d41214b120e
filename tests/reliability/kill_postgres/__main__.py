"""Postgres dies under load: `python -m tests.reliability.kill_postgres`. Counts faults, judges after each."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from pathlib import Path

from tests.reliability.kill_postgres.cycles import Cycles, run_cycles
from tests.reliability.report import Report, argument_parser, chosen_seed


def main() -> int:
    parser = argument_parser("kill -9, stop, pause and restart of Postgres while agents append")
    parser.add_argument("--cycles", type=int, default=300, help="kill -9 of the server; default 300")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # cleans up as Ctrl-C does
    report = Report("kill-postgres", chosen_seed(arguments))
    with tempfile.TemporaryDirectory(prefix="agentlog-kill-postgres-") as folder:
        Path(folder).chmod(0o755)  # mkdtemp says 0700; a server that is another user may then pass
        done = Cycles(Path(folder))
        try:
            asyncio.run(run_cycles(done, seed=report.seed, kills=arguments.cycles))
        except (KeyboardInterrupt, SystemExit):
            report.failures.append("the run was stopped before its end")
    report.counts["kill -9 of the server"] = done.kills
    report.counts |= dict(sorted(done.counts.items()))
    report.counts["longest until an append after a fault, s"] = round(done.longest_resume_s, 2)
    report.failures += done.failures
    return report.finish(as_json=arguments.json)


if __name__ == "__main__":
    sys.exit(main())
