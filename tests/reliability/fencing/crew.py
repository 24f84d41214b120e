"""Processes that are kept alive over many races, because starting one costs more than a race.

    async with crew(6) as workers:
        await workers[0].ask("open", store="a", …)

A worker can be paused, resumed and killed; a killed one can be started again. Knows no race.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

# No answer of a worker takes as long as this, whatever happens to it: then it hangs.
ANSWER_S = 150.0


class Refused(Exception):
    """A worker was told an error of the log.

    Attributes:
        name: the error's class; "crash" for anything that is no AgentlogError.
    """

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name


class Died(Exception):
    """The worker was killed before it answered."""


class WorkerProcess:
    """One process, as its parent sees it. Made by `crew`.

    Attributes:
        number: its place in the crew.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self._requests = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    async def start(self, environment: Mapping[str, str] | None = None) -> None:
        """Start it, with variables of its own."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.reliability.fencing.worker",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**24,
            env={**os.environ, **(environment or {})},
        )  # fmt: skip
        self._reading = asyncio.create_task(self._read(self._process))

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def ask(self, operation: str, **request: Any) -> Any:
        """Return the worker's answer. Raises Refused, Died; TimeoutError when it hangs."""
        assert self._process is not None
        assert self._process.stdin is not None
        number = next(self._requests)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._process.stdin.write(json.dumps({"number": number, "do": operation, **request}).encode() + b"\n")
        async with asyncio.timeout(ANSWER_S):
            answer = await future
        if "error" in answer:
            raise Refused(answer["error"], answer["message"])
        return answer["value"]

    def pause(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def is_stopped(self) -> bool:
        """Whether it stopped itself (or was stopped) since this was last asked."""
        try:
            return os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOHANG) is not None
        except ChildProcessError:
            return False

    async def kill(self) -> None:
        """End it with SIGKILL, whatever state it is in; those who wait for its answers get Died."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        if self._reading is not None:
            await self._reading
        self._process = None

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            answer = json.loads(line)
            future = self._waiting.pop(answer.pop("number"))
            if not future.done():
                future.set_result(answer)
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(Died(f"worker {self.number} was killed"))
                future.exception()  # looked at, for those that nobody waits for any more
        self._waiting.clear()


@asynccontextmanager
async def crew(size: int) -> AsyncIterator[list[WorkerProcess]]:
    """Start processes; kill them at the end, also on failure."""
    workers = [WorkerProcess(number) for number in range(size)]
    try:
        await asyncio.gather(*(worker.start() for worker in workers))
        yield workers
    finally:
        await asyncio.gather(*(worker.kill() for worker in workers))
