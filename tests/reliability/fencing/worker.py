"""A process of the crew: opens stores, lets agents append, follows the log, and judges it. Decides nothing.

    python -m tests.reliability.fencing.worker

Requests come as lines of JSON on stdin, answers go out on stdout; several are worked on at once. Every
append is written down (recorder.py) in the file that the request to open the store named.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, cast

from agentlog.configuration import Configuration
from agentlog.store import Store
from eventlog.command import Command, Receipt
from eventlog.envelope import StreamId, new_event
from eventlog.errors import AgentlogError, Closed, Damaged, LogUnavailable, MirrorUnavailable, NotMirrored
from eventlog.log import Log
from eventlog.segment.store import SegmentStore
from eventlog.settings import Settings
from projections.archive import Archive
from projections.catalog import INLINE, VIEWS_SQL
from tests.reliability.fencing.seams import StoppingIo, WrongClock
from tests.reliability.history import check, compare_copies
from tests.reliability.load import Load
from tests.reliability.recorder import Recorder, read_calls

STREAM = StreamId("", "note", "one")
POLL_S = 0.005
RETRY_S = 0.02
# Agents go on through everything; only what lasts longer than this is a complaint.
PATIENCE_S = 50.0
FOLLOWED_S = 30.0


class PatientLog:
    """A log for agents who live with a local copy that is out of reach for a while.

    Attributes:
        not_mirrored, refused: how often they were told so.
        too_early: acknowledged events that the local copy did not have yet, which must never be.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self.not_mirrored = self.refused = 0
        self.too_early: list[str] = []

    async def append(self, command: Command) -> Receipt:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                segments = self._log.segments
                try:
                    receipt = await self._log.append(command)
                    self._check_mirrored(command, receipt, segments)
                    return receipt
                except NotMirrored as error:
                    self.not_mirrored += 1
                    return cast(Receipt, error.receipt)
                except MirrorUnavailable:
                    self.refused += 1
                    await asyncio.sleep(RETRY_S)

    def _check_mirrored(self, command: Command, receipt: Receipt, segments: SegmentStore) -> None:
        # Segments that were opened anew meanwhile, because the directory was away, prove nothing.
        asked = command.durability != "postgres" and self._log.segments is segments
        if asked and segments.durable_position < receipt.last_position:
            self.too_early.append(
                f"position {receipt.last_position} was acknowledged,"
                f" the local copy is synced up to {segments.durable_position}"
            )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


class Opened:
    """One open store of this process, in an event loop of its own when it was asked for.

    Attributes:
        io: can stop the process.
        arguments: what it was opened with.
    """

    store: Store

    def __init__(self, arguments: dict[str, Any]) -> None:
        self.arguments = arguments
        self.io = StoppingIo(arguments["lock_wait_s"])
        self._recorder = Recorder(arguments["notes"])
        self._seen: list[int] = []
        self._troubles: list[str] = []
        self._damaged: list[str] = []
        self._follower: asyncio.Task[None] | None = None

    async def open(self) -> None:
        given = self.arguments
        settings = Settings(
            schema=given["schema"], segment_bytes_max=given["segment_bytes_max"],
            cached_streams_max=given["cached_streams_max"], batch_events_max=given["batch_events_max"],
            poll_interval_s=0.1, connect_timeout_s=20.0,
        )  # fmt: skip
        log = await Log.open(
            Path(given["data"]), given["postgres"], projections=INLINE, views_sql=(VIEWS_SQL,),
            settings=settings, migrate=given["migrate"], io=self.io,
            clock=WrongClock(given["clock"], given["seed"]),
        )  # fmt: skip
        closing = AsyncExitStack()
        closing.push_async_callback(log.close)
        archive = Archive(
            log.directory.archive, lambda after, until: log.segments.read(after, until), given["schema"]
        )
        configuration = Configuration(
            data=log.directory.path, postgres=given["postgres"], tenant="", settings=settings
        )
        self.store = Store(log, configuration, archive, closing)
        self._follower = asyncio.create_task(self._follow(log))

    @property
    def log(self) -> Log:
        assert isinstance(self.store.log, Log)
        return self.store.log

    async def close(self) -> None:
        assert self._follower is not None
        self._follower.cancel()
        with suppress(asyncio.CancelledError):
            await self._follower
        await self.store.close()
        self._recorder.close()

    async def append(self) -> int:
        event = new_event(STREAM, "note_taken", {"pid": os.getpid()}, id=self.log.ids.next())
        return (await self._recorder.append(self.log, Command([event]))).first_position

    async def load(self, seed: int, agents: int, steps: int) -> dict[str, Any]:
        """Let agents append; return what they complain of, and how often the local copy was away."""
        patient = PatientLog(self.log)
        load = Load(_Having(patient), self._recorder, seed=seed, agents=agents)  # type: ignore[arg-type]
        await load.run(steps)
        return {
            "appended": load.appended,
            "not_mirrored": patient.not_mirrored,
            "refused": patient.refused,
            "complaints": load.complaints + patient.too_early,
        }

    async def followed(self, directory_was_away: bool) -> list[str]:
        """Wait until the subscriber has seen the head; return what it saw wrongly: once each, in order.

        Args:
            directory_was_away: then it may have been told that, as Damaged.
        """
        head = (await self.log.head()).position
        try:
            async with asyncio.timeout(FOLLOWED_S):
                while len(self._seen) < head and not self._troubles:  # noqa: ASYNC110  (not worth an event)
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            self._troubles.append(f"a subscriber stands at {len(self._seen)} of {head}")
        if self._seen != list(range(1, len(self._seen) + 1)):
            self._troubles.append("a subscriber saw positions twice, out of order or not at all")
        return self._troubles + ([] if directory_was_away else self._damaged)

    async def _follow(self, log: Log) -> None:
        """See every event, also over lost connections, as a subscriber is told to do it."""
        while True:
            try:
                async for event in log.subscribe(after=len(self._seen)):
                    self._seen.append(event.position)
            except LogUnavailable:
                await asyncio.sleep(RETRY_S)
            except Damaged as error:
                self._damaged.append(f"a subscriber was told {error}")
                await asyncio.sleep(RETRY_S)
            except Exception as error:
                self._troubles.append(f"a subscriber was told {type(error).__name__}: {error}")
                return


class _Having:
    """Stands where a store would, for what takes its log alone."""

    def __init__(self, log: PatientLog) -> None:
        self.log = log


class Worker:
    """The process: requests by name, stores by name."""

    def __init__(self) -> None:
        self._stores: dict[str, Opened] = {}
        self._loops: dict[str, asyncio.AbstractEventLoop] = {}

    async def answer(self, request: dict[str, Any]) -> Any:
        operation, name = request.pop("do"), request.pop("store", "")
        work: Coroutine[Any, Any, Any] = getattr(self, f"do_{operation}")(name, **request)
        loop = self._loop_of(name, request)
        if loop is None:
            return await work
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, loop))

    def _loop_of(self, name: str, request: dict[str, Any]) -> asyncio.AbstractEventLoop | None:
        if request.get("in_thread"):
            loop = self._loops[name] = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, daemon=True).start()
        return self._loops.get(name)

    async def do_open(self, name: str, **arguments: Any) -> None:
        opened = Opened(arguments)
        await opened.open()
        self._stores[name] = opened

    async def do_close(self, name: str) -> None:
        await self._stores.pop(name).close()

    async def do_load(self, name: str, **how: Any) -> dict[str, Any]:
        return await self._stores[name].load(**how)

    async def do_append(self, name: str) -> int:
        """Append one event; return its position, or raise what the log raises."""
        return await self._stores[name].append()

    async def do_followed(self, name: str, directory_was_away: bool) -> list[str]:
        return await self._stores[name].followed(directory_was_away)

    async def do_verify(self, name: str) -> list[str]:
        return [str(finding) for finding in await self._stores[name].store.verify()]

    async def do_rebuild(self, name: str) -> list[str]:
        return [str(finding) for finding in (await self._stores[name].store.rebuild()).differences]

    async def do_compare(self, name: str) -> list[str]:
        return await compare_copies(self._stores[name].store)

    async def do_judge(self, name: str) -> dict[str, Any]:
        """Compare the whole log with what all clients wrote down."""
        opened = self._stores[name]
        log = opened.log
        events = [event async for block in log.read() for event in block]
        calls = read_calls(opened.arguments["notes"])
        found = check([calls], events)
        times = [event.time for event in events]
        if times != sorted(times):
            found.append("the time of an event is before that of the one it follows")
        told = sum(call.told is not None and call.outcome == "appended" for call in calls)
        unknown = sum(call.outcome == "unknown" for call in calls)
        return {"violations": found, "events": len(events), "told": told, "unknown": unknown}

    async def do_arm(self, name: str, stop_after: int) -> None:
        self._stores[name].io.stop_after = stop_after

    async def do_disarm(self, name: str) -> None:
        if name in self._stores:
            self._stores[name].io.stop_after = None

    async def do_fork_and_live(self, name: str) -> int:
        """Fork a child that does nothing until it is killed; return its pid."""
        child = os.fork()
        if child == 0:
            os.closerange(0, 2)  # or its parent's parent would wait for more answers
            signal.pause()
            os._exit(0)
        return child

    async def do_fork(self, name: str, opens: bool) -> str:
        """Fork with the store open and in use; return what was wrong in the child, "" for nothing."""
        opened = self._stores[name]
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.write(writer, in_child(opened, opens).encode())
            except BaseException:
                os.write(writer, traceback.format_exc().encode()[-2000:])
            finally:
                os._exit(0)
        os.close(writer)
        try:
            said = await asyncio.to_thread(_read_to_end, reader)
            await asyncio.to_thread(os.waitpid, child, 0)
        finally:
            os.close(reader)
        return said


def in_child(opened: Opened, opens: bool) -> str:
    """Use the parent's store in a forked child: everything is refused; a store of one's own works."""
    log = opened.log
    event = new_event(STREAM, "note_taken", {"pid": os.getpid()}, id=log.ids.next())
    for what, use in {
        "append": log.append(Command([event])),
        "head": log.head(),
        "close": log.close(),
        "store.close": opened.store.close(),
    }.items():
        try:
            use.send(None)
        except Closed:
            continue
        return f"{what} was not refused in a forked child"
    if opens:
        asyncio.run(_append_of_own(opened.arguments))
    return ""


async def _append_of_own(arguments: dict[str, Any]) -> None:
    # A child waits as long as it takes: its parent's agents write to the same directory.
    opened = Opened(arguments | {"migrate": False, "lock_wait_s": 60.0})
    await opened.open()
    await opened.append()
    await opened.close()


def _read_to_end(fd: int) -> str:
    found = b""
    while data := os.read(fd, 65536):
        found += data
    return found.decode()


async def main() -> None:
    worker, loop, running = Worker(), asyncio.get_running_loop(), set()

    async def work(number: int, request: dict[str, Any]) -> None:
        try:
            answer = {"number": number, "value": await worker.answer(request)}
        except AgentlogError as error:
            answer = {"number": number, "error": type(error).__name__, "message": str(error)}
        except BaseException:
            answer = {"number": number, "error": "crash", "message": traceback.format_exc()[-3000:]}
        os.write(1, json.dumps(answer).encode() + b"\n")

    reader = asyncio.StreamReader(limit=2**24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        request = json.loads(line)
        task = asyncio.create_task(work(request.pop("number"), request))
        running.add(task)
        task.add_done_callback(running.discard)


if __name__ == "__main__":
    logging.getLogger("eventlog").addHandler(logging.NullHandler())  # what it warns of is drawn here
    asyncio.run(main())
