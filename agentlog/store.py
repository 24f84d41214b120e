"""An open store: one handle per noun, its state, what comes in from elsewhere, and trust in the whole log.

How one is opened: opening.py. Each method names what is done, and whose data; the doing is in replay/.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Literal

import msgspec

from agentlog.archive import Archives
from agentlog.checks import (
    check_amount,
    check_call,
    check_kind,
    check_list,
    check_number,
    check_time,
    check_word,
)
from agentlog.configuration import Configuration
from agentlog.delivery import Delivery
from agentlog.errors import Refused
from agentlog.imports import Imports
from agentlog.local import LocalStore
from agentlog.nouns import Nouns
from agentlog.past import PastStore
from agentlog.replays import Replays
from agentlog.scope import Scope, TenantLog
from eventlog.io import SystemIo
from eventlog.local import LocalCopy
from eventlog.log import Log
from eventlog.settings import SCRUB_EVENTS_PER_S_MAX
from projections.archive import Archive
from replay.against import verify_against
from replay.past_log import Pasts
from replay.quick import verify_quick
from replay.rebuild import JOBS_MAX, rebuild
from replay.receipt import LogReceipt
from replay.report import Finding, Progress, RebuildReport
from replay.scrub import Scrub, ScrubState
from replay.site import site_of
from replay.verify import verify

DEPTHS = ("full", "quick")


class StoreStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How a store is, at one moment.

    Attributes:
        data, postgres, tenant: as opened; never a password.
        position, time, chain: of the log's head in Postgres, over all hosts.
        segments_position: how far this host's copy is synced; mirror_lag_events: how far behind.
        archive_position: how far Parquet files reach; what follows is read from the segments.
        sessions, messages, generations, queue: of the tenant, or of all.
        free_bytes: on the disk of the data directory.
        scrub: of the background scrub: rate (0: none runs), how far, and what it found.
    """

    data: str
    postgres: str
    tenant: str
    log_id: str
    position: int
    time: str
    chain: str
    segments_position: int
    segments: int
    mirror_lag_events: int
    archive_position: int
    sessions: int
    messages: int
    generations: int
    queue: dict[str, int]
    free_bytes: int
    scrub: ScrubState = ScrubState()


class Store(Nouns, Imports):
    """An open store. Made by `agentlog.open`; close it, or use it in `async with`.

    Attributes:
        archive, delivery, and sessions, conversation, queue, tasks, plan, keyvalue, access, external,
            schedule (Nouns): one handle per noun.
        log: the log itself: append, read, subscribe. Of one tenant, when the store is.
        local: this host's copy by itself: what can be read while Postgres is away.
        replay: the log read again: receipts, and what stood in it at any time.
        configuration: as opened.
    """

    def __init__(
        self, log: Log, configuration: Configuration, archive: Archive, closing: AsyncExitStack
    ) -> None:
        scope = Scope(log, configuration.tenant)
        super().__init__(scope)
        self.configuration = configuration
        self.log: Log | TenantLog = TenantLog(scope) if scope.tenant else log
        self.archive = Archives(scope, archive)
        self.delivery = Delivery(scope)
        self.local = LocalStore(LocalCopy(log.directory, SystemIo()), configuration.tenant)
        self._pasts = Pasts(log)
        closing.push_async_callback(self._pasts.close)
        self.replay = Replays(scope, self._pasts)
        self._scrub: Scrub | None = None
        self._scope = scope
        self._archive = archive
        self._closing = closing
        self._closed: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Append what was submitted, sync, let go of Postgres and of the files. Safe to call twice.

        A caller that is cancelled meanwhile does not stop it. Raises Closed in a forked child and in
        another event loop than the store's own.
        """
        if self._closed is None or not self._closed.done():
            self._scope.log.home.check()
        if self._closed is None:
            self._closed = asyncio.create_task(self._closing.aclose(), name="agentlog-store-close")
        await asyncio.shield(self._closed)

    async def __aenter__(self) -> Store:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    def at(self, *, position: int | None = None, time: datetime | None = None) -> PastStore:
        """The store as it stood: the same handles, read only. With neither argument: as it stands now.

        Args:
            position: after that position of the log; 0 is before all.
            time: after the last position that the log had accepted by then.
        A moment that is not in the log raises BadInput at the first read, what is no time at once.
        """
        check_time(time, "time")
        return PastStore(self._pasts, self._archive, self._scope.tenant, position, time)

    async def status(self) -> StoreStatus:
        """Say how the store is: head, chain, mirror lag, counts, free disk."""
        log, tenant = self._scope.log, self._scope.tenant or None
        head = await log.head()
        counts = (await self._scope.fetch("counts", tenant))[0]
        queue = await self._scope.fetch("queue_counts", tenant, None)
        durable = log.segments.durable_position
        return StoreStatus(
            data=str(self.configuration.data),
            postgres=self.configuration.shown_postgres,
            tenant=self.configuration.tenant,
            log_id=str(log.directory.log_id),
            position=head.position,
            time=head.time,
            chain=head.chain.hex(),
            segments_position=durable,
            segments=len(log.segments.segments()),
            mirror_lag_events=max(0, head.position - durable),
            archive_position=(await asyncio.to_thread(self._archive.manifest)).archive_position,
            sessions=counts["sessions"],
            messages=counts["messages"],
            generations=counts["generations"],
            queue={row["status"]: row["count"] for row in queue},
            free_bytes=SystemIo().free_bytes(str(self.configuration.data)),
            scrub=self._scrub.state if self._scrub is not None else ScrubState(),
        )

    def start_scrub(self, events_per_s: float) -> Scrub:
        """Read the whole log in the background, again and again; `status` tells what was wrong.

        Args:
            events_per_s: at most so many of each copy; above 0, up to 1,000,000.
        The setting `scrub_events_per_s` starts it at opening. It ends with the store. Raises BadInput;
        Refused on a store that was opened for one tenant, and where one is running.
        """
        self._scope.check_whole("a scrub")
        check_amount(events_per_s, "events_per_s", SCRUB_EVENTS_PER_S_MAX, "events", above_0=True)
        if self._scrub is not None:
            raise Refused("a scrub of this store is running", hint="see `status`")
        log = self._scope.log
        self._scrub = Scrub(lambda: site_of(log, log.views_sql), log.clock, events_per_s)
        self._scrub.start()
        self._closing.push_async_callback(self._scrub.stop)
        return self._scrub

    async def verify(
        self,
        progress: Progress | None = None,
        *,
        depth: Literal["full", "quick"] = "full",
        against: LogReceipt | None = None,
    ) -> list[Finding]:
        """Compare both copies, the chain, every projection and the archive; return what is wrong.

        Args:
            depth: "quick" reads no event: heads, counts, and the chain where segments begin and end.
            against: prove as well that history up to this receipt is unchanged, in both copies.
        Raises Refused on a store that was opened for one tenant: findings name everybody's streams.
        """
        self._scope.check_whole("verify")
        check_call(progress, "progress")
        check_word(depth, DEPTHS, "depth")
        check_kind(against, LogReceipt | None, "against", "a receipt")
        log = self._scope.log
        site = site_of(log, log.views_sql)
        found = [] if against is None else await verify_against(site, against, progress)
        if depth == "quick":
            return found + await verify_quick(site)
        return found + await verify(log, archive=self._archive, progress=progress)

    async def rebuild(
        self, projections: Sequence[str] = (), progress: Progress | None = None, *, jobs: int | None = None
    ) -> RebuildReport:
        """Compare projection tables (all, or those named) with the log and put right what differs.

        `jobs`: processes that fold at once, 1 to 64; None: one, from 100,000 events on. Raises BadInput, and
        Refused on a store that was opened for one tenant.
        """
        self._scope.check_whole("rebuild")
        names = tuple(check_list(projections, "projections")) or None
        check_call(progress, "progress")
        if jobs is not None:
            check_number(jobs, "jobs", 1, JOBS_MAX)
        return await rebuild(self._scope.log, names, progress=progress, jobs=jobs)
