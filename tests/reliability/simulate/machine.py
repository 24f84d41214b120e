"""Simulated hosts: a disk that can lose power, a clock that jumps, processes that can be killed.

A `Process` has the log open on its host's disk, in the same data directory as the host's other
processes. What they append and when something happens to them is run.py's.
"""

from __future__ import annotations

import asyncio
import contextvars
import errno
from collections.abc import Callable, Coroutine
from pathlib import Path
from random import Random
from typing import Any

from eventlog.acknowledge import QUICK_S
from eventlog.log import Log
from eventlog.settings import Settings
from tests.reliability.simulate.loop import SimulatedLoop
from tests.support.builders import PROJECTIONS
from tests.support.lossy_disk import Directory
from tests.support.lossy_io import LossyIo, Machine

DATA = Path("/data")
SEGMENTS = str(DATA / "segments")


class JumpingClock:
    """A host's clock: monotonic time is the loop's, the wall clock stands where somebody put it.

    Attributes:
        synced_s: what syncs took, by which monotonic time is ahead: the loop stands still meanwhile.
    """

    def __init__(self, loop: SimulatedLoop) -> None:
        self._loop = loop
        self.offset_us = 1_790_000_000_000_000
        self.frozen_us: int | None = None
        self.synced_s = 0.0

    def now_us(self) -> int:
        return self.frozen_us if self.frozen_us is not None else self.offset_us + int(self._loop.time() * 1e6)

    def monotonic(self) -> float:
        return self._loop.time() + self.synced_s

    def jump(self, random: Random) -> None:
        """By up to ten years in either direction; or freeze, or go on."""
        if random.random() < 0.3:
            self.frozen_us = None if self.frozen_us is not None else self.now_us()
        else:
            self.offset_us += random.randrange(-(10**14), 3 * 10**14)


class SimulatedIo(LossyIo):
    """One process's Io: every call is a moment at which others may come in between, or the disk fails."""

    def __init__(self, machine: Machine, loop: SimulatedLoop, disk: DiskTrouble, clock: JumpingClock) -> None:
        super().__init__(machine.random, machine=machine)
        self._loop = loop
        self._trouble = disk
        self._clock = clock

    def _enter(self, name: str) -> None:
        if name not in ("fdatasync", "fsync"):  # drawn by the call itself: its data fails with it
            self.failures = self._trouble.failures()
        super()._enter(name)

    def pwrite(self, fd: int, data: bytes, offset: int) -> int:
        self._loop.pause()
        return super().pwrite(fd, self._trouble.shortened(data), offset)

    def pread(self, fd: int, length: int, offset: int) -> bytes:
        self._loop.pause()
        return super().pread(fd, length, offset)

    def fdatasync(self, fd: int) -> None:
        self._loop.pause()
        self.failures = self._trouble.failures()
        self._clock.synced_s += self._trouble.sync_s
        super().fdatasync(fd)

    def fsync(self, fd: int) -> None:
        self._loop.pause()
        self.failures = self._trouble.failures()
        super().fsync(fd)

    def ftruncate(self, fd: int, length: int) -> None:
        self._loop.pause()
        super().ftruncate(fd, length)

    def rename(self, source: str, target: str) -> None:
        self._loop.pause()
        super().rename(source, target)

    def lock(self, fd: int, *, exclusive: bool = True, wait: bool = True) -> None:
        self._loop.pause()
        while True:
            try:
                return super().lock(fd, exclusive=exclusive, wait=False)
            except BlockingIOError:
                if not wait:
                    raise
            self._loop.wait_for_others()


class DiskTrouble:
    """What a host's disk does wrong, for a while.

    Attributes:
        calls: by method name, the errno that its calls raise now and then.
        rate: how often.
        sync_s: how long a sync takes; a slow one is not waited for in the event loop's thread.
    """

    def __init__(self, random: Random) -> None:
        self.sync_s = random.choice((0.0, 2 * QUICK_S))
        self.calls: dict[str, int] = {}
        self.was_there = False
        self.rate = 0.0
        self.short_writes = 0.0
        self._random = random

    def begin(self) -> None:
        """Let something go wrong from now on."""
        self.was_there = True
        kind = self._random.choice((0, 0, 1, 2, 3))
        self.rate = self._random.choice((0.2, 0.6, 1.0))
        if kind == 0:
            self.calls = {"fdatasync": errno.EIO}
        elif kind == 1:
            self.calls = {"pwrite": self._random.choice((errno.ENOSPC, errno.EIO)), "mkdir": errno.ENOSPC}
        elif kind == 2:
            self.calls = {"fsync": errno.EIO, "rename": errno.EIO}
        else:
            self.short_writes = self.rate / 2

    def end(self) -> None:
        self.calls, self.short_writes = {}, 0.0

    def failures(self) -> dict[str, int]:
        return self.calls if self.calls and self._random.random() < self.rate else {}

    def shortened(self, data: bytes) -> bytes:
        if self.short_writes and len(data) > 1 and self._random.random() < self.short_writes:
            return data[: self._random.randrange(1, len(data))]
        return data


class Host:
    """A machine with one data directory.

    Attributes:
        changed: called after every operation that changed the disk.
        acknowledged: the highest position that a caller on this host was told to be durable here.
    """

    def __init__(
        self, name: str, loop: SimulatedLoop, random: Random, changed: Callable[[Host], None]
    ) -> None:
        self.name = name
        self.acknowledged = 0
        self.changed = changed
        self.clock = JumpingClock(loop)
        self.trouble = DiskTrouble(random)
        self.machine = Machine(Directory(), random)
        self.processes: list[Process] = []
        self._loop = loop
        self._random = random

    def io(self) -> SimulatedIo:
        """The Io of a new process."""
        io = SimulatedIo(self.machine, self._loop, self.trouble, self.clock)
        io.changed = lambda: self.changed(self)
        return io

    async def cut_power(self) -> None:
        """Every process dies, and what was not synced has the fate that the seed gives it."""
        self.machine.is_off = True
        for process in self.processes:
            process.end()
        for process in self.processes:
            await process.gone()
        self.machine = Machine(self.machine.root.after_crash(self._random), self._random)


class Process:
    """One process of a host: a log and the tasks that use it. After its end it may be started again.

    Attributes:
        name: what the server knows its connections by.
        log: once it is open.
    """

    def __init__(self, host: Host, number: int, settings: Settings) -> None:
        self.host = host
        self.name = f"{host.name}{number}"
        self.settings = settings
        self.log: Log | None = None
        self.tasks: list[asyncio.Task[Any]] = []
        self._io: SimulatedIo | None = None

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a coroutine as this process: whatever tasks it makes end with it."""
        context = contextvars.copy_context()
        context.run(_running.set, self)
        return asyncio.get_running_loop().create_task(work, context=context)

    async def open(self) -> Log:
        """Open the log. Raises what Log.open raises."""
        self._io = self.host.io()
        self.log = await Log.open(
            DATA,
            {"client": self.name},
            projections=PROJECTIONS,
            settings=self.settings,
            io=self._io,
            clock=self.host.clock,
        )
        return self.log

    def end(self) -> None:
        """kill -9: from here on nothing of it happens on the disk, and nobody hears of it."""
        self.log = None
        if self._io is not None:
            self._io.end()
        for task in self.tasks:
            task.cancel()

    async def gone(self) -> None:
        """Wait until nothing of it is left in the event loop."""
        while tasks := [task for task in self.tasks if not task.done()]:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        self.tasks.clear()


_running: contextvars.ContextVar[Process | None] = contextvars.ContextVar("process", default=None)


def owned_task(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
    """A task factory: whoever runs owns what it starts."""
    task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **options)
    context = options.get("context")
    owner = context.run(_running.get) if context is not None else _running.get()
    if owner is not None:
        owner.tasks.append(task)
    return task
