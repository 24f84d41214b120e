"""Make every projection table what a fold of the whole log says, while writers go on.

The fold is made beside the live tables, in memory, from either copy of the log; the live tables are
compared with it; and what differs is put right in one short transaction under the gate. Rows that
are right are not touched. Readers see a table as it was or as it is after that transaction, at any
isolation level, and views, grants and indexes stay. (Why rows and not tables are swapped:
docs/decisions/0004.) A crash leaves nothing behind: until that commit nothing was written.

Whoever folded on from a wrong row would write a wrong one again. So when a row was wrong the epoch
grows: writers then forget the states they hold and read them anew.

A log of more streams than fit into memory is done in shares of its streams (`replay.shares`), each with a
transaction of its own. One that was killed goes on with the shares that are left (`replay.rebuild_done`).
A large log is folded in processes of their own (`replay.rebuild_process`), which leave this one to writers.

Tables that an upgrade left due, or that are gone, are made anew as a whole (`replay.fill`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from eventlog.errors import BadInput
from eventlog.log import Log
from eventlog.projection import InlineProjection
from replay.fill import fill, tables_to_fill
from replay.folding import SOURCES, own_connection
from replay.rebuild_done import Done
from replay.rebuild_process import can_be_handed_over, rebuild_share_elsewhere
from replay.rebuild_share import compare_share, rebuild_share
from replay.report import Finding, Progress, RebuildReport, merged, no_progress
from replay.shares import Share, ShareFold, shares_needed

JOBS_MAX = 64
# From here on it is worth the half second that a process of its own takes to begin.
ELSEWHERE_EVENTS_MIN = 100_000


async def rebuild(
    log: Log,
    names: Sequence[str] | None = None,
    source: str = "segments",
    progress: Progress | None = None,
    *,
    jobs: int | None = None,
    shares: int | None = None,
) -> RebuildReport:
    """Make projection tables right. Tables that are missing are made, and the views.

    Args:
        names: tables; None for all.
        source: the copy of the log to fold, "segments" or "postgres".
        progress: called with ("fold", events done, events to do) and ("compare", tables done, tables).
        jobs: processes that fold at once, 1 to 64; None: one where the log has 100,000 events or more, and
            none but this one otherwise. This one does it where another cannot: with a pool of the caller's,
            or projections of the caller's own.
        shares: how many the streams are parted into, at least `jobs`; None: as many as memory wants.
    Raises:
        BadInput: an unknown table or source, or jobs or shares out of range.
        ProjectionMismatch: another release migrated the store meanwhile. Nothing was written.
        Damaged: the log has a gap; see `replay.verify`. Nothing was written.
    """
    tell, started = progress or no_progress, log.clock.monotonic()
    projections = chosen(log.projections, names)
    _check(source, jobs, shares)
    head = (await log.head()).position
    if jobs is None and head >= ELSEWHERE_EVENTS_MIN and can_be_handed_over(log, projections):
        jobs = 1
    of = max(jobs or 1, shares or await shares_needed(log, projections))
    reports = []
    async with own_connection(log) as connection:
        late = await tables_to_fill(log, connection, projections)
    if late:
        told = _Told(tell, of)
        reports.append(await fill(log, late, [(Share(n, of), told.of(n)) for n in range(of)], source))
    if rest := [projection for projection in projections if projection not in late]:
        reports.append(await _put_right(log, rest, of, source, tell, jobs))
    return merged(reports, log.clock.monotonic() - started)


async def _put_right(
    log: Log, projections: Sequence[InlineProjection], of: int, source: str, tell: Progress, jobs: int | None
) -> RebuildReport:
    """Put the rows of tables right, share by share."""
    done = Done(log, projections, of)
    waiting = list(done.left())
    told = _Told(tell, len(waiting))
    gate = asyncio.Semaphore(jobs or 1)

    async def one(at: int, share: Share) -> None:
        async with gate:
            if jobs is not None and can_be_handed_over(log, projections):
                report = await rebuild_share_elsewhere(log, projections, share, source, told.of(at))
            else:
                report = await rebuild_share(log, projections, share, source, told.of(at))
            await done.note(share, report)

    await _all([asyncio.create_task(one(at, share)) for at, share in enumerate(waiting)])
    return await done.finish()


async def compare(
    log: Log,
    names: Sequence[str] | None = None,
    source: str = "segments",
    progress: Progress | None = None,
) -> list[Finding]:
    """Compare projection tables with a fold of the log, share by share. Writes nothing.

    Arguments and errors as for `rebuild`.
    """
    projections, tell = chosen(log.projections, names), progress or no_progress
    _check(source, None, None)
    of, found = await shares_needed(log, projections), list[Finding]()
    async with own_connection(log) as connection:
        for number in range(of):
            share = Share(number, of)
            part = ShareFold(log, projections, share)
            found += (await compare_share(log, part, connection, projections, share, source, tell))[0]
    return found


def chosen(projections: Sequence[InlineProjection], names: Sequence[str] | None) -> list[InlineProjection]:
    """Return the projections of these names. Raises BadInput: there is no such one, or no name."""
    known = {projection.name: projection for projection in projections}
    if names is not None and not names:
        raise BadInput("no projection is named", hint="name one, or give None for all")
    for name in names or ():
        if name not in known:
            raise BadInput(f"no projection is called {name!r}", hint=f"there are {', '.join(sorted(known))}")
    return [known[name] for name in names] if names is not None else list(projections)


def _check(source: str, jobs: int | None, shares: int | None) -> None:
    if source not in SOURCES:
        raise BadInput(f"source {source!r} must be one of {', '.join(SOURCES)}")
    if jobs is not None and not 1 <= jobs <= JOBS_MAX:
        raise BadInput(f"jobs is {jobs} and must be from 1 to {JOBS_MAX}")
    if shares is not None and shares < (jobs or 1):
        raise BadInput(f"shares is {shares} and must be at least jobs, {jobs or 1}")


async def _all(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Wait for all of them; when one fails, or the caller is cancelled, the others end as well."""
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Told:
    """The progress of several shares as that of one rebuild."""

    def __init__(self, tell: Progress, shares: int) -> None:
        self._tell, self._shares = tell, shares
        self._done: dict[str, dict[int, tuple[int, int]]] = {}

    def of(self, share: int) -> Progress:
        """Return what one share tells its progress to."""

        def tell(what: str, done: int, total: int) -> None:
            all = self._done.setdefault(what, {})
            all[share] = (done, total)
            expected = max(total for _, total in all.values()) * self._shares
            self._tell(what, sum(done for done, _ in all.values()), expected)

        return tell
