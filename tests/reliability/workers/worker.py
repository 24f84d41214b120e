"""A worker as users write them, to be killed: works on tasks and items, and notes what it was told.

python -m tests.reliability.workers.worker DATA NOTES SEED
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path
from typing import Any

import agentlog

LEASE_S = 1.5


async def main(data: Path, notes: Path, seed: int) -> None:
    chance = random.Random(seed)
    # One write each, so that a kill leaves whole lines.
    file = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def handler(kind: str) -> Any:
        async def handle(held: Any) -> None:
            if chance.random() < 0.7:
                await asyncio.sleep(chance.random() * 0.02)
            if kind == "task" and chance.random() < 0.1:
                raise RuntimeError("the agent failed")
            await held.complete({"by": os.getpid()})
            os.write(file, f"{kind} {held.id} {held.token}\n".encode())

        return handle

    async def loop(work: Any, kind: str) -> None:
        async for held in work:
            held.start(handler(kind))

    async with agentlog.open(data) as store:
        await asyncio.gather(
            loop(store.tasks.work(concurrency=4, lease_s=LEASE_S), "task"),
            loop(store.queue.work(concurrency=4, lease_s=LEASE_S), "item"),
        )


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
