"""Run the benchmarks named on the command line, or all of them."""

from __future__ import annotations

import asyncio
import importlib
import sys

from benchmarks.harness import console, machine

ALL = ("append", "streams", "imports", "replay", "past", "load", "hosts", "archive")
# Against other queues, which `pip install .[bench]` brings: `make bench-queue`.
QUEUE = ("queue_rates", "queue_cost", "queue_leases")
# Half an hour and much disk.
LARGE = ("large",)


def main() -> int:
    names = sys.argv[1:] or list(ALL)
    unknown = [name for name in names if name not in ALL + QUEUE + LARGE]
    if unknown:
        console.print(f"no benchmark {unknown[0]!r}; there are: {', '.join(ALL + QUEUE + LARGE)}")
        return 2
    console.print(machine())
    for name in names:
        asyncio.run(importlib.import_module(f"benchmarks.{name}").run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
