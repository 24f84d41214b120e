"""A process that attaches to a data directory and does what its stdin says. No test by itself.

    python -m tests.eventlog.embedded.holder <data_dir>

It prints one line for each progress message ("progress …"), then "attached <pid of the server>", then one
line per command: `close` lets go and ends, `query` counts the table t, `fork` makes a forked child,
`spawn` starts a program that inherits every descriptor it can; both print a pid and live until it is killed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import asyncpg

from eventlog.clock import SystemClock
from eventlog.embedded.server import EmbeddedPostgres, attach


def say(text: str) -> None:
    print(text, flush=True)


async def serve(data_dir: Path) -> None:
    server = await attach(data_dir, clock=SystemClock(), progress=lambda text: say(f"progress {text}"))
    say(f"attached {server.pid}")
    while command := (await asyncio.to_thread(sys.stdin.readline)).strip():
        if command == "close":
            await server.close()
            say("closed")
            return
        say(str(await obey(command, server)))


async def obey(command: str, server: EmbeddedPostgres) -> int:
    match command:
        case "query":
            connection = await asyncpg.connect(**server.connection)
            try:
                return int(await connection.fetchval("select count(*) from pg_database"))
            finally:
                await connection.close()
        case "fork":
            child = os.fork()
            if child == 0:
                signal.pause()
                os._exit(0)
            return child
        case "spawn":
            program = await asyncio.create_subprocess_exec("/bin/sleep", "600", close_fds=False)
            return program.pid
    raise ValueError(command)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
