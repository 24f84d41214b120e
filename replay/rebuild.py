"""Make every projection table what a fold of the whole log says, while writers go on.

The fold is made beside the live tables, in memory, from either copy of the log; the live tables are
compared with it; and what differs is put right in one short transaction under the gate. Rows that
are right are not touched. Tables that `migrate` made empty are filled in it, and no longer remembered
as due. Readers see a table as it was or as it is after that transaction, at any
isolation level, and views, grants and indexes stay. (Why rows and not tables are swapped:
docs/decisions/0004.) A crash leaves nothing behind: until that commit nothing was written.

Whoever folded on from a wrong row would write a wrong one again. So when a row was wrong the epoch
grows: writers then forget the states they hold and read them anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import islice

import asyncpg

from eventlog.envelope import Event, StreamId
from eventlog.errors import BadInput, Damaged
from eventlog.log import Log
from eventlog.postgres.connect import connect, disconnect, is_broken, unavailable
from eventlog.postgres.migrate import due
from eventlog.postgres.sql import gate_key
from eventlog.projection import InlineProjection, signature
from replay.fold_all import FoldAll
from replay.report import Finding, Progress, RebuildReport, no_progress
from replay.statements import filled
from replay.tables import differences, read_streams, write_rows

SOURCES = ("segments", "postgres")
BLOCKS_AT_ONCE = 16
# Events that may be left to fold under the gate: a few milliseconds of everybody's time.
TAIL_EVENTS_MAX = 500
TAIL_ROUNDS_MAX = 20
FINDINGS_MAX = 1_000


async def rebuild(
    log: Log,
    names: Sequence[str] | None = None,
    source: str = "segments",
    progress: Progress | None = None,
) -> RebuildReport:
    """Make projection tables right. Tables that are missing are made, and the views.

    Args:
        names: tables; None for all.
        source: the copy of the log to fold, "segments" or "postgres".
        progress: called with ("fold", position, head) and ("compare", tables done, tables).
    Raises:
        BadInput: an unknown table or source.
        ProjectionMismatch: another release migrated the store meanwhile. Nothing was written.
        Damaged: the log has a gap; see `replay.verify`. Nothing was written.
    """
    tell, started = progress or no_progress, log.clock.monotonic()
    projections = chosen(log.projections, names)
    schema = log.settings.schema
    fold = FoldAll(projections)
    await fold_to_head(log, fold, source, tell)
    found, wrong, compared_at = await _compare(log, fold, projections, source, tell)
    fold.touched.clear()
    async with own_connection(log) as connection:
        # What came in since, so that little is left for the time under the gate.
        await fold_to_head(log, fold, source, no_progress)
        async with connection.transaction():
            await connection.execute(filled("take_gate"), gate_key(schema))
            held = log.clock.monotonic()
            head = await connection.fetchval(filled("head_position", schema=schema))
            await fold_until(log, fold, head, "postgres", no_progress)
            assert fold.position == head >= compared_at
            empty = await _make_missing(log, connection, projections)
            await _correct(connection, schema, fold, projections, found, wrong, empty)
            await _remember_filled(log, connection, projections)
        gate_seconds = log.clock.monotonic() - held
    return RebuildReport(
        events=fold.events,
        seconds=log.clock.monotonic() - started,
        position=head,
        rows={projection.name: fold.count(projection) for projection in projections},
        differences=found,
        gate_seconds=gate_seconds,
    )


async def compare(
    log: Log,
    names: Sequence[str] | None = None,
    source: str = "segments",
    progress: Progress | None = None,
) -> list[Finding]:
    """Compare projection tables with a fold of the log, at one position. Writes nothing.

    Arguments and errors as for `rebuild`.
    """
    projections = chosen(log.projections, names)
    fold = FoldAll(projections)
    await fold_to_head(log, fold, source, progress or no_progress)
    found, _, _ = await _compare(log, fold, projections, source, progress or no_progress)
    return found


def chosen(projections: Sequence[InlineProjection], names: Sequence[str] | None) -> list[InlineProjection]:
    """Return the projections of these names; raises BadInput for one there is not."""
    known = {projection.name: projection for projection in projections}
    for name in names or ():
        if name not in known:
            raise BadInput(f"no projection is called {name!r}", hint=f"there are {', '.join(sorted(known))}")
    return [known[name] for name in names] if names is not None else list(projections)


async def fold_to_head(log: Log, fold: FoldAll, source: str, tell: Progress) -> None:
    """Fold on until close behind the head."""
    if source not in SOURCES:
        raise BadInput(f"source {source!r} must be one of {', '.join(SOURCES)}")
    for _ in range(TAIL_ROUNDS_MAX):
        head = (await log.head()).position
        await fold_until(log, fold, head, source, tell)
        if (await log.head()).position - fold.position <= TAIL_EVENTS_MAX:
            return


async def fold_until(log: Log, fold: FoldAll, until: int, source: str, tell: Progress) -> None:
    """Fold on up to a position: from the segments as far as they are synced, then from Postgres.

    Raises:
        Damaged: positions or versions do not follow one another.
    """
    if source == "segments":
        blocks = log.segments.read(fold.position, min(until, log.segments.durable_position))
        while await asyncio.to_thread(_add_blocks, fold, blocks):
            tell("fold", fold.position, until)
    while fold.position < until:
        page = await log.reads.page(fold.position, until)
        if not page:
            raise _gap(fold.position + 1, until, "Postgres")
        await asyncio.to_thread(_add, fold, [stored.to_event() for stored in page], "Postgres")
        tell("fold", fold.position, until)


def _add_blocks(fold: FoldAll, blocks: Iterator[Sequence[Event]]) -> bool:
    """Fold some blocks; return whether there were any. In a thread: reading blocks on the disk."""
    some = list(islice(blocks, BLOCKS_AT_ONCE))
    for block in some:
        _add(fold, block, "the segments")
    return bool(some)


def _add(fold: FoldAll, events: Sequence[Event], where: str) -> None:
    first, last = events[0].position, events[-1].position
    if first != fold.position + 1 or last != fold.position + len(events):
        raise _gap(fold.position + 1, last, where)
    fold.add(events)
    if fold.version_gaps:
        position, stream, version, expected = fold.version_gaps[0]
        raise Damaged(
            f"position {position} of {where} is version {version} of {stream}, not {expected}",
            hint="run `agentlog verify`; nothing was changed",
            first_position=position,
            last_position=position,
            where=where,
        )


def _gap(first: int, last: int, where: str) -> Damaged:
    return Damaged(
        f"{where} cannot be folded: positions from {first} to {last} do not follow one another",
        hint="run `agentlog verify`; nothing was changed",
        first_position=first,
        last_position=last,
        where=where,
    )


async def _compare(
    log: Log, fold: FoldAll, projections: Sequence[InlineProjection], source: str, tell: Progress
) -> tuple[list[Finding], dict[str, set[int]], int]:
    """Compare at the head of one snapshot; return findings, the streams concerned by table, the head."""
    async with (
        own_connection(log) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        head = await connection.fetchval(filled("head_position", schema=log.settings.schema))
        await fold_until(log, fold, head, source, tell)
        streams, _ = await read_streams(connection, log.settings.schema)
        ids = {stream: id for stream, (id, _) in streams.items()}
        found, wrong = await compare_tables(
            connection, log.settings.schema, fold, projections, ids, tell, FINDINGS_MAX
        )
    return found, wrong, head


async def compare_tables(
    connection: asyncpg.Connection,
    schema: str,
    fold: FoldAll,
    projections: Sequence[InlineProjection],
    ids: Mapping[StreamId, int],
    tell: Progress,
    findings_max: int,
) -> tuple[list[Finding], dict[str, set[int]]]:
    """Return what differs, as findings and as stream ids by table. The fold stands where the tables do.

    Beyond `findings_max` rows of one table the rest are counted in one finding.
    """
    found: list[Finding] = []
    wrong: dict[str, set[int]] = {}
    for done, projection in enumerate(projections):
        tell("compare", done, len(projections))
        count = 0
        try:
            async with connection.transaction():
                async for difference in differences(connection, schema, fold, projection, ids):
                    wrong.setdefault(projection.name, set()).add(difference.stream_id)
                    count += 1
                    if count <= findings_max:
                        found.append(difference.finding())
        except (asyncpg.SyntaxOrAccessError, asyncpg.DataError) as error:
            found.append(
                Finding(
                    area="projections",
                    problem=f"{projection.name} cannot be compared: {error.args[0]}",
                    where=projection.name,
                )
            )
        if count > findings_max:
            problem = (
                f"{projection.name} has {count - findings_max:,} more rows that are not what the log says"
            )
            found.append(Finding(area="projections", problem=problem, where=projection.name))
    tell("compare", len(projections), len(projections))
    return found, wrong


async def _correct(
    connection: asyncpg.Connection,
    schema: str,
    fold: FoldAll,
    projections: Sequence[InlineProjection],
    found: list[Finding],
    wrong: dict[str, set[int]],
    empty: Collection[str],
) -> None:
    """Under the gate: put right what differed, and what was written since on top of it.

    `empty`: tables that hold nothing, perhaps only since they were compared; all of it is written.
    """
    ids = {stream: id for stream, (id, _) in (await read_streams(connection, schema))[0].items()}
    for projection in projections:
        if projection.name in empty:
            wrong[projection.name] = {id for stream, id in ids.items() if stream.kind == projection.kind}
            await write_rows(connection, schema, fold, projection, ids, wrong[projection.name])
            continue
        # Writers went on meanwhile, perhaps from a row that was wrong: look at what they wrote.
        since = [stream for stream in fold.touched if stream.kind == projection.kind]
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
    log: Log, connection: asyncpg.Connection, projections: Sequence[InlineProjection]
) -> set[str]:
    """Under the gate: make tables that somebody dropped, and the views that went with them.

    Returns the tables that hold nothing: these, and those that `migrate` made anew.
    """
    schema = log.settings.schema
    stored = await connection.fetchval(filled("head_projections", schema=schema))
    made = set()
    for projection in projections:
        if not await connection.fetchval(filled("has_table"), f"{schema}.{projection.name}"):
            await connection.execute(log.reads.sql(projection.table_sql))
            made.add(projection.name)
    if made:
        for statement in log.views_sql:
            await connection.execute(log.reads.sql(statement))
    return made.union(due(stored, log.projections))


async def _remember_filled(
    log: Log, connection: asyncpg.Connection, projections: Sequence[InlineProjection]
) -> None:
    """Under the gate: these tables hold what they should. The head remembers only what is still due."""
    schema = log.settings.schema
    stored = await connection.fetchval(filled("head_projections", schema=schema))
    left = set(due(stored, log.projections)) - {projection.name for projection in projections}
    if (now := signature(log.projections, left)) != stored:
        await connection.execute(filled("set_projections", schema=schema), now)


@asynccontextmanager
async def own_connection(log: Log) -> AsyncIterator[asyncpg.Connection]:
    """Give a connection that is none of the pool's: while it is held the log is read through that."""
    connection = await connect(
        log.reads.target,
        timeout_s=log.settings.connect_timeout_s,
        command_timeout_s=log.settings.command_timeout_s,
    )
    try:
        yield connection
    except BaseException as error:
        broken = is_broken(error, closed=connection.is_closed())
        connection.terminate()
        if broken:
            raise unavailable(error) from error
        raise
    await disconnect(connection)
