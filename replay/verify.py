"""Prove that both copies, the chain, every projection and the archive agree, or name what differs.

    findings = await verify(log)                       # an open log, while writers go on
    findings = await verify_store(data, postgres)      # a store that cannot be opened

Nothing is written, cut or repaired. What is compared, and how findings are worded, is in
docs/reference/verify.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg

from eventlog.envelope import StreamId, us_to_time
from eventlog.errors import AgentlogError
from eventlog.log import Log
from eventlog.postgres.connect import Target, session
from eventlog.postgres.inspect import differences as schema_differences
from eventlog.projection import InlineProjection, signature
from eventlog.settings import Settings
from projections.archive.archive import Archive
from projections.catalog import INLINE, VIEWS_SQL
from replay.examine import Examination, examine
from replay.report import AREAS, Finding, Progress, no_progress
from replay.site import Site, open_site, site_of
from replay.statements import filled
from replay.tables import compare_tables, read_streams

FINDINGS_MAX = 1_000


async def verify(
    log: Log,
    archive: Archive | None = None,
    *,
    schema_check: bool = True,
    views_sql: Sequence[str] = (VIEWS_SQL,),
    progress: Progress | None = None,
) -> list[Finding]:
    """Verify an open log at one position; appends may go on meanwhile.

    Args:
        archive: checked as well when given.
        schema_check: compare the schema too; needs a role that may create one (it is rolled back).
        progress: called with (what, done, total), from a thread as well.
    Returns:
        What is wrong, in the order of AREAS; empty when all is well.
    Raises:
        LogUnavailable: Postgres is away.
    """
    site = site_of(log, views_sql)
    _, found = await look(site, log.reads.target, archive, schema_check, progress or no_progress)
    return found


async def verify_store(
    data: Path,
    postgres: Target,
    *,
    projections: Sequence[InlineProjection] = INLINE,
    views_sql: Sequence[str] = (VIEWS_SQL,),
    settings: Settings | None = None,
    archive: Archive | None = None,
    schema_check: bool = True,
    progress: Progress | None = None,
) -> list[Finding]:
    """Verify a store that nobody has open, healthy or not; opening it is not needed.

    Arguments, result and errors as for `verify`, and BadInput when there is no data directory.
    """
    site = open_site(data, postgres, projections, views_sql, settings)
    try:
        _, found = await look(site, postgres, archive, schema_check, progress or no_progress)
        return found
    finally:
        await site.reads.close()


async def look(
    site: Site, target: Target, archive: Archive | None, schema_check: bool, tell: Progress
) -> tuple[Examination, list[Finding]]:
    """Return the walk through both copies, and everything that is wrong."""
    examination = await examine(site, tell)
    found: list[Finding] = []
    schema = site.settings.schema
    if schema_check:
        found += await _schema_findings(site, target)
    if await site.has_log():
        async with (
            site.reads.connection() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            found += await _postgres_findings(examination, connection, tell)
    else:
        found.append(Finding(area="schema", problem=f"schema {schema!r} does not exist, or holds no log"))
    found += examination.findings()
    if archive is not None:
        found += await asyncio.to_thread(_archive_findings, archive, examination.fold.position)
    return examination, sorted(found, key=lambda finding: AREAS.index(finding.area))


async def _postgres_findings(
    examination: Examination, connection: asyncpg.Connection, tell: Progress
) -> list[Finding]:
    """Look at everything around the events, in one snapshot, after walking to its head."""
    site, schema = examination.site, examination.site.settings.schema
    head = await examination.walk_to_ends(tell, connection)
    if head is None:
        return [Finding(area="postgres", problem="the row of head is missing", where="head")]
    found = _head_findings(examination, head)
    found += await _mirror_findings(examination, connection, head["position"])
    found += await examination.keys.findings(connection, schema)
    if not examination.foldable:
        problem = "not compared with the log: " + (
            "the copies tell different histories" if examination.copies.diverged else "some of it is lost"
        )
        return [*found, Finding(area="projections", problem=problem)]
    streams, _ = await read_streams(connection, schema)
    found += _stream_findings(examination, streams)
    if head["projections"] != signature(site.projections):
        problem = (
            f"not compared: the store folds {head['projections'] or 'nothing'}, "
            f"this process {signature(site.projections)}"
        )
        return [*found, Finding(area="projections", problem=problem)]
    ids = {stream: id for stream, (id, _) in streams.items()}
    # A stream with another name in Postgres is named once; its rows are compared all the same.
    ids |= {misnamed.said: id for id, misnamed in examination.copies.misnamed.items()}
    compared, _ = await compare_tables(
        connection, schema, examination.fold, site.projections, ids, tell, FINDINGS_MAX
    )
    return found + compared


def _head_findings(examination: Examination, head: Any) -> list[Finding]:
    """Compare the head row with the events, and the ends of both copies."""
    found: list[Finding] = []
    copies, position, last_row = examination.copies, head["position"], examination.rows_end
    log_id = examination.site.log_id
    if log_id is not None and head["log_id"] != log_id:
        problem = f"the head belongs to log {head['log_id']}, the data directory to {log_id}"
        found.append(Finding(area="postgres", problem=problem, where="head"))

    def add(area: str, problem: str, first: int, last: int, **values: Any) -> None:
        found.append(
            Finding(
                area=area,
                problem=problem,
                first_position=first,
                last_position=last,
                where="head",
                values=values,
            )
        )

    for stray in examination.strays:
        problem = f"a row stands at position {stray}, where no event can be"
        found.append(Finding(area="postgres", problem=problem, first_position=stray, last_position=stray,
                             where="events"))  # fmt: skip
    if position > copies.position:
        add("postgres", f"the head says position {position}, and both copies end at {copies.position}",
            copies.position + 1, position)  # fmt: skip
    if last_row > position:
        add("postgres", f"rows up to position {last_row} stand behind the head, which is {position}",
            position + 1, last_row)  # fmt: skip
    if examination.segments_end > max(position, last_row):
        add("copies", f"Postgres ends at position {max(position, last_row)}, the segments at "
            f"{examination.segments_end}: Postgres lost commits",
            max(position, last_row) + 1, examination.segments_end)  # fmt: skip
    elif copies.chain is not None and copies.position == position and head["chain"] != copies.chain:
        add("chain", f"the head keeps another chain value than that of the events up to {position}",
            position, position, kept=head["chain"].hex(), recomputed=copies.chain.hex())  # fmt: skip
    time = us_to_time(head["time_us"])
    if copies.position == position and copies.time_us is not None and head["time_us"] != copies.time_us:
        add("postgres", f"the head has time {time}, its last event {us_to_time(copies.time_us)}",
            position, position)  # fmt: skip
    for at, stream, version, expected in examination.fold.version_gaps:
        if not copies.lost:
            found.append(
                Finding(
                    area="chain",
                    problem=f"position {at} is version {version} of {stream}, not {expected}",
                    first_position=at,
                    last_position=at,
                    stream=stream,
                )
            )
    return found


async def _mirror_findings(
    examination: Examination, connection: asyncpg.Connection, head: int
) -> list[Finding]:
    found = []
    statement = filled("mirrors", schema=examination.site.settings.schema)
    for row in await connection.fetch(statement):
        durable = row["durable_position"]
        if durable > head and examination.segments_end <= head:
            problem = f"directory {row['directory']} was synced up to {durable}; Postgres ends at {head}"
            found.append(
                Finding(area="copies", problem=problem, first_position=head + 1, last_position=durable)
            )
    end, witness = examination.segments_end, examination.witness
    if witness > end:
        problem = f"the segments end at {end}, and were synced up to {witness} once"
        found.append(Finding(area="segments", problem=problem, first_position=end + 1, last_position=witness))
    return found


def _stream_findings(examination: Examination, streams: dict[StreamId, tuple[int, int]]) -> list[Finding]:
    """Compare the table of streams with the streams the events are of."""
    misnamed = examination.copies.misnamed.values()
    said_elsewhere = {found.said for found in misnamed}
    live_elsewhere = {found.live for found in misnamed}
    found = []
    for stream, folded in examination.fold.streams.items():
        known = streams.get(stream)
        if known is None and stream not in said_elsewhere:
            found.append(_stream(stream, f"{stream} is missing, which has {folded.version} events"))
        elif known is not None and known[1] != folded.version:
            problem = f"{stream} has version {known[1]}, its events end at {folded.version}"
            found.append(_stream(stream, problem, version={"postgres": known[1], "log": folded.version}))
    for stream, (id, version) in streams.items():
        if stream not in examination.fold.streams and stream not in live_elsewhere:
            problem = f"{stream} (id {id}) has version {version} and no event"
            found.append(_stream(stream, problem, stream_id=id))
    return found


def _stream(stream: StreamId, problem: str, **values: Any) -> Finding:
    return Finding(area="streams", problem=problem, stream=stream, where="streams", values=values)


async def _schema_findings(site: Site, target: Target) -> list[Finding]:
    settings = site.settings
    async with session(
        target, timeout_s=settings.connect_timeout_s, command_timeout_s=settings.command_timeout_s
    ) as connection:
        try:
            problems = await schema_differences(connection, settings.schema, site.projections, site.views_sql)
        except asyncpg.InsufficientPrivilegeError as error:
            problems = [f"not compared, this role may not create the scratch schema: {error.args[0]}"]
    return [Finding(area="schema", problem=problem, where=site.settings.schema) for problem in problems]


def _archive_findings(archive: Archive, head: int) -> list[Finding]:
    try:
        return [
            Finding(
                area="archive",
                problem=problem.message,
                first_position=problem.first_position,
                last_position=problem.last_position,
                where=problem.file,
            )
            for problem in archive.check(head)
        ]
    except AgentlogError as error:
        return [Finding(area="archive", problem=f"not compared with the log: {error}")]
