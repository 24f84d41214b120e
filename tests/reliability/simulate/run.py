"""One simulated run: agents on a few hosts append, trouble comes, and at its end everything is judged.

    run = simulate(seed, number)
    run.violations        # how the log contradicts what its agents were told; [] is as it should be
    run.cuts              # the disk after every operation, for states.py

Nothing of a run depends on anything but its seed and its number.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from random import Random
from typing import Any

import asyncpg

from eventlog.command import Command
from eventlog.envelope import Event, decode_lines
from eventlog.errors import (
    AgentlogError,
    BadInput,
    Conflict,
    LogUnavailable,
    MirrorUnavailable,
    OutcomeUnknown,
)
from eventlog.settings import Settings
from tests.reliability import history
from tests.reliability.recorder import Call, Recorder, Sent, Told
from tests.reliability.simulate.commands import Author
from tests.reliability.simulate.loop import SimulatedLoop, Stuck
from tests.reliability.simulate.machine import Host, Process, owned_task
from tests.reliability.simulate.server import SCHEMA, Server, Trouble
from tests.reliability.simulate.states import Camera, Past
from tests.reliability.simulate.tables import Tables
from tests.support import lossy_disk
from tests.support.builders import PROJECTIONS, plain_fold
from tests.support.lossy_io import PowerCut


class Notes(Recorder):
    """What agents were told, kept in memory."""

    def __init__(self, random: Random) -> None:
        self.calls: dict[str, Call] = {}
        self._name = "agent"
        self._numbers = itertools.count(1)

    def _write(self, entry: Sent | Told) -> None:
        if isinstance(entry, Sent):
            self.calls[entry.call] = Call(entry)
        else:
            self.calls[entry.call].told = entry


class Run:
    """One run. Made by `simulate`."""

    def __init__(self, seed: int, number: int) -> None:
        self.name = f"{seed}:{number}"
        self.violations: list[str] = []
        random = self.random = Random(f"run {self.name}")
        self.loop = SimulatedLoop(Random(f"loop {self.name}"))
        self.loop.set_task_factory(owned_task)
        self.server = Server(
            Tables(PROJECTIONS, uuid.UUID(int=random.getrandbits(128), version=4)),
            Random(f"server {self.name}"),
        )
        self.notes = Notes(random)
        self.author = Author(random, random.randint(1, 5), random.choice((20, 120, 400)))
        self.settings = Settings(
            schema=SCHEMA,
            segment_bytes_max=4096,
            segment_age_max_s=random.choice((3600.0, 1e9)),
            batch_events_max=random.choice((1, 4, 16)),
            cached_streams_max=random.choice((1, 100)),
            command_timeout_s=2.0,
            idempotency_ttl_s=3e9,  # longer than any jump of the server's clock
            unavailable_wait_s=random.choice((0.0, 0.0, 1.0)),
        )
        self.cameras: dict[str, Camera] = {}
        self.hosts = [Host(name, self.loop, random, self._changed) for name in self._names()]
        for host in self.hosts:
            self.cameras[host.name] = Camera(host.name)
            count = random.choice((1, 1, 2))
            host.processes = [Process(host, n, self.settings) for n in range(count)]
        self.left = random.randint(15, 45)
        self._is_calm = random.random() < 0.15

    def _names(self) -> str:
        return self.random.choice(("a", "a", "ab"))

    @property
    def processes(self) -> list[Process]:
        return [process for host in self.hosts for process in host.processes]

    def _is_busy(self) -> bool:
        return any(not task.done() for process in self.processes for task in process.tasks)

    def _changed(self, host: Host) -> None:
        tables = self.server.tables
        self.cameras[host.name].take(host.machine.root, tables.position, host.acknowledged, tables.mirrors)

    async def main(self) -> None:
        """Work and trouble, then quiet, then the verdict."""
        for process in self.processes:
            process.start(self._life(process))
        await self._trouble()
        while self._is_busy():  # noqa: ASYNC110 - of simulated time, and tasks come and go
            await asyncio.sleep(0.1)
        self._calm_down()
        for host in self.hosts:
            await self._end(host)
        self._judge()

    async def _life(self, process: Process) -> None:
        """One process from its start to its end; an exception that nobody expects ends the run."""
        try:
            await self._live(process)
        except PowerCut:
            assert process.log is None, "only who was killed meets a dead disk"
        except Exception as error:
            self.violations.append(f"{process.name} ended with {error!r}")
            self.left = 0
            process.end()

    async def _live(self, process: Process) -> None:
        """Open the log, let agents work, close it."""
        log = await self._open(process)
        agents = [asyncio.create_task(self._agent(process)) for _ in range(self.random.choice((1, 2, 4, 16)))]
        await asyncio.gather(*agents)
        process.log = None
        with suppress(MirrorUnavailable):  # the disk fails: what was not synced was not acknowledged
            await log.close()

    async def _open(self, process: Process) -> Any:
        while True:
            try:
                return await process.open()
            except (LogUnavailable, MirrorUnavailable, BadInput, OSError) as error:
                # Without a reason it is no answer: the power is on, the server is there.
                if not (process.host.trouble.was_there or self.server.was_troubled):
                    self.violations.append(f"FALSE ALARM {process.name} cannot open its log: {error!r}")
                    raise
                await asyncio.sleep(0.3)
            except AgentlogError as error:
                self.violations.append(f"FALSE ALARM {process.name} cannot open its log: {error!r}")
                raise

    async def _agent(self, process: Process) -> None:
        while self.left > 0:
            self.left -= 1
            command = self.author.command()
            try:
                await self._append(process, command)
            except OutcomeUnknown:
                await asyncio.sleep(0.5)
                await self._again(process, command)
            except AgentlogError:
                await asyncio.sleep(0.2)
            if self.random.random() < 0.2:
                await asyncio.sleep(self.random.random() * self.random.choice((0.001, 0.1, 2.0)))

    async def _again(self, process: Process, command: Command) -> None:
        """Hand an unknown command in again: it must not land twice."""
        with suppress(AgentlogError):  # noted; whether it may say so is for history.py
            await self._append(process, command)

    async def _append(self, process: Process, command: Command) -> None:
        log = process.log
        assert log is not None
        call = self.notes.sent(command, process.name)
        try:
            receipt = await log.append(command)
        except Exception as error:
            self.notes.refused(call, error)
            if isinstance(error, Conflict):
                self.author.conflicted(error.stream, error.actual_version)
            raise
        self.notes.told(call, receipt)
        self.author.told(receipt)
        if (command.durability or self.settings.durability) == "both":
            host = process.host
            host.acknowledged = max(host.acknowledged, receipt.last_position)

    async def _trouble(self) -> None:
        if self._is_calm:
            return
        if self.random.random() < 0.5:
            often = self.random.choice((0.02, 0.1, 0.3))
            self.server.was_troubled = True
            self.server.trouble = Trouble(lost_before=often / 2, lost_after=often, slow=often / 3)
        while self.left > 0 and self._is_busy():
            await asyncio.sleep(self.random.random() * self.random.choice((0.01, 0.1, 2.0)))
            await self._strike()

    async def _strike(self) -> None:
        random, host = self.random, self.random.choice(self.hosts)
        match random.randrange(8):
            case 0:
                process = random.choice(host.processes)
                process.end()
                await process.gone()
                process.start(self._life(process))
            case 1:
                await host.cut_power()
                for process in host.processes:
                    process.start(self._life(process))
            case 2:
                self.server.stop_at_commit = random.random() < 0.5
                if not self.server.stop_at_commit:
                    self.server.stop()
                await asyncio.sleep(random.random() * 2)
                self.server.start()
            case 3:
                self.server.cut(random.choice(host.processes).name)
            case 4 | 5:
                host.trouble.begin()
                await asyncio.sleep(random.random() * random.choice((0.01, 0.1, 1.0)))
                host.trouble.end()
            case 6:
                host.clock.jump(random)
            case _:
                self.server.clock_us += random.randrange(-(10**12), 10**12)

    def _calm_down(self) -> None:
        self.server.trouble = Trouble()
        for host in self.hosts:
            host.trouble.end()
            host.trouble.was_there = False
        self.server.was_troubled = False

    async def _end(self, host: Host) -> None:
        """One last crash; then the copy must be level, whole, and the same as Postgres."""
        if self.random.random() < 0.5:
            await host.cut_power()
        process = host.processes[0]
        await process.start(self._inspect(process))

    async def _inspect(self, process: Process) -> None:
        log = await self._open(process)
        past, there = self.past(), f"host {process.host.name}"
        lines = b"".join(lines for _, lines in log.segments.read_raw())
        if lines != b"".join(past.lines):
            self.violations.append(f"LOST {there}: after its opening the copy is not that of Postgres")
        if log.segments.durable_position != past.last:
            self.violations.append(
                f"LOST {there}: only {log.segments.durable_position} of {past.last} is durable"
            )
        self.violations += [f"FALSE ALARM {there}: {finding}" for finding in log.segments.verify()]
        await log.close()

    def _judge(self) -> None:
        events = self.events()
        self.violations += history.check([list(self.notes.calls.values())], events)
        for projection in PROJECTIONS:
            rows = {
                (row["tenant"], row["key"], *(row[name] for name in projection.row_key)): {
                    name: value for name, value in row.items() if name not in ("tenant", "key")
                }
                for row in self.server.tables.rows[projection.name].values()
            }
            if rows != plain_fold(events, projection):
                self.violations.append(f"the rows of {projection.name} are not the fold of the events")
        self.violations += [f"unheard: {complaint}" for complaint in self.loop.complaints]

    def events(self) -> list[Event]:
        return list(decode_lines(b"".join(row.line() for row in self.server.tables.events)))

    def past(self) -> Past:
        """What Postgres committed, as the crashed disks of this run are measured by it."""
        ends = {call.told.last_position for call in self.notes.calls.values() if call.told} | {0}
        place = {row.id: row.position for row in self.server.tables.events}
        ends |= {place[call.sent.events[-1].id] for call in self.notes.calls.values() if call.id in place}
        return Past(self.server.tables, ends)


def simulate(seed: int, number: int) -> Run:
    """Run one simulation to its end."""
    lossy_disk.restart_inodes()
    run = Run(seed, number)
    with _replaced(run):
        try:
            run.loop.run_until_complete(run.main())
        except Stuck as error:
            run.violations.append(f"STUCK {error}")
        except AgentlogError as error:
            run.violations.append(f"the run ended with {error!r}")
        finally:
            run.loop.close()
    return run


@contextmanager
def _replaced(run: Run) -> Iterator[None]:
    """The two things that a process has from elsewhere: its server, and randomness."""
    connect, urandom = asyncpg.connect, os.urandom
    asyncpg.connect, os.urandom = run.server.connect, Random(f"urandom {run.name}").randbytes
    try:
        yield
    finally:
        asyncpg.connect, os.urandom = connect, urandom
