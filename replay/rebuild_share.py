"""Make the projection rows of one share of the streams what a fold of the log says, while writers go on.

The steps are those of `replay.rebuild`, which says why; this is all of them for some of the streams.
"""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from eventlog.postgres.sql import gate_key
from eventlog.projection import InlineProjection
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
        found, wrong = await compare_share(log, part, connection, projections, share, source, tell)
        part.fold.take_touched()
        # What came in since, so that little is left for the time under the gate.
        await _fold_to_head(log, part, connection, source, no_progress)
        async with connection.transaction():
            await connection.execute(filled("take_gate"), gate_key(schema))
            held = log.clock.monotonic()
            head = await connection.fetchval(filled("head_position", schema=schema))
            await part.fold_until(connection, head, "postgres", no_progress)
            assert part.fold.position == head
            await _correct(connection, schema, part, projections, found, wrong)
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
) -> tuple[list[Finding], Wrong]:
    """Compare at the head of one snapshot; return findings and the streams concerned."""
    schema = log.settings.schema
    await _fold_to_head(log, part, connection, source, tell)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        head = await connection.fetchval(filled("head_position", schema=schema))
        await part.fold_until(connection, head, source, tell)
        return await compare_tables(
            connection, schema, part.fold, projections, part.ids, tell, FINDINGS_MAX, share
        )


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
) -> None:
    """Under the gate: put right what differed, and what was written since on top of it."""
    fold, ids, touched = part.fold, part.ids, part.fold.take_touched()
    for projection in projections:
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
