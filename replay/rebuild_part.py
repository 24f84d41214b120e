"""Make the projection rows of one stream, or of one tenant, what a fold of the log says; leave the others.

As `replay.rebuild`, whose parts it uses: folded beside the writers, compared and put right under the gate.
One stream costs the reading of that stream; a tenant that of the log. A rebuild that is killed has changed
nothing: it writes in one transaction, at its end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import asyncpg

from eventlog.envelope import StreamId
from eventlog.errors import BadInput
from eventlog.log import Log
from eventlog.postgres.sql import gate_key
from eventlog.projection import InlineProjection
from replay.fold_all import FoldAll
from replay.folding import fold_to_head, fold_until, own_connection
from replay.past import StreamPast
from replay.rebuild import chosen
from replay.report import Finding, Progress, RebuildReport, no_progress
from replay.statements import filled
from replay.tables import differences, read_streams, write_rows


async def rebuild_part(
    log: Log,
    *,
    stream: StreamId | None = None,
    tenant: str | None = None,
    names: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> RebuildReport:
    """Put right the rows of a stream, or of all streams of a tenant.

    Args:
        stream, tenant: one of them.
        names: tables; None for all.
        progress: called with ("fold", position, head).
    Raises:
        BadInput: neither or both, an unknown table, or the log has no such stream or tenant. Damaged: the
            log has a gap. Nothing was written then.
    """
    if (stream is None) == (tenant is None):
        raise BadInput("a part of a rebuild is one stream or one tenant", hint="name one of them")
    tell, started = progress or no_progress, log.clock.monotonic()
    projections, schema = chosen(log.projections, names), log.settings.schema
    past = StreamPast(log.projections, stream, log.read_stream) if stream is not None else None
    fold = FoldAll(log.projections)
    if past is None:
        await fold_to_head(log, fold, "segments", tell)
    else:  # so that little is left for the time under the gate
        fold = await past.at((await log.head()).position)
    async with own_connection(log) as connection:
        streams, last_id = await read_streams(connection, schema)
        async with connection.transaction():
            await connection.execute(filled("take_gate"), gate_key(schema))
            held = log.clock.monotonic()
            head = await connection.fetchval(filled("head_position", schema=schema))
            if past is None:
                await fold_until(log, fold, head, "postgres", no_progress)
            else:
                fold = await past.at(head)
            only = [one for one in fold.streams if one == stream or one.tenant == tenant]
            if not only:
                raise BadInput(
                    f"the log has no {stream or f'stream of tenant {tenant!r}'}", hint="check its name"
                )
            streams |= (await read_streams(connection, schema, last_id))[0]  # those that are new since
            ids = {one: streams[one][0] for one in only if one in streams}
            found = await _correct(connection, schema, fold, projections, ids, only)
            if found:
                await connection.execute(filled("next_epoch", schema=schema))
    ended = log.clock.monotonic()
    return RebuildReport(
        events=sum(fold.streams[one].version for one in only),
        seconds=ended - started,
        position=head,
        rows={projection.name: fold.count(projection, only) for projection in projections},
        differences=found,
        gate_seconds=ended - held,
    )


async def _correct(
    connection: asyncpg.Connection,
    schema: str,
    fold: FoldAll,
    projections: Sequence[InlineProjection],
    ids: Mapping[StreamId, int],
    only: Sequence[StreamId],
) -> list[Finding]:
    """Write the rows of some streams that are not what the fold says; return what was wrong."""
    found: list[Finding] = []
    for projection in projections:
        wrong = set()
        async for difference in differences(connection, schema, fold, projection, ids, only):
            wrong.add(difference.stream_id)
            found.append(difference.finding())
        if wrong:
            await write_rows(connection, schema, fold, projection, ids, wrong)
    return found
