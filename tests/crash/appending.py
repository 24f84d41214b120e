"""A process to be killed: agents append and write down, outside of the store, what they were told.

    python -m tests.crash.appending DATA NOTES AGENTS

Each line of NOTES is `sent ID` before an append and `told ID POSITION` after it, written with one
system call each, so that a kill -9 leaves whole lines.
"""

from __future__ import annotations

import asyncio
import os
import sys

import agentlog
from eventlog.command import Command
from eventlog.envelope import check_stream, new_event


async def main(data: str, notes: str, agents: int) -> None:
    fd = os.open(notes, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    async with agentlog.open(data) as store:

        async def agent(number: int) -> None:
            stream = check_stream("", "note", f"agent {number} of process {os.getpid()}")
            while True:
                event = new_event(stream, "note_taken", {"text": "x" * 200}, id=store.log.ids.next())
                os.write(fd, f"sent {event.id}\n".encode())
                receipt = await store.log.append(Command([event]))
                os.write(fd, f"told {event.id} {receipt.first_position}\n".encode())

        await asyncio.gather(*(agent(number) for number in range(agents)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
