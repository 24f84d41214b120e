"""Do each kind of damage to a real log, let verify name it and repair mend it, and compare every byte.

The log is built once; as each kind is undone by the product, Postgres as it is left is the next
kind's, with the segments as they were built. Which kinds there are is in kinds.py and segment_kinds.py.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

from eventlog.errors import AgentlogError
from eventlog.log import Log
from projections.catalog import INLINE, VIEWS_SQL
from replay.rebuild import rebuild
from replay.repair import repair
from replay.report import Finding, RepairReport
from replay.restore import restore_postgres, restore_segments
from tests.reliability.damage.kinds import (
    MIGRATE,
    REPAIR,
    RESTORE_POSTGRES,
    RESTORE_SEGMENTS,
    Kind,
    postgres_kinds,
    projection_kinds,
)
from tests.reliability.damage.place import Place, Snapshot
from tests.reliability.damage.segment_kinds import both_kinds, segment_kinds
from tests.reliability.report import Report
from tests.support.postgres import fresh_schema, start_shared_server


def try_kinds(report: Report) -> None:
    """Try every kind on a server of our own."""
    with start_shared_server() as server, tempfile.TemporaryDirectory(prefix="agentlog-damage-") as directory:
        place = Place(Path(directory) / "data", server.connection, fresh_schema())
        asyncio.run(_try_all(place, report))


async def _try_all(place: Place, report: Report) -> None:
    await place.build()
    tried = files_alike = 0
    for kind in await every_kind(place):
        tried += 1
        report.failures += [f"kind {kind.name!r}: {problem}" for problem in await try_kind(place, kind)]
        files_alike += place.files_alike()
    report.counts |= {"kinds_tried": tried, "kinds_with_files_alike": files_alike}


async def every_kind(place: Place) -> list[Kind]:
    """Return all kinds for a log that was built."""
    one = [*postgres_kinds(place), *await projection_kinds(place), *segment_kinds(place)]
    return [*one, *both_kinds(place)]


async def try_kind(place: Place, kind: Kind) -> list[str]:
    """Damage, look, mend, compare; return what did not go as it must. The log is whole afterwards."""
    place.forget_kept()
    await place.put_back()
    before = await place.snapshot()
    await kind.damage(place)
    problems = _named(kind, await place.look())
    if kind.refused is not None:
        problems += await _refuses(place, kind)
    if kind.finds and kind.mends == REPAIR:
        problems += _mended(kind, place, await _repaired(place))
    elif kind.mends == MIGRATE:
        await _migrated(place)
    elif kind.mends == RESTORE_POSTGRES:
        await place.sql("DROP SCHEMA IF EXISTS {schema} CASCADE")
        await restore_postgres(place.data, place.postgres, settings=place.settings)
    elif kind.mends == RESTORE_SEGMENTS:
        (place.data / "segments").rename(place.data / "put aside")
        await restore_segments(place.data, place.postgres, settings=place.settings)
    elif kind.refused is not None:
        await place.put_back()  # rows then come from the segments
        await repair(place.data, place.postgres, settings=place.settings)
    problems += await _whole(place, before, kind)
    return problems


def _named(kind: Kind, found: Sequence[Finding]) -> list[str]:
    told = "; ".join(f"{one.area} {one.first_position}-{one.last_position} {one.problem}" for one in found)
    if not kind.finds:
        return [f"verify finds something in what harms nothing: {told}"] if found else []
    for one in found:
        where = (one.first_position, one.last_position)
        if one.area == kind.finds and kind.positions in (None, where):
            return []
    return [f"verify does not name {kind.finds} {kind.positions}, but: {told or 'nothing'}"]


async def _repaired(place: Place) -> RepairReport | AgentlogError:
    try:
        return await repair(place.data, place.postgres, settings=place.settings)
    except AgentlogError as error:
        return error


def _mended(kind: Kind, place: Place, report: RepairReport | AgentlogError) -> list[str]:
    if isinstance(report, AgentlogError):
        return [f"repair refuses: {report}"]
    problems = [f"left after the repair: {finding}" for finding in report.left]
    kept = set(map(Path, report.kept))
    if bool(kept) != kind.keeps or not kept <= place.kept():
        problems.append(f"repair kept {sorted(kept)}")
    return problems


async def _refuses(place: Place, kind: Kind) -> list[str]:
    """Repair must refuse, name the positions, and change nothing."""
    assert kind.refused is not None
    answer = await _repaired(place)
    if not isinstance(answer, kind.refused):
        return [f"repair does not refuse with {kind.refused.__name__}: {answer}"]
    first = getattr(answer, "first_position", None)
    if kind.positions is not None and first != kind.positions[0]:
        return [f"repair names position {first}: {answer}"]
    return [] if not place.kept() else ["a refused repair changed something"]


async def _migrated(place: Place) -> None:
    """Do what `agentlog schema migrate` does: bring the schema up to date, fill tables made anew."""
    log = await Log.open(place.data, place.postgres, projections=INLINE, views_sql=[VIEWS_SQL],
                         settings=place.settings, migrate=True, unfilled=True)  # fmt: skip
    async with log:
        await rebuild(log)


async def _whole(place: Place, before: Snapshot, kind: Kind) -> list[str]:
    """The log must be what it was, byte for byte, open, and verify clean."""
    problems = [f"after opening: {finding}" for finding in await place.open_and_verify()]
    after = await place.snapshot()
    if after.lines != before.lines:
        problems.append("the lines of the segments are not what they were")
    if after.head != before.head:
        problems.append(f"the head was {before.head}, is {after.head}")
    for name, rows in before.rows.items():
        if name == "idempotency_keys" and kind.name.endswith("expires_at changed"):
            continue
        if after.rows[name] != rows:
            odd = sorted(set(after.rows[name]) ^ set(rows))
            problems.append(f"table {name} is not what it was: {odd[:2]}")
    return problems
