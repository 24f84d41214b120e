"""Keep the local segments level with Postgres: own batches as they commit, others' by copying.

The segment is never ahead of Postgres: only what Postgres has committed is written here. The
blocking work is done in a thread of its own, and short writes in the event loop's, which the caller chooses
(`write_now`). Nothing here decides whether a copy is damaged (segment/recovery.py).
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from eventlog.envelope import Event, event_hash
from eventlog.errors import AgentlogError, CopiesDisagree, Damaged, MirrorUnavailable
from eventlog.postgres.reads import Reads, StoredEvent
from eventlog.segment.store import Block, NotContiguous, SegmentStore

_logger = logging.getLogger(__name__)

COPY_EVENTS_MAX = 512
COPY_BYTES_MAX = 4 * 1024 * 1024


class Mirror:
    """The local copy as the writer sees it. `open_store` opens (and reopens) the segments."""

    def __init__(self, open_store: Callable[[], SegmentStore], reads: Reads) -> None:
        self._open_store = open_store
        self.store = open_store()
        self._reads = reads
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="agentlog-mirror")

    @property
    def head(self) -> tuple[int, bytes]:
        """The last position in the segments and the chain after it, of one moment."""
        while True:
            position, chain = self.store.head_position, self.store.head_chain
            if position == self.store.head_position:  # no append in another thread in between
                return position, chain

    @property
    def durable_position(self) -> int:
        return self.store.durable_position

    def write_now(self, blocks: Sequence[Block]) -> bool:
        """Write and sync blocks in the caller's thread. False: use `write`.

        Then they do not fit on, or another process is writing: the event loop does not wait for that.
        """
        try:
            self.store.append(blocks, wait=False)
        except (NotContiguous, BlockingIOError):
            return False
        self.store.sync()
        return True

    async def write(self, blocks: Sequence[Block]) -> None:
        """Return when everything up to the end of `blocks` is written and synced here.

        Between two of them may be what others committed: that is copied from Postgres.
        """
        last = blocks[-1].first_position + blocks[-1].count - 1
        loop = asyncio.get_running_loop()
        head = await loop.run_in_executor(self._thread, self._append, blocks)
        if head < last:
            await self.catch_up(last)

    async def read(self, after: int, until: int) -> AsyncIterator[Sequence[Event]]:
        """Yield events with after < position <= until by blocks, as far as the local copy has them.

        It ends early where the directory was moved, deleted or made anew, which the next append mends:
        what this process knows of its files is not true any more, and Postgres has the rest.
        Raises Damaged, MirrorUnavailable: the files do not read, and are those that were opened.
        """
        blocks = self.store.read(after, until)
        try:
            while (block := await asyncio.to_thread(next, blocks, None)) is not None:
                yield block
        except (Damaged, MirrorUnavailable) as error:
            if self.store.in_place:
                raise
            _logger.warning(
                "reading from Postgres, not from what is at %s now: %s", self.store.directory, error
            )

    async def catch_up(self, until: int, progress: Callable[[int], None] | None = None) -> None:
        """Copy from Postgres what the segments lack up to `until`, and sync.

        Raises:
            Damaged: a row of Postgres does not match its own hash.
            CopiesDisagree: its chain does not continue ours.
            MirrorUnavailable: the system refused; what was copied until then stays.
        """
        try:
            await self._copy(until, progress)
        except OSError as error:
            raise MirrorUnavailable(
                f"{self.store.directory} cannot be brought up to position {until}: {error}",
                hint="free disk space or check the disk, then try again",
            ) from error

    async def _copy(self, until: int, progress: Callable[[int], None] | None) -> None:
        loop = asyncio.get_running_loop()
        head = await loop.run_in_executor(self._thread, self.store.refresh)
        while head < until:
            page = await self._reads.page(head, until, COPY_EVENTS_MAX)
            check_follows(page, head, until)
            position, chain = self.head
            if position == head:
                head = await loop.run_in_executor(self._thread, self._append, [_copied(page, chain)])
            else:  # somebody in this process was faster
                head = await loop.run_in_executor(self._thread, self.store.refresh)
            if progress is not None:
                progress(head)
        await loop.run_in_executor(self._thread, self.store.sync)

    async def mark(self) -> None:
        """Write the durable mark: a tail that is lost from here on is known as lost.

        A mark that cannot be written is logged, not raised: the events are durable without it.
        """
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._thread, self.store.write_mark)
        except Exception as error:
            _logger.warning("the durable mark was not written: %s", error)

    async def reopen(self) -> None:
        """Open the segments afresh after a failed sync: recovery shows what the disk really has."""
        loop = asyncio.get_running_loop()
        old, self.store = self.store, await loop.run_in_executor(self._thread, self._open_store)
        with suppress(AgentlogError):  # what it could not sync, the new one has judged by what it reads
            await loop.run_in_executor(self._thread, old.close)

    async def close(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self.store.close)
        self._thread.shutdown()

    def _append(self, blocks: Sequence[Block]) -> int:
        """Append what fits on and sync; return the head. In the mirror's thread."""
        blocks = _without_gap(blocks)
        try:
            self.store.append(blocks)
        except NotContiguous as gap:
            # Another process of this directory has copied ours, or committed before us and is
            # not written yet; `write` copies what is still missing.
            head = gap.head_position
        else:
            head = blocks[-1].first_position + blocks[-1].count - 1
        self.store.sync()
        return head


def _without_gap(blocks: Sequence[Block]) -> Sequence[Block]:
    """Return the blocks up to the first gap: where another host's batch came between two of ours."""
    for number, (block, following) in enumerate(itertools.pairwise(blocks), 1):
        if following.first_position != block.first_position + block.count:
            return blocks[:number]
    return blocks


def _copied(page: Sequence[StoredEvent], chain: bytes) -> Block:
    """Return the beginning of a page as one block that continues `chain`, hashes checked."""
    before, length = chain, 0
    lines: list[bytes] = []
    for stored in page:
        if stored.position != page[0].position + len(lines):
            break  # a position is missing; the next page begins with it
        check_row(stored)
        chain = stored.chain_from(chain)
        if stored.chain is not None and stored.chain != chain:
            raise CopiesDisagree(
                f"the chain of Postgres at position {stored.position} does not continue the local segments",
                hint="another history was restored; run `agentlog verify` and see both heads",
                first_position=stored.position,
                last_position=None,
                where="events",
            )
        lines.append(stored.line)
        length += len(lines[-1])
        if length >= COPY_BYTES_MAX:
            break
    return Block(page[0].position, len(lines), b"".join(lines), before, chain)


def check_follows(page: Sequence[StoredEvent], position: int, until: int) -> None:
    """Raise Damaged unless a page up to `until` begins with the event behind `position`."""
    if not page or page[0].position != position + 1:
        raise Damaged(
            f"Postgres lacks position {position + 1}, though its head is {until} or more",
            hint="run `agentlog verify`",
            first_position=position + 1,
            last_position=page[0].position - 1 if page else until,
            where="events",
        )


def check_row(stored: StoredEvent) -> None:
    """Raise Damaged when a row's content does not match its hash."""
    new = stored.event
    if new.hash != event_hash(
        new.stream, new.type, new.schema, new.id, new.occurred_at, new.encoding, new.data, new.meta
    ):
        raise Damaged(
            f"position {stored.position} in Postgres does not match its hash",
            hint="run `agentlog verify`, then `agentlog repair`",
            first_position=stored.position,
            last_position=stored.position,
            where="events",
        )


async def compare_heads(mirror: Mirror, reads: Reads) -> None:
    """Refuse when Postgres is behind the segments or tells another history."""
    # First the segments: they only ever hold what Postgres had committed before.
    position, expected = mirror.head
    head = await reads.head()
    chain = None if head["position"] < position else await reads.chain_at(position)
    if chain == expected:
        return
    raise CopiesDisagree(
        f"the segments stand at position {position} with chain {expected.hex()[:16]}…,"
        f" Postgres at {head['position']} with chain {head['chain'].hex()[:16]}…:"
        " they do not share that history",
        hint="Postgres lost commits or another backup was restored: run `agentlog verify`, then"
        " `agentlog repair`; if that refuses, put aside the copy that is not to count and run"
        " `agentlog restore postgres` or `agentlog restore segments`",
        first_position=min(head["position"], position) + 1 if chain is None else 1,
        last_position=position,
        where=mirror.store.directory,
    )
