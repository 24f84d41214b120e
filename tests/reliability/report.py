"""What a reliability run says at its end: one table for people, one JSON object for programs.

Every command of this package ends with `Report.finish`. It prints the seed first and last, so that
a failure can be repeated; it knows nothing of what was run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

FAILURES_SHOWN = 20


@dataclass
class Report:
    """Counts and failures of one run.

    Attributes:
        name: the make target, e.g. "simulate".
        seed: everything that was drawn at random came from it.
        counts: what was done, in the order to show, e.g. {"states": 1_000_000, "lost": 0}.
        failures: one line each, with what repeats it; none means that every promise held.
    """

    name: str
    seed: int
    counts: dict[str, int | float | str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def elapsed_s(self) -> float:
        """Return how long the run has taken so far."""
        return time.monotonic() - self.started

    def finish(self, *, as_json: bool = False) -> int:
        """Print the report and return the exit code: 0 when nothing failed, 1 otherwise."""
        facts: dict[str, object] = {
            "run": self.name,
            "seed": self.seed,
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "machine": machine(),
            "seconds": round(self.elapsed_s(), 1),
            **self.counts,
            "failures": len(self.failures),
        }
        if as_json:
            print(json.dumps({**facts, "first_failures": self.failures[:FAILURES_SHOWN]}))
        else:
            _print_table(facts, self.failures)
        return 1 if self.failures else 0


def machine() -> str:
    """Return what the figures were taken on, e.g. 'x86_64, 2 cores, Python 3.11.7, Linux'."""
    python = platform.python_version()
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {python}, {platform.system()}"


def argument_parser(description: str) -> argparse.ArgumentParser:
    """Return a parser with what every run takes: `--seed` (default: drawn now) and `--json`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seed", type=int, default=None, help="repeat a run; default: drawn at random")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    return parser


def chosen_seed(arguments: argparse.Namespace) -> int:
    """Return the seed asked for, or a new one; it is printed before anything can hang."""
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(2**32)
    print(f"seed {seed}", file=sys.stderr, flush=True)
    return int(seed)


def _print_table(facts: Mapping[str, object], failures: Sequence[str]) -> None:
    width = max(len(name) for name in facts)
    for name, value in facts.items():
        print(f"{name.replace('_', ' '):<{width}}  {value:,}" if type(value) is int and name != "seed"
              else f"{name.replace('_', ' '):<{width}}  {value}")  # fmt: skip
    for line in failures[:FAILURES_SHOWN]:
        print(f"FAILED {line}")
    if len(failures) > FAILURES_SHOWN:
        print(f"… and {len(failures) - FAILURES_SHOWN} more")
