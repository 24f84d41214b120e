"""Group commit: whatever arrives while a batch is in flight forms the next one. No timer.

    submit → waiting → batch (batch.py) → Postgres commit → segment sync (acknowledge.py) → told

One batch is in Postgres at a time, while earlier ones sync to the segment. When the answer to a
commit is lost, its outcome is unknown: the commands are sent again under the same stamps. Had they
been committed, those stamps are stale now, and looking up an event id tells the truth.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import asyncpg

from eventlog.acknowledge import Acknowledger, Committed, refuse
from eventlog.batch import Batch, FoldFailed, Pending, StreamState, form_batch
from eventlog.clock import Clock
from eventlog.command import Command, Receipt
from eventlog.envelope import StreamId, encode_line, us_to_time
from eventlog.errors import Closed, Conflict, LogUnavailable, OutcomeUnknown
from eventlog.postgres.append import Appended, Appender
from eventlog.postgres.connect import is_broken, is_rolled_back, translate
from eventlog.postgres.reads import Folds, Reads
from eventlog.segment.store import Block
from eventlog.settings import Settings

RECONNECT_INTERVAL_S = 0.05
ATTEMPTS_MAX = 5


class Writer:
    """The one path by which events enter the log from this process.

    Args:
        open_appender: opens a connection and prepares it; raises LogUnavailable.
        folds: inline projections by stream kind.
    """

    def __init__(
        self,
        open_appender: Callable[[], Awaitable[Appender]],
        reads: Reads,
        acknowledger: Acknowledger,
        folds: Folds,
        settings: Settings,
        clock: Clock,
        head: int,
    ) -> None:
        self.head_position = head  # highest position this process has seen committed
        self._open_appender = open_appender
        self._appender: Appender | None = None
        self._reads = reads
        self._acknowledger = acknowledger
        self._folds = folds
        self._settings = settings
        self._clock = clock
        self._known: dict[StreamId, StreamState] = {}
        self._waiting: deque[Pending] = deque()
        self._again: list[Pending] = []  # refused or deferred; they go before `_waiting`
        self._tick = 0
        self._pid = os.getpid()
        self._closing = False
        self._arrived = asyncio.Event()
        self._taken = asyncio.Event()
        self._moved = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name="agentlog-writer")

    async def submit(self, command: Command) -> Receipt:
        """Append a command; return when it is as durable as asked. Errors: see Log.append."""
        if self._closing or os.getpid() != self._pid:
            raise Closed("the log was closed, or opened before a fork", hint="open it again in this process")
        command.check()
        wait_for_mirror = (command.durability or self._settings.durability) == "both"
        if wait_for_mirror and self._acknowledger.trouble is not None:
            await self._acknowledger.heal(self.head_position)
        while len(self._waiting) >= self._settings.queue_commands_max:
            self._taken.clear()
            await self._taken.wait()
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(Pending(command, future, self._next_tick(), wait_for_mirror))
        self._arrived.set()
        return await future

    def known(self, stream: StreamId) -> StreamState | None:
        """The stream as this process last knew it; others may have appended since."""
        return self._known.get(stream)

    async def refresh(self, streams: Sequence[StreamId]) -> None:
        """Ask Postgres where streams stand, and remember."""
        tick = self._next_tick()
        found = await self._reads.states(streams, tick)
        for stream in streams:
            blank = StreamState(None, 0, (None,) * len(self._folds.get(stream.kind, ())), tick)
            self._remember(stream, found.get(stream, blank))

    async def close(self) -> None:
        """Append what was submitted, then stop. Later submits raise Closed."""
        self._closing = True
        self._arrived.set()
        await self._task
        if self._appender is not None:
            await self._appender.connection.close()

    def _next_tick(self) -> int:
        self._tick += 1
        return self._tick

    def _remember(self, stream: StreamId, state: StreamState) -> None:
        self._known.pop(stream, None)
        self._known[stream] = state
        while len(self._known) > self._settings.cached_streams_max:
            self._known.pop(next(iter(self._known)))  # the one not touched for longest

    async def _run(self) -> None:
        while True:
            if not self._waiting and not self._again:
                if self._closing:
                    return
                self._arrived.clear()
                await self._arrived.wait()
                continue
            taken = self._take()
            try:
                await self._append(taken)
            except asyncio.CancelledError:
                self._fail(taken, Closed("the log was closed while appending"))
                raise
            except LogUnavailable as error:
                self._give_up(taken, error)
            except Exception as error:  # whatever it is, its callers must hear of it, and others go on
                self._fail(taken, error)

    def _take(self) -> list[Pending]:
        """Commands for the next batch: those that wait again first, then as they came."""
        # Invariant: who has been answered is never sent again.
        again = [pending for pending in self._again if not pending.future.done()]
        taken = sorted(again, key=lambda pending: pending.tick)
        self._again = []
        events = sum(len(pending.command.events) for pending in taken)
        length = sum(pending.bytes for pending in taken)
        while self._waiting and (not taken or events < self._settings.batch_events_max):
            pending = self._waiting[0]
            if taken and length + pending.bytes > self._settings.batch_bytes_max:
                break
            if not pending.future.cancelled():  # its caller went away before anything was sent
                taken.append(pending)
                events += len(pending.command.events)
                length += pending.bytes
            self._waiting.popleft()
        self._taken.set()
        return taken

    async def _append(self, taken: list[Pending]) -> None:
        """One round: form a batch, send it, act on the verdicts. Leftovers go to `_again`."""
        batch = self._form(taken)
        for pending, stream, expected, actual in batch.conflicts:
            refuse(pending, conflict(stream, expected, actual))
        self._again += batch.deferred + batch.doubtful
        if batch.doubtful:
            await self.refresh(list(dict.fromkeys(s for p in batch.doubtful for s in p.streams)))
        if not batch.entries:
            return
        tick = self._next_tick()
        appended = await self._send(batch)
        if appended is None:
            return
        if len(appended.refused) < len({slot.group for slot in batch.slots}):
            await self._acknowledge(batch, appended, tick)
        if appended.refused:
            await self._retry_refused(batch, appended)

    def _form(self, taken: list[Pending]) -> Batch:
        while True:
            try:
                return form_batch(taken, self._known, self._folds)
            except FoldFailed as failure:
                taken.remove(failure.pending)
                refuse(failure.pending, failure.error)

    async def _send(self, batch: Batch) -> Appended | None:
        """Send a batch; None when it must be formed and sent again (its commands wait in `_again`)."""
        commands = [entry[0] for entry in batch.entries]
        try:
            if self._appender is None:
                self._appender = await self._connect()
            return await self._appender.send(batch, self._acknowledger.mirror.durable_position)
        except LogUnavailable as error:
            self._give_up(commands, error)
        except asyncpg.PostgresError as error:
            if is_broken(error):
                self._lost(commands)
            elif is_rolled_back(error) and commands[0].attempts < ATTEMPTS_MAX:
                self._again += commands
                for pending in commands:
                    pending.attempts += 1
            elif len(commands) > 1:
                await self._one_by_one(commands)
            else:
                refuse(commands[0], translate(error))
        except Exception as error:
            if is_broken(error):
                self._lost(commands)
            elif len(commands) > 1:
                await self._one_by_one(commands)
            else:
                refuse(commands[0], error)
        return None

    def _lost(self, commands: Sequence[Pending]) -> None:
        """The connection died with this batch in flight: send again, and look before believing."""
        assert self._appender is not None
        self._appender.connection.terminate()
        self._appender = None
        for pending in commands:
            pending.maybe_sent = True
        self._again += commands

    async def _one_by_one(self, commands: Sequence[Pending]) -> None:
        """Postgres refused a batch as a whole: find the command it meant, let the others through."""
        for pending in commands:
            await self._append([pending])

    async def _connect(self) -> Appender:
        deadline = self._clock.monotonic() + self._settings.unavailable_wait_s
        while True:
            try:
                return await self._open_appender()
            except LogUnavailable:
                if self._clock.monotonic() >= deadline:
                    raise
                await asyncio.sleep(RECONNECT_INTERVAL_S)

    def _give_up(self, commands: Sequence[Pending], error: LogUnavailable) -> None:
        """Postgres stayed away: fail all that wait, saying which of them may have been committed."""
        everything = [*commands, *self._again, *self._waiting]
        self._again = []
        self._waiting.clear()
        self._taken.set()
        self._fail(everything, error)

    def _fail(self, commands: Sequence[Pending], error: BaseException) -> None:
        for pending in commands:
            if pending.maybe_sent and isinstance(error, LogUnavailable):
                unknown = OutcomeUnknown(
                    "the connection was lost while this command was committed, and Postgres is still away",
                    hint="append it again with the same event ids or idempotency key; it cannot land twice",
                )
                unknown.__cause__ = error
                refuse(pending, unknown)
            else:
                refuse(pending, error)

    async def _acknowledge(self, batch: Batch, appended: Appended, tick: int) -> None:
        """Remember what was accepted and hand it on to the mirror."""
        refused, time = appended.refused, us_to_time(appended.time_us)
        position = appended.first_position
        lines: list[bytes] = []
        places: list[int] = []
        for event, slot, version in zip(batch.events, batch.event_slots, batch.versions, strict=True):
            places.append(position)
            if slot.group not in refused:
                lines.append(encode_line(event, position, version, time))
                position += 1
        for slot, id in zip(batch.slots, appended.stream_ids, strict=True):
            if slot.group not in refused:
                self._remember(slot.stream, StreamState(id, slot.version, slot.states, tick))
        waiting = []
        for pending, ordinal, index in batch.entries:
            if batch.slots[index - 1].group in refused:
                continue
            first, count = places[ordinal - 1], len(pending.command.events)
            end = ordinal - 1 + count
            versions = {
                event.stream: version
                for event, version in zip(
                    batch.events[ordinal - 1 : end], batch.versions[ordinal - 1 : end], strict=True
                )
            }
            waiting.append((pending, Receipt(first, first + count - 1, versions, time)))
        last = position - 1
        block = Block(
            appended.first_position, len(lines), b"".join(lines), appended.chain_before, appended.chain_after
        )
        await self._hand_over(Committed(last, block, waiting))

    async def _hand_over(self, committed: Committed) -> None:
        alone = len(committed.waiting) == 1 and not self._waiting and not self._again
        if not (alone and self._acknowledger.now(committed)):
            await self._acknowledger.put(committed)
        self.head_position = max(self.head_position, committed.last_position)
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def wait_beyond(self, position: int) -> None:
        """Return when this process has committed something beyond `position`."""
        while self.head_position <= position:
            await self._moved.wait()

    async def _retry_refused(self, batch: Batch, appended: Appended) -> None:
        """Commands of refused groups: duplicates and lost commits get their answer, others go again."""
        keys = list(batch.keys.values())
        duplicates = {id(keys[found.key - 1][0]): found for found in appended.duplicates}
        refused = [entry[0] for entry in batch.entries if batch.slots[entry[2] - 1].group in appended.refused]
        stale = [batch.slots[found.slot - 1].stream for found in appended.stale]
        try:
            if stale:
                await self.refresh(stale)
            for pending in refused:
                original = duplicates.get(id(pending))
                if original is not None:
                    receipt = await self._reads.places(
                        original.first_position, original.event_count, duplicate=not pending.maybe_sent
                    )
                    await self._hand_over(Committed(receipt.last_position, None, [(pending, receipt)]))
                elif not (pending.maybe_sent and await self._was_committed(pending)):
                    self._again.append(pending)
        except BaseException:
            self._again += [pending for pending in refused if pending not in self._again]
            raise

    async def _was_committed(self, pending: Pending) -> bool:
        """Look a lost command up by event id; acknowledge it when it stands in the log."""
        events = pending.command.events
        state = self._known.get(events[0].stream)
        if state is None or state.id is None:
            return False
        position = (await self._reads.find([state.id], [events[0].id])).get(events[0].id)
        if position is None:
            return False
        receipt = await self._reads.places(position, len(events), duplicate=False)
        await self._hand_over(Committed(receipt.last_position, None, [(pending, receipt)]))
        return True


def conflict(stream: StreamId, expected: int, actual: int) -> Conflict:
    """The error for a stream that is not at the expected version."""
    was = "does not exist" if actual == 0 else f"is at version {actual}"
    return Conflict(
        f"{stream} {was}, expected {'no stream' if expected == 0 else f'version {expected}'}",
        hint="someone appended first; reload it and decide again",
        stream=stream,
        expected_version=expected,
        actual_version=actual,
    )
