"""Group commit: what arrives while a batch is in flight forms the next one. No timer.

    submit → waiting → batch (batch.py) → Postgres commit → segment sync (acknowledge.py) → told

One batch is in Postgres at a time, while earlier ones sync to the segment. When the answer to a
commit is lost, its outcome is unknown: the commands are sent again, under the stamps of before or under
newer ones after looking up their event ids. A commit that was not found then makes those stale.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from itertools import count

from eventlog.accepted import accepted
from eventlog.acknowledge import Acknowledger, Committed, refuse
from eventlog.batch import Batch, FoldFailed, Pending, StreamState, form_batch, unanswered
from eventlog.clock import Clock
from eventlog.command import Command, Receipt, with_key_note
from eventlog.envelope import StreamId
from eventlog.errors import CopiesDisagree, LogUnavailable
from eventlog.home import Home
from eventlog.known import KnownStreams
from eventlog.outage import Outage
from eventlog.outcome import Outcomes, conflict
from eventlog.postgres import connect as server
from eventlog.postgres.append import Appended, Appender
from eventlog.postgres.reads import Folds, Reads
from eventlog.postgres.stored import DataCompressor
from eventlog.settings import Settings

RECONNECT_INTERVAL_S = 0.05
ATTEMPTS_MAX = 5
# A batch takes up to so many commands, or half of those under way if that is more: while one half is in
# Postgres, the callers of the other are told, decide and form the next batch, and nothing stands idle.
HALVED_FROM = 16
# Data is compressed where callers make their commands, and not while Postgres waits for a batch. More than
# this waits for its batch: a burst of such commands would stop the event loop, and be held twice in memory.
STORED_AT_ONCE_BYTES = 65_536


class Writer:
    """The one path by which events enter the log from this process.

    Args:
        open_appender: opens a connection and prepares it; raises LogUnavailable.
        folds: inline projections by stream kind.
        epoch: the log's, as it was opened.
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
        epoch: int,
    ) -> None:
        self.head_position = head  # highest position this process has seen committed
        self._epoch = epoch  # states of another epoch are not to be folded on
        self._open_appender = open_appender
        self._appender: Appender | None = None
        self._reads = reads
        self._outcomes = Outcomes(reads)
        self._acknowledger = acknowledger
        self._folds = folds
        self._settings = settings
        self._stored = DataCompressor(settings.compress_min_bytes, settings.zstd_level).stored
        self._known = KnownStreams()
        self._waiting: deque[Pending] = deque()
        self._again: list[Pending] = []  # refused or deferred; they go before `_waiting`
        self._under_way = 0  # commands whose callers have not been told
        self._working = False
        self._ticks = count(1)
        self._outage = Outage(settings, clock)
        self._home = Home()
        self._arrived = asyncio.Event()
        self._taken = asyncio.Event()
        self._moved = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name="agentlog-writer")

    async def submit(self, command: Command) -> Receipt:
        """Append a command; return when it is as durable as asked. Errors: see Log.append."""
        self._home.check()
        length = command.check()
        if command.idempotency_key is not None:
            command = with_key_note(command)
            length = command.check()
        wait_for_mirror = (command.durability or self._settings.durability) == "both"
        if wait_for_mirror and self._acknowledger.trouble is not None:
            await self._acknowledger.heal(self.head_position)
        while len(self._waiting) >= self._settings.queue_commands_max:
            self._taken.clear()
            await self._taken.wait()
        self._home.check()  # it may have been closed while this waited
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        pending = Pending(command, length, future, next(self._ticks), wait_for_mirror)
        if length <= STORED_AT_ONCE_BYTES:
            pending.store(self._stored)
        pending.maybe_sent = self._outcomes.is_doubtful(command.events[0].id)
        self._waiting.append(pending)
        self._under_way += 1
        self._arrived.set()
        try:
            return await future
        except asyncio.CancelledError:
            self._outcomes.doubt(command)  # it may be on its way; who repeats it hears the truth
            raise
        finally:
            self._under_way -= 1

    def known(self, stream: StreamId) -> StreamState | None:
        """The stream as this process last knew it; others may have appended since."""
        return self._known.get(stream)

    async def refresh(self, streams: Sequence[StreamId]) -> None:
        """Ask Postgres where streams stand, and remember."""
        epoch = None
        while epoch != self._epoch:  # a new one began meanwhile: what was read may be from before
            epoch, tick = self._epoch, next(self._ticks)
            found = await self._reads.states(streams, tick)
        for stream in streams:
            blank = StreamState(None, 0, (None,) * len(self._folds.get(stream.kind, ())), tick)
            self._known.learn(stream, found.get(stream, blank))
        if not self._working:
            self._known.forget_surplus(self._settings.cached_streams_max)

    async def close(self) -> None:
        """Append what was submitted, then stop. Later submits raise Closed."""
        self._home.closed = True
        self._arrived.set()
        await self._task
        if self._appender is not None:
            await server.disconnect(self._appender.connection)

    async def _run(self) -> None:
        while True:
            if not self._waiting and not self._again:
                if self._home.closed:
                    return
                self._working = False
                self._arrived.clear()
                await self._arrived.wait()
                continue
            self._working = True
            await self._round(self._take())

    async def _round(self, taken: list[Pending]) -> None:
        """Append `taken`; what is left goes to `_again`. Whatever happens, its callers hear of it."""
        try:
            await self._append(await self._settle(taken))
        except LogUnavailable as error:
            self._give_up(taken, error)
        except Exception as error:  # others go on
            self._fail(taken, error)
        if not self._again:
            self._known.forget_surplus(self._settings.cached_streams_max)

    def _take(self) -> list[Pending]:
        """Commands for the next batch: those that wait again first, then as they came."""
        # Invariant: who has been answered is never sent again.
        again = deque(sorted(unanswered(self._again), key=lambda pending: pending.tick))
        self._again = []
        taken: list[Pending] = []
        events = length = 0
        commands_max = max(HALVED_FROM, -(-self._under_way // 2))
        for queue in (again, self._waiting):
            while queue and events < self._settings.batch_events_max and len(taken) < commands_max:
                pending = queue[0]
                if taken and (
                    pending.alone or taken[0].alone or length + pending.bytes > self._settings.batch_bytes_max
                ):
                    break
                queue.popleft()
                if not pending.future.cancelled():  # its caller went away before anything was sent
                    pending.store(self._stored)
                    taken.append(pending)
                    events += len(pending.command.events)
                    length += pending.bytes
            if queue:
                break  # nobody overtakes
        self._again += again
        self._taken.set()
        return taken

    async def _settle(self, taken: list[Pending]) -> list[Pending]:
        """Look up what may stand already, again when its streams were asked about since; return the rest."""
        while doubtful := [p for p in taken if p.maybe_sent and p.looked_up_on != p.known_in(self._known)]:
            await self.refresh(list(dict.fromkeys(s for p in doubtful for s in p.streams)))
            for pending in doubtful:
                pending.looked_up_on = pending.known_in(self._known)
            for pending in doubtful:
                if await self._was_committed(pending):
                    taken.remove(pending)
        return taken

    async def _append(self, taken: list[Pending]) -> None:
        """One round: form a batch, send it, act on the verdicts. Leftovers go to `_again`."""
        batch = self._form(taken)
        self._again += batch.deferred + batch.doubtful
        for pending, stream, expected, actual in batch.conflicts:
            # Not by its own commit: `_settle` has looked that up on this very state of its streams.
            # Who repeats a command expects what was true the first time; its key tells.
            if not await self._tell(pending, await self._outcomes.by_key(pending)):
                refuse(pending, conflict(stream, expected, actual))
        if batch.doubtful:
            await self.refresh(list(dict.fromkeys(s for p in batch.doubtful for s in p.streams)))
        if not batch.entries:
            return
        tick = next(self._ticks)
        appended = await self._send(batch)
        if appended is None:
            return
        for slot, id in zip(batch.slots, appended.stream_ids, strict=True):
            if slot.group not in appended.refused:
                self._known.remember(slot.stream, StreamState(id, slot.version, slot.states, tick))
        committed = accepted(batch, appended)
        if committed.waiting:
            await self._hand_over(committed)
        if appended.refused:
            await self._retry_refused(batch, appended)

    def _form(self, taken: list[Pending]) -> Batch:
        while True:
            try:
                return form_batch(taken, self._known, self._folds)
            except FoldFailed as failure:
                refuse(failure.pending, failure.error)
                taken[:] = [pending for pending in taken if not pending.future.done()]

    async def _send(self, batch: Batch) -> Appended | None:
        """Send a batch; None when it must be formed and sent again (its commands wait in `_again`)."""
        commands = [entry.pending for entry in batch.entries]
        try:
            if self._appender is not None and self._appender.connection.is_closed():
                self._disconnect()  # before anything was sent: no outcome is unknown by that
            if self._appender is None:
                self._appender = await self._connect()
            if self._appender.epoch != self._epoch:
                self._begin_epoch(commands, self._appender.epoch)
                return None
            appended = await self._appender.send(batch, self._acknowledger.mirror.durable_position)
            self._outage.end()
            return appended
        except (LogUnavailable, CopiesDisagree) as error:
            self._give_up(commands, error)
        except Exception as error:
            retry = commands[0].attempts < ATTEMPTS_MAX
            if self._appender and server.is_broken(error, closed=self._appender.connection.is_closed()):
                self._lost(batch, commands, error)
            elif server.cannot_write(error):
                await self._wait_out(commands, error)
            elif self._outage.is_hopeless():
                self._give_up(commands, server.unavailable(error))
            elif retry and getattr(error, "sqlstate", None) == server.OTHER_WRITER_SET:
                self._disconnect()
                self._try_again(commands)
            elif retry and server.is_rolled_back(error):
                self._try_again(commands)
            else:
                self._one_by_one(commands, server.translate(error))
        return None

    def _begin_epoch(self, commands: Sequence[Pending], epoch: int) -> None:
        """Somebody repaired the log or its projections: what we know of streams may be wrong."""
        self._epoch = epoch
        self._known.clear()
        self._again += commands

    def _try_again(self, commands: Sequence[Pending]) -> None:
        self._again += commands
        for pending in commands:
            pending.attempts += 1

    async def _wait_out(self, commands: Sequence[Pending], error: Exception) -> None:
        """The server takes no writes now: try again as long as was asked for, on a new connection."""
        self._disconnect()  # the address may lead to another server by then
        if self._home.closed or self._outage.is_long():
            self._give_up(commands, server.translate(error))
        else:
            self._again += commands
            await asyncio.sleep(RECONNECT_INTERVAL_S)

    def _lost(self, batch: Batch, commands: Sequence[Pending], error: Exception) -> None:
        """The connection died with this batch in flight: send again, and look before believing."""
        self._disconnect()
        for pending in commands:
            pending.maybe_sent, pending.looked_up_on = True, batch.formed_on(pending)
            pending.attempts += 1
        if self._outage.is_hopeless():
            self._give_up(commands, server.unavailable(error))
        elif commands[0].attempts <= ATTEMPTS_MAX:
            self._again += commands
        else:
            died = LogUnavailable(f"the connection died {ATTEMPTS_MAX} times on this command")
            self._one_by_one(commands, died)

    def _disconnect(self) -> None:
        if self._appender is not None:
            self._appender.connection.terminate()
            self._appender = None

    def _one_by_one(self, commands: Sequence[Pending], error: Exception) -> None:
        """Postgres refused a batch as a whole: find the command it meant, let the others through."""
        if len(commands) == 1:
            self._fail(commands, error)
        else:
            self._again += commands
        for pending in commands:
            pending.alone, pending.attempts = True, 0

    async def _connect(self) -> Appender:
        while True:
            try:
                return await self._open_appender()
            except LogUnavailable:
                if self._home.closed or self._outage.is_long():
                    raise
                await asyncio.sleep(RECONNECT_INTERVAL_S)

    def _give_up(self, commands: Sequence[Pending], error: Exception) -> None:
        """Postgres stayed away: fail all that wait, saying which of them may have been committed."""
        everything = [*commands, *self._again, *self._waiting]
        self._again = []
        self._waiting.clear()
        self._taken.set()
        self._fail(everything, error)

    def _fail(self, commands: Sequence[Pending], error: BaseException, *, may_stand: bool = False) -> None:
        self._outage.end()
        for pending in commands:
            if pending.committed:
                continue  # the acknowledger tells it
            unknown = may_stand or pending.maybe_sent  # by an earlier attempt, whatever failed now
            # Who waits behind it with the same key may itself have been sent before.
            self._fail(pending.followers, error, may_stand=unknown)
            refuse(pending, self._outcomes.unknown(pending, error) if unknown else error)

    async def _hand_over(self, committed: Committed) -> None:
        for pending, _ in committed.waiting:
            pending.committed = True
        alone = len(committed.waiting) == 1 and not self._waiting and not self._again
        # Who does not wait for the segment is not made to: it is written behind their back.
        inline = alone and committed.waiting[0][0].wait_for_mirror
        if not (inline and self._acknowledger.now(committed)):
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
        refused = [e.pending for e in batch.entries if batch.group_of(e) in appended.refused]
        stale = [batch.slots[found.slot - 1].stream for found in appended.stale]
        try:
            if stale:
                await self.refresh(stale)
            for pending in refused:
                # First by its event id: under its key may stand itself, or another command.
                if pending.maybe_sent and await self._was_committed(pending):
                    continue
                original = duplicates.get(id(pending))
                if original is not None:
                    receipt = await self._reads.places(
                        original.first_position, original.event_count, duplicate=True
                    )
                    await self._tell(pending, receipt)
                else:
                    self._again.append(pending)
        except BaseException:
            self._again += [pending for pending in refused if pending not in self._again]
            raise

    async def _was_committed(self, pending: Pending) -> bool:
        first = self._known.get(pending.command.events[0].stream)
        return await self._tell(pending, await self._outcomes.by_event_id(pending, first))

    async def _tell(self, pending: Pending, receipt: Receipt | None) -> bool:
        """Acknowledge a command that was found in the log; False when it was not."""
        if receipt is None:
            return False
        await self._hand_over(Committed(receipt.last_position, None, [(pending, receipt)]))
        return True
