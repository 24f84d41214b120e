"""Fill the tables that are due after an upgrade, or gone, while everybody reads those of before.

`migrate` leaves the table of an older fold as it stands and remembers that it is due. Nobody appends until
it is filled, so what it says stays true. Here the log is folded share by share (`replay.shares`), and the
rows wait in a temporary table of this connection. One transaction under the gate then makes the tables
anew with their views, moves the rows in, and lets them count as filled.

Readers see the table of before until that commit, and wait while it is made; never a part. Whoever reads
for long is waited for, a little longer each time, and then those who come meanwhile wait as well. A crash
leaves nothing but what was due before. The price: these rows take their room twice meanwhile, and the log is
folded in this process alone.

A transaction at repeatable read that began before that commit and comes to such a table after it finds it
empty: its snapshot knows none of the new rows, and the table of before is gone (Postgres manual, "Caveats"
of concurrency control).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import chain, repeat

import asyncpg

from eventlog.postgres.connect import session
from eventlog.postgres.migrate import due
from eventlog.postgres.sql import gate_key
from eventlog.projection import InlineProjection, signature
from replay.folding import Foldable
from replay.report import Progress, RebuildReport
from replay.shares import Share, ShareFold
from replay.statements import filled
from replay.tables import filled_for, row_chunks

# How long readers are waited for: at first less than the second after which Postgres looks for deadlocks, and
# those that come meanwhile wait that long; then twice as long each time, or readers that overlap would be
# waited for without end.
LOCK_WAITS_MS = (200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600)
LOCK_PAUSE_S = 0.1


async def tables_to_fill(
    log: Foldable, connection: asyncpg.Connection, projections: Sequence[InlineProjection]
) -> list[InlineProjection]:
    """Return those whose tables are due or not there; what is not there is due from now on.

    Raises ProjectionMismatch: another release migrated the store.
    """
    schema = log.settings.schema
    stored = await connection.fetchval(filled("head_projections", schema=schema))
    names = [projection.name for projection in projections]
    rows = await connection.fetch(filled("missing_tables", schema=schema), names)
    if missing := {row["name"] for row in rows}:
        async with connection.transaction():
            await connection.execute(filled("take_gate"), gate_key(schema))
            stored = await connection.fetchval(filled("head_projections", schema=schema))
            stored = signature(log.projections, missing.union(due(stored, log.projections)))
            await connection.execute(filled("set_projections", schema=schema), stored)
    late = due(stored, log.projections)
    return [projection for projection in projections if projection.name in late]


async def fill(
    log: Foldable,
    projections: Sequence[InlineProjection],
    shares: Sequence[tuple[Share, Progress]],
    source: str,
) -> RebuildReport:
    """Fill tables that are due. Arguments and errors as for `replay.rebuild.rebuild`.

    Args:
        shares: all of them, and what each tells its progress to.
    """
    timeout_s = log.settings.connect_timeout_s
    # Moving many rows at once may take its time.
    async with session(log.reads.target, timeout_s=timeout_s, command_timeout_s=None) as connection:
        await connection.execute(filled("waiting_rows"))
        report = None
        while report is None:  # once, unless it was filled and became due again meanwhile
            report = await _fill(log, connection, projections, shares, source)
    return report


async def _fill(
    log: Foldable,
    connection: asyncpg.Connection,
    projections: Sequence[InlineProjection],
    shares: Sequence[tuple[Share, Progress]],
    source: str,
) -> RebuildReport | None:
    """Fill them as of the head; None when the log has gone on since, so that nothing was changed."""
    started, position = log.clock.monotonic(), (await log.head()).position
    rows, events = dict.fromkeys((projection.name for projection in projections), 0), 0
    await connection.execute(filled("forget_waiting"))
    for share, tell in shares:
        part = ShareFold(log, projections, share)
        await part.fold_until(connection, position, source, tell)
        events = part.fold.events
        for projection in projections:
            rows[projection.name] += part.fold.count(projection)
            streams = sorted((id, one) for one, id in part.ids.items() if one.kind == projection.kind)
            for _, chunk, _ in row_chunks(part.fold, projection, streams):
                await connection.execute(filled("add_waiting"), projection.name, chunk)
    folded = log.clock.monotonic()
    done, waits_ms = None, chain(LOCK_WAITS_MS, repeat(LOCK_WAITS_MS[-1]))
    while done is None:
        done = await _change_over(log, connection, projections, position, next(waits_ms))
    if not done:
        return None
    ended = log.clock.monotonic()
    return RebuildReport(
        events=events,
        seconds=ended - started,
        position=position,
        rows=rows,
        differences=[],
        gate_seconds=ended - folded,
    )


async def _change_over(
    log: Foldable,
    connection: asyncpg.Connection,
    projections: Sequence[InlineProjection],
    position: int,
    wait_ms: int,
) -> bool | None:
    """Make the tables anew, move the rows that wait into them, and let them count as filled.

    Args:
        wait_ms: for whoever reads one of the tables.
    Returns whether they are filled, by us or another host; they are not where the log has gone on since.
    None when somebody read the tables for so long.
    """
    schema = log.settings.schema
    try:
        async with connection.transaction():
            await connection.execute(filled("take_gate"), gate_key(schema))
            stored = await connection.fetchval(filled("head_projections", schema=schema))
            late = set(due(stored, log.projections))
            waiting = [projection for projection in projections if projection.name in late]
            if not waiting:
                return True  # another host was quicker
            if await connection.fetchval(filled("head_position", schema=schema)) != position:
                return False
            await _drop(connection, schema, waiting, wait_ms)
            for projection in waiting:
                await connection.execute(log.reads.sql(projection.table_sql))
                await connection.execute(filled_for("insert_waiting", schema, projection), projection.name)
            left = late.difference(projection.name for projection in waiting)
            for statement in () if left else log.views_sql:  # they may be over several tables
                await connection.execute(log.reads.sql(statement))
            await connection.execute(
                filled("set_projections", schema=schema), signature(log.projections, left)
            )
            # Whoever keeps states of streams reads them anew, as after any rebuild that wrote rows.
            await connection.execute(filled("next_epoch", schema=schema))
    except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
        await asyncio.sleep(LOCK_PAUSE_S)
        return None
    return True


async def _drop(
    connection: asyncpg.Connection, schema: str, projections: Sequence[InlineProjection], wait_ms: int
) -> None:
    """Drop tables. Raises LockNotAvailableError where somebody reads them for longer.

    Waiting holds up all readers behind one that takes long, and can end in a deadlock with one that has a
    table and waits for the next.
    """
    await connection.execute(filled("lock_timeout", timeout=f"{wait_ms}ms"))
    for projection in projections:
        await connection.execute(filled("drop_table", schema=schema, table=projection.name))
    await connection.execute(filled("lock_timeout", timeout="0"))
