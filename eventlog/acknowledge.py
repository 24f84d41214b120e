"""Between commit and acknowledgement: bring committed batches to the segment, then tell the callers.

Invariant: told ⊆ synced ⊆ committed. A caller with durability "both" is told after its events are
synced here; when they cannot be, it gets NotMirrored with its receipt, and further appends are
refused before their commit until the segment has caught up again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from eventlog.batch import Pending
from eventlog.clock import Clock
from eventlog.command import Receipt
from eventlog.errors import LogUnavailable, MirrorUnavailable, NotMirrored
from eventlog.mirror import Mirror
from eventlog.segment.store import Block

BATCHES_MAX = 4
# Blocks are written and synced in the event loop's thread while that takes no longer than this. The
# mirror's thread needs longer where many agents append: at each of four steps it waits for the interpreter,
# which Python takes from a busy thread every 5 ms.
QUICK_S = 0.005
# After a slow one so many writes go to the mirror's thread before one is tried here again.
SLOW_WRITES = 30
HEAL_INTERVAL_S = 0.5
IDLE_MARK_S = 1.0


class Committed(NamedTuple):
    """What Postgres has committed: the block to write (None: copy from Postgres), and who waits."""

    last_position: int
    block: Block | None
    waiting: Sequence[tuple[Pending, Receipt]]
    level: asyncio.Future[None] | None = None  # of somebody who waits for the mirror alone


# In the queue: nothing came for a while, write down how far the segments are synced.
_MARK = Committed(0, None, ())


class Acknowledger:
    """Brings committed batches to the mirror in order and resolves their callers' futures."""

    def __init__(self, mirror: Mirror, clock: Clock) -> None:
        self.mirror = mirror
        self.trouble: BaseException | None = None
        self._clock = clock
        self._queue: asyncio.Queue[Committed | None] = asyncio.Queue(BATCHES_MAX)
        self._busy = False
        self._to_thread = 0  # how many of the next writes go to the mirror's thread
        self._healed_at = -HEAL_INTERVAL_S
        self._healing = asyncio.Lock()
        self._idle_mark: asyncio.TimerHandle | None = None
        self._task = asyncio.create_task(self._run(), name="agentlog-acknowledger")

    @property
    def idle(self) -> bool:
        return not self._busy and self._queue.empty()

    def now(self, committed: Committed) -> bool:
        """Write, sync and tell in this very call: what a lone agent waits for. False: not possible."""
        if committed.block is None or self.trouble is not None or not self.idle:
            return False
        try:
            if not self._write_here([committed.block]):
                return False
        except Exception as error:  # whatever it is, the caller must hear that Postgres has it
            self._fail([committed], error)
            return True
        tell(committed.waiting)
        self._mark_when_idle()
        return True

    async def put(self, committed: Committed) -> None:
        """Hand over a committed batch; waits while the mirror is several batches behind."""
        for pending, receipt in committed.waiting:
            if not pending.wait_for_mirror:
                resolve(pending, receipt)
        await self._queue.put(committed)

    async def level(self, position: int) -> None:
        """Return when the segments reach `position`, which Postgres has. Raises what keeps them."""
        reached = asyncio.get_running_loop().create_future()
        await self._queue.put(Committed(position, None, (), reached))
        await reached

    async def close(self) -> None:
        """Acknowledge what is committed, then stop."""
        if self._idle_mark is not None:
            self._idle_mark.cancel()
        await self._queue.put(None)
        await self._task

    async def heal(self, head_position: int) -> None:
        """Try to bring a failed mirror level with Postgres; at most twice a second.

        Raises MirrorUnavailable, with the cause, while that is not possible; LogUnavailable when it is
        Postgres that cannot be read.
        """
        async with self._healing:
            if self.trouble is None:
                return
            now = self._clock.monotonic()
            if now - self._healed_at >= HEAL_INTERVAL_S:
                try:
                    await self.mirror.reopen()
                    await self.mirror.catch_up(head_position)
                except Exception as error:
                    self.trouble = error
                else:
                    self.trouble = None
                    return
                finally:
                    # From its end: it may have waited, and those behind it are not to wait as long.
                    self._healed_at = self._clock.monotonic()
            if isinstance(self.trouble, LogUnavailable):
                raise LogUnavailable(f"the local segments cannot be brought level: {self.trouble}")
        raise MirrorUnavailable(
            f"the local segments cannot be written: {self.trouble}",
            hint="nothing was appended; free disk space or check the disk, then append again",
        ) from self.trouble

    async def _run(self) -> None:
        while True:
            first = await self._queue.get()
            if first is None:
                return
            self._busy = True
            if first is _MARK:
                await self.mirror.mark()
                self._busy = False
                continue
            group = [first]
            while not self._queue.empty():
                following = self._queue.get_nowait()
                if following is None:
                    self._queue.put_nowait(None)
                    break
                if following is not _MARK:
                    group.append(following)
            try:
                await self._write(group)
            except Exception as error:  # this task must live: the writer and all callers wait for it
                self._fail(group, error)
            else:
                for committed in group:
                    tell(committed.waiting)
                    if committed.level is not None and not committed.level.done():
                        committed.level.set_result(None)
                self._mark_when_idle()
            finally:
                self._busy = False

    def _mark_when_idle(self) -> None:
        """Write the durable mark once nothing has come for a second."""
        if self._idle_mark is not None:
            self._idle_mark.cancel()
        self._idle_mark = asyncio.get_running_loop().call_later(IDLE_MARK_S, self._mark)

    def _mark(self) -> None:
        if self.idle and self.trouble is None:
            self._queue.put_nowait(_MARK)

    async def _write(self, group: Sequence[Committed]) -> None:
        if self.trouble is not None:
            # Commands that wait for the segment are refused before their commit; these do not wait, or
            # were on their way. Somebody else may have healed it just now, up to less than this.
            last = max(committed.last_position for committed in group)
            await self.heal(last)
            await self.mirror.catch_up(last)
            return
        blocks = [committed.block for committed in group if committed.block is not None]
        # Who does not wait for the segment is not held up by the disk either.
        all_wait = all(pending.wait_for_mirror for committed in group for pending, _ in committed.waiting)
        if blocks and not (all_wait and self._write_here(blocks)):
            await self.mirror.write(blocks)
        if any(committed.block is None for committed in group):
            await self.mirror.catch_up(max(committed.last_position for committed in group))

    def _write_here(self, blocks: Sequence[Block]) -> bool:
        """Write and sync in the event loop's thread, while the disk is quick enough. False: not done."""
        if self._to_thread > 0:
            self._to_thread -= 1
            return False
        begin = self._clock.monotonic()
        try:
            return self.mirror.write_now(blocks)
        finally:
            if self._clock.monotonic() - begin > QUICK_S:
                self._to_thread = SLOW_WRITES

    def _fail(self, group: Sequence[Committed], error: BaseException) -> None:
        if not isinstance(error, MirrorUnavailable) or self.trouble is None:
            self.trouble = error
        for committed in group:
            if committed.level is not None and not committed.level.done():
                committed.level.set_exception(error)
            for pending, receipt in committed.waiting:
                if pending.wait_for_mirror:
                    refuse(
                        pending,
                        NotMirrored(
                            f"Postgres has positions {receipt.first_position} to {receipt.last_position},"
                            f" the local segments do not: {error}",
                            hint="do not append them again; appends are refused until the copy is level",
                            receipt=receipt,
                        ),
                    )
                else:
                    resolve(pending, receipt)


def tell(waiting: Sequence[tuple[Pending, Receipt]]) -> None:
    """Acknowledge: resolve each caller's future with its receipt."""
    for pending, receipt in waiting:
        resolve(pending, receipt)


def resolve(pending: Pending, receipt: Receipt) -> None:
    """Resolve one caller and those that sent the same idempotency key behind it."""
    if not pending.future.done():
        pending.future.set_result(receipt)
    for follower in pending.followers:
        resolve(follower, msgspec.structs.replace(receipt, duplicate=True))


def refuse(pending: Pending, error: BaseException) -> None:
    """Fail one caller; those behind it with the same key get the same answer."""
    if not pending.future.done():
        pending.future.set_exception(error)
    if isinstance(error, NotMirrored) and pending.followers:
        receipt = msgspec.structs.replace(error.receipt, duplicate=True)
        error = NotMirrored(error.args[0], hint=error.hint, receipt=receipt)
    for follower in pending.followers:
        refuse(follower, error)
