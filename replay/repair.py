"""Mend damage in one copy of the log from the other. Positions that both have lost are refused.

First Postgres from the segments, in one transaction; then the segments from Postgres; then all of
it is verified again. What was replaced is kept in quarantine/. The log must not be open anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from eventlog.errors import BadInput, CopiesDisagree, Damaged, MirrorUnavailable
from eventlog.io import Io
from eventlog.postgres.connect import Target, session
from eventlog.projection import InlineProjection
from eventlog.settings import Settings
from projections.catalog import INLINE, VIEWS_SQL
from replay.examine import Examination
from replay.repair_postgres import PostgresRepair
from replay.repair_segments import SegmentRepair
from replay.report import Finding, Progress, RepairReport, no_progress, positions
from replay.site import Site, open_site
from replay.verify import look

# What repair mends. An archive is rebuilt, a schema migrated, by commands of their own.
MENDED = ("segments", "postgres", "copies", "chain", "streams", "keys", "projections")


async def repair(
    data: Path,
    postgres: Target,
    *,
    projections: Sequence[InlineProjection] = INLINE,
    views_sql: Sequence[str] = (VIEWS_SQL,),
    settings: Settings | None = None,
    progress: Progress | None = None,
    dry_run: bool = False,
    io: Io | None = None,
) -> RepairReport:
    """Repair a store that nobody has open.

    Args:
        dry_run: change nothing: what is wrong is found, and what cannot be mended refused.
        progress: called with (what, done, total), from a thread as well.
    Raises:
        Damaged: positions are lost in both copies; nothing was changed.
        CopiesDisagree: the copies hold two histories, or it is in use; nothing was changed.
        BadInput: there is no data directory, or the schema holds no log (restore it).
        LogUnavailable: Postgres is away.
    """
    site = open_site(data, postgres, projections, views_sql, settings, io)
    tell = progress or no_progress
    try:
        examination, found = await look(site, postgres, None, True, tell)
        _refuse_without_log(site, found)
        if not any(finding.area in MENDED for finding in found):
            return RepairReport(found=found, left=found)
        _refuse_what_cannot_be_mended(site, examination, found)
        if dry_run:
            return RepairReport(found=found, left=found)
        in_postgres = PostgresRepair(examination, found)
        if _is_postgres_wrong(examination, found):
            wait_s = site.settings.connect_timeout_s
            async with session(postgres, timeout_s=wait_s, command_timeout_s=None) as connection:
                await in_postgres.run(connection)
        in_segments = SegmentRepair(examination)
        await in_segments.run(tell)
        _, left = await look(site, postgres, None, True, tell)
    except OSError as error:
        raise MirrorUnavailable(
            f"{data} could not be repaired to the end: {error}",
            hint="nothing is lost; see to the disk, then repair again",
        ) from error
    finally:
        await site.reads.close()
    return RepairReport(
        found=found,
        rows=in_postgres.rows,
        blocks=in_segments.blocks,
        rewritten_from=in_segments.rewritten_from,
        tables=in_postgres.tables,
        kept=in_postgres.kept + in_segments.kept,
        left=left,
    )


def _is_postgres_wrong(examination: Examination, found: Sequence[Finding]) -> bool:
    """Whether something is wrong that stands in Postgres."""
    copies = examination.copies
    if copies.wrong_rows or copies.wrong_chains or copies.misnamed:
        return True
    return any(finding.area in ("postgres", "chain", "streams", "keys", "projections") for finding in found)


def _refuse_without_log(site: Site, found: Sequence[Finding]) -> None:
    if any(finding.area == "schema" and "holds no log" in finding.problem for finding in found):
        raise BadInput(
            f"schema {site.settings.schema!r} holds no log",
            hint="run `agentlog restore postgres`; nothing was changed",
        )


def _refuse_what_cannot_be_mended(site: Site, examination: Examination, found: Sequence[Finding]) -> None:
    copies = examination.copies
    if any(finding.where == "head" and "missing" in finding.problem for finding in found):
        raise Damaged(
            f"the row of {site.settings.schema}.head is missing",
            hint="restore Postgres from the segments into an empty schema; nothing was changed",
            first_position=1,
            last_position=None,
            where="head",
        )
    if copies.diverged is not None:
        raise CopiesDisagree(
            f"from position {copies.diverged} on the copies hold two histories, each of which proves itself",
            hint="decide which one counts, then restore the other copy from it; nothing was changed",
            first_position=copies.diverged,
            last_position=None,
            where="events",
        )
    if copies.lost or copies.chain is None:
        lost = copies.lost or [copies.position]
        runs = ", ".join(positions(first, last) for first, last in _runs(lost)[:20])
        raise Damaged(
            f"neither copy can prove {runs}",
            hint="another host's segments or a backup may; nothing was changed",
            first_position=lost[0],
            last_position=lost[-1],
            where="events",
        )


def _runs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and runs[-1][1] + 1 == number:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs
