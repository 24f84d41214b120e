"""A process that works on a log until it is killed. Does its work; judges nothing.

    python -m tests.reliability.kill.victim '{"work": "append", "data": …}'

Started like this under strace; otherwise forked by a server that has everything imported
(`start`), and opens its log after the fork, as any process would.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import msgspec

import agentlog
from agentlog.opening import Opening
from agentlog.store import Store
from eventlog.command import Command
from eventlog.envelope import StreamId, new_event
from eventlog.io import SystemIo
from eventlog.settings import Settings
from replay.imports.runner import import_paths
from replay.imports.summary import ImportSummary
from replay.repair import repair
from replay.restore import restore_postgres, restore_segments
from tests.reliability.load import Load
from tests.reliability.recorder import Recorder

# What changes a log directory, or decides who may. `pread` and `close` change nothing.
CHANGING = (
    "open", "pwrite", "fdatasync", "fsync", "ftruncate", "rename", "link", "unlink", "mkdir", "lock",
)  # fmt: skip
TRANSCRIPTS = "transcripts"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a victim does.

    Attributes:
        work: a key of WORKS.
        postgres: arguments of asyncpg.connect; None: the data directory's own server.
        notes: the file of its recorder.
        kill_at: (how, k): kill yourself "before" the k-th changing call, or in the "middle" of the
            k-th write, half of its bytes written. None: somebody else will, at any instant.
        counted: the file into which the number of changing calls of each name is written at the end.
    """

    work: str
    data: str
    postgres: dict[str, Any] | None
    schema: str
    notes: str
    seed: int = 0
    agents: int = 1
    segment_bytes_max: int = 16_384
    kill_at: tuple[str, int] | None = None
    counted: str = ""

    @property
    def settings(self) -> Settings:
        return Settings(schema=self.schema, segment_bytes_max=self.segment_bytes_max)

    def open(self) -> Opening:
        return agentlog.open(self.data, postgres=self.postgres, settings=self.settings)


class Victim:
    """A process at work on a plan, forked by the server of forks."""

    # What multiprocessing knows of one child it also changes when another is started.
    _turn = threading.Lock()

    def __init__(self, plan: Plan) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__])
        with self._turn:
            self._process = context.Process(target=run, args=(plan,), daemon=True)
            self._process.start()

    @property
    def running(self) -> bool:
        return not wait([self._process.sentinel], 0)

    def kill(self) -> None:
        """kill -9; nothing happens when it has ended."""
        self._process.kill()

    async def ended(self) -> int:
        """Wait for its end; return its exit code, -9 when it was killed."""
        await asyncio.to_thread(wait, [self._process.sentinel])
        with self._turn:
            self._process.join()
        code = self._process.exitcode
        assert code is not None
        return code


async def start(plan: Plan) -> Victim:
    """Start a process for a plan."""
    return await asyncio.to_thread(Victim, plan)


def run(plan: Plan) -> None:
    """Do the work of a plan in this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who started us, and will end us
    calls = _count_calls(plan.kill_at) if plan.kill_at or plan.counted else None
    asyncio.run(WORKS[plan.work](plan))
    if calls is not None and plan.counted:
        Path(plan.counted).write_bytes(msgspec.json.encode(calls))


async def append(plan: Plan) -> None:
    """Agents append for ever."""
    async with plan.open() as store:
        await _load(store, plan).run()


async def reopen(plan: Plan) -> None:
    """Agents append a little, the store is closed and opened again, for ever."""
    while True:
        async with plan.open() as store:
            await _load(store, plan).run(steps=3)


async def beside(plan: Plan, work: Callable[[Store], Awaitable[object]]) -> None:
    """Agents append while something else is done, over and over."""
    async with plan.open() as store:
        load = asyncio.create_task(_load(store, plan).run())
        while not load.done():
            await work(store)
        load.result()


async def verify(plan: Plan) -> None:
    await beside(plan, Store.verify)


async def rebuild(plan: Plan) -> None:
    await beside(plan, Store.rebuild)


async def mend(plan: Plan) -> None:
    """Repair a damaged store, and go on."""
    assert plan.postgres is not None
    await repair(Path(plan.data), plan.postgres, settings=plan.settings)
    await fixed(plan)


async def write_segments(plan: Plan) -> None:
    """Write lost segments anew, and go on."""
    await restore_segments(Path(plan.data), plan.postgres, settings=plan.settings)
    await fixed(plan)


async def write_postgres(plan: Plan) -> None:
    """Write a lost schema anew, and go on."""
    await restore_postgres(Path(plan.data), plan.postgres, settings=plan.settings)
    await fixed(plan)


async def import_transcripts(plan: Plan) -> ImportSummary:
    """Import what lies beside the data directory."""
    data = Path(plan.data)
    async with plan.open() as store:
        log = Recorder(plan.notes).recording(store.log)
        return await import_paths(log, [data.parent / TRANSCRIPTS], quarantine_dir=data / "quarantine")


async def fixed(plan: Plan) -> None:
    """The same small work each time: one by one, several at once, over the end of a segment or two."""
    recorder, stream = Recorder(plan.notes), StreamId("acme", "note", "fixed")
    async with plan.open() as store:

        def command(count: int) -> Command:
            text = os.urandom(400).hex()  # incompressible: three of them fill a small segment
            ids = [store.log.ids.next() for _ in range(count)]
            return Command([new_event(stream, "note_taken", {"text": text}, id=id) for id in ids])

        for count in (1, 2, 1):
            await recorder.append(store.log, command(count))
        await asyncio.gather(*(recorder.append(store.log, command(count)) for count in (1, 3, 1)))
    recorder.close()


WORKS: dict[str, Callable[[Plan], Coroutine[Any, Any, object]]] = {
    "append": append,
    "reopen": reopen,
    "verify": verify,
    "rebuild": rebuild,
    "repair": mend,
    "restore segments": write_segments,
    "restore postgres": write_postgres,
    "import": import_transcripts,
    "fixed": fixed,
}


def _load(store: Store, plan: Plan) -> Load:
    return Load(store, Recorder(plan.notes), seed=plan.seed, agents=plan.agents)


def _count_calls(kill_at: tuple[str, int] | None) -> Counter[str]:
    """Count the changing calls of all threads by name, and die at one of them.

    Between the code and the kernel stands nothing but `SystemIo`, so this is every system call that
    changes a log directory; straced.py compares with what strace counts.
    """
    how, at = kill_at or ("", 0)
    counts: Counter[str] = Counter()
    lock = threading.Lock()

    def counting(name: str) -> None:
        call = getattr(SystemIo, name)

        def counted(self: SystemIo, *arguments: Any, **options: Any) -> Any:
            with lock:
                counts[name] += 1
                die = at == (counts["pwrite"] if how == "middle" else counts.total())
            die = die and (how != "middle" or name == "pwrite")
            if die and how == "middle":
                fd, data, offset = arguments
                os.pwrite(fd, data[: len(data) // 2], offset)
            if die:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(self, *arguments, **options)

        setattr(SystemIo, name, counted)

    for name in CHANGING:
        if hasattr(SystemIo, name):
            counting(name)
    return counts


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        run(msgspec.json.decode(sys.argv[1], type=Plan))
