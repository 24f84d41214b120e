"""Workers die under load: `python -m tests.reliability.workers`. Says what was lost or done twice."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from pathlib import Path

from tests.reliability.report import Report, argument_parser, chosen_seed
from tests.reliability.workers.series import Series


def main() -> int:
    parser = argument_parser("kill -9 of workers at random while others enqueue")
    parser.add_argument("--seconds", type=float, default=300.0, help="of load and kills; default 300")
    parser.add_argument("--workers", type=int, default=4, help="processes at a time; default 4")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # cleans up as Ctrl-C does
    report = Report("kill-workers", chosen_seed(arguments))
    with tempfile.TemporaryDirectory(prefix="agentlog-kill-workers-") as folder:
        Path(folder).chmod(0o755)  # mkdtemp says 0700; a server that is another user may then pass
        series = Series(Path(folder), report.seed)
        try:
            asyncio.run(series.run(seconds=arguments.seconds, workers=arguments.workers, pause_s=1.0))
        except (KeyboardInterrupt, SystemExit):
            report.failures.append("the run was stopped before its end")
    report.counts |= series.counts
    report.failures += series.failures
    return report.finish(as_json=arguments.json)


if __name__ == "__main__":
    sys.exit(main())
