"""Another process that appends to a log at random, as another host would. Holds no test.

    python -m tests.support.host '{"connection": …, "schema": …, "data": …, "seed": 1, "rounds": 10}'

Prints a line when the log is open, waits for a line, appends, and prints one JSON object: receipts by
the text that was said, and how often it met a conflict.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from eventlog.command import Command
from eventlog.errors import Conflict
from eventlog.log import Log
from tests.support.builders import noted, open_log, said, story

STREAMS = [story(key) for key in "abcde"]


async def append_at_random(log: Log, name: str, seed: int, rounds: int) -> dict[str, Any]:
    """Append single events, several streams, expected versions and shared keys, several at once."""
    chance = random.Random(seed)
    receipts: dict[str, list[int]] = {}
    conflicts = 0

    async def append(text: str) -> None:
        nonlocal conflicts
        streams = chance.sample(STREAMS, chance.choice([1, 1, 1, 2, 3]))
        events = [said(stream, text) for stream in streams]
        if chance.random() < 0.3:
            events.append(noted(streams[0]))
        expected = {}
        if chance.random() < 0.3:
            expected = {streams[0]: (await log.state("tallies", streams[0]))[1]}
        key = f"key {chance.randrange(8)}" if chance.random() < 0.2 else None
        try:
            receipt = await log.append(Command(events, expected=expected, idempotency_key=key))
        except Conflict:
            conflicts += 1
            await log.reload([streams[0]])
        else:
            if not receipt.duplicate:
                receipts[text] = [receipt.first_position, receipt.last_position]

    for round in range(rounds):
        texts = [f"{name} {round} {number}" for number in range(chance.choice([1, 1, 2, 8]))]
        await asyncio.gather(*map(append, texts))
    return {"receipts": receipts, "conflicts": conflicts}


async def run(arguments: Mapping[str, Any]) -> None:
    settings = arguments.get("settings", {})
    log = await open_log(
        arguments["connection"], arguments["schema"], Path(arguments["data"]), migrate=False, **settings
    )
    async with log:
        print("open", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        result = await append_at_random(
            log, f"host {arguments['seed']}", arguments["seed"], arguments["rounds"]
        )
    print(json.dumps(result), flush=True)


class Host:
    """A started process. `begin` lets it append; `result` waits for what it has to say."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def begin(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        await self.process.stdin.drain()

    async def result(self) -> dict[str, Any]:
        output, _ = await self.process.communicate()
        assert self.process.returncode == 0
        found: dict[str, Any] = json.loads(output)
        return found


@asynccontextmanager
async def host(connection: Mapping[str, Any], schema: str, data: Path, **options: Any) -> AsyncIterator[Host]:
    """Start a process and wait until its log is open; it is killed at the end if it still runs."""
    arguments = {"connection": dict(connection), "schema": schema, "data": str(data), **options}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.host", json.dumps(arguments),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"open\n"
        yield Host(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


if __name__ == "__main__":
    asyncio.run(run(json.loads(sys.argv[1])))
