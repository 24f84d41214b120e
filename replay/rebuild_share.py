"""Make the projection rows of one share of the streams what a fold of the log says, while writers go on.

The steps are those of `replay.rebuild`, which says why; this is all of them for some of the streams.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import asyncpg

from eventlog.postgres.migrate import due
from eventlog.postgres.sql import gate_key
from eventlog.projection import InlineProjection, signature
from replay.folding import TAIL_EVENTS_MAX, TAIL_ROUNDS_MAX, Foldable, own_connection
from replay.report import Finding, Progress, RebuildReport, no_progress
from replay.shares import Share, ShareFold
from replay.statements import filled
from replay.tables import compare_tables, differences, write_rows

FINDINGS_MAX = 1_000
Wrong = dict[str, set[int]]  # stream ids by table


async def rebuild_share(
    log: Foldable, projections: Sequence[InlineProjection], share: Share, source: str, tell: Progress
) -> RebuildReport:
    """Make the rows of one share right. Arguments and errors as for `replay.rebuild.rebuild`."""
    started, schema = log.clock.monotonic(), log.settings.schema
    part = ShareFold(log, projections, share)
    async with own_connection(log) as connection:
        await _fold_to_head(log, part, connection, source, tell)
        found, wrong, absent = await compare_share(log, part, connection, projections, share, source, tell)
        part.fold.take_touched()
        # What came in since, so that little is left for the time under the gate.
        await _fold_to_head(log, part, connection, source, no_progress)
        async with connection.transaction():
            await connection.execute(filled("take_gate"), gate_key(schema))
            held = log.clock.monotonic()
            head = await connection.fetchval(filled("head_position", schema=schema))
            await part.fold_until(connection, head, "postgres", no_progress)
            assert part.fold.position == head
            empty = absent | await _make_missing(log, connection, projections)
            await _correct(connection, schema, part, projections, found, wrong, empty)
            if share.of == 1:
                await remember_filled(log, connection, projections)
    ended = log.clock.monotonic()
    return RebuildReport(
        events=part.fold.events,
        seconds=ended - started,
        position=head,
        rows={projection.name: part.fold.count(projection) for projection in projections},
        differences=found,
        gate_seconds=ended - held,
    )


async def compare_share(
    log: Foldable,
    part: ShareFold,
    connection: asyncpg.Connection,
    projections: Sequence[InlineProjection],
    share: Share,
    source: str,
    tell: Progress,
) -> tuple[list[Finding], Wrong, set[str]]:
    """Compare at the head of one snapshot; return findings, the streams concerned, missing tables."""
    schema = log.settings.schema
    await _fold_to_head(log, part, connection, source, tell)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        head = await connection.fetchval(filled("head_position", schema=schema))
        await part.fold_until(connection, head, source, tell)
        absent = await _missing(connection, schema, projections)
        found, wrong = await compare_tables(
            connection, schema, part.fold, projections, part.ids, tell, FINDINGS_MAX, share
        )
    return found, wrong, absent


async def remember_filled(
    log: Foldable, connection: asyncpg.Connection, projections: Sequence[InlineProjection]
) -> None:
    """Under the gate: these tables hold what they should. The head remembers only what is still due."""
    schema = log.settings.schema
    stored = await connection.fetchval(filled("head_projections", schema=schema))
    left = set(due(stored, log.projections)) - {projection.name for projection in projections}
    if (now := signature(log.projections, left)) != stored:
        await connection.execute(filled("set_projections", schema=schema), now)


async def _fold_to_head(
    log: Foldable, part: ShareFold, connection: asyncpg.Connection, source: str, tell: Progress
) -> None:
    """Fold on until close behind the head."""
    for _ in range(TAIL_ROUNDS_MAX):
        await part.fold_until(connection, (await log.head()).position, source, tell)
        if (await log.head()).position - part.fold.position <= TAIL_EVENTS_MAX:
            return


async def _correct(
    connection: asyncpg.Connection,
    schema: str,
    part: ShareFold,
    projections: Sequence[InlineProjection],
    found: list[Finding],
    wrong: Wrong,
    empty: Collection[str],
) -> None:
    """Under the gate: put right what differed, and what was written since on top of it.

    `empty`: tables that hold nothing, perhaps only since they were compared; all of it is written.
    """
    fold, ids, touched = part.fold, part.ids, part.fold.take_touched()
    for projection in projections:
        if projection.name in empty:
            wrong[projection.name] = {id for stream, id in ids.items() if stream.kind == projection.kind}
            await write_rows(connection, schema, fold, projection, ids, wrong[projection.name])
            continue
        # Writers went on meanwhile, perhaps from a row that was wrong: look at what they wrote.
        since = [stream for stream in touched if stream.kind == projection.kind]
        if since:
            async for difference in differences(connection, schema, fold, projection, ids, since):
                bad = wrong.setdefault(projection.name, set())
                if difference.stream_id not in bad:
                    bad.add(difference.stream_id)
                    found.append(difference.finding())
        if wrong.get(projection.name):
            await write_rows(connection, schema, fold, projection, ids, wrong[projection.name])
    if any(wrong.values()):
        await connection.execute(filled("next_epoch", schema=schema))


async def _make_missing(
    log: Foldable, connection: asyncpg.Connection, projections: Sequence[InlineProjection]
) -> set[str]:
    """Under the gate: make tables that somebody dropped, and the views that went with them.

    Returns the tables that hold nothing: these, and those that `migrate` made anew.
    """
    schema = log.settings.schema
    stored = await connection.fetchval(filled("head_projections", schema=schema))
    made = await _missing(connection, schema, projections)
    for projection in projections:
        if projection.name in made:
            await connection.execute(log.reads.sql(projection.table_sql))
    if made:
        for statement in log.views_sql:
            await connection.execute(log.reads.sql(statement))
    return made.union(due(stored, log.projections))


async def _missing(
    connection: asyncpg.Connection, schema: str, projections: Sequence[InlineProjection]
) -> set[str]:
    """Return the tables that are not there, by one question: it is asked under the gate."""
    names = [projection.name for projection in projections]
    return {row["name"] for row in await connection.fetch(filled("missing_tables", schema=schema), names)}
