"""Verify in seconds: heads, counts, and the chain at the boundaries of segments. Changes nothing.

Reads no event. What this finds is wrong; that it finds nothing says that both copies reach as far as
they should, and that their chains met at each boundary when the blocks there were written. Every byte is
read by `replay.verify`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

from eventlog.envelope import CHAIN_START
from eventlog.errors import AgentlogError
from eventlog.projection import signature
from eventlog.segment.format import INDEX_MAGIC, Invalid, magic_at
from eventlog.segment.opening import open_checked
from eventlog.segment.scanner import Window, block_header, first_place, index_and_seal, place_after
from replay.report import Finding
from replay.site import Site
from replay.statements import filled


class Boundary(NamedTuple):
    """How one segment ends. `problem`: why that cannot be told, or what does not fit; "" for neither."""

    path: str
    first_position: int
    last_position: int
    chain_before: bytes
    chain_after: bytes
    problem: str = ""


async def verify_quick(site: Site) -> list[Finding]:
    """Return what is wrong with heads, counts and boundaries; empty when all is well.

    Raises LogUnavailable when Postgres is away.
    """
    boundaries = await asyncio.to_thread(lambda: list(boundaries_of(site)))
    found = list(_segment_findings(site, boundaries))
    if not await site.has_log():
        problem = f"schema {site.settings.schema!r} does not exist, or holds no log"
        return [*found, Finding(area="schema", problem=problem)]
    counts = (await site.reads.fetch(filled("quick_counts", schema=site.settings.schema)))[0]
    if counts["head"] is None:
        return [*found, Finding(area="postgres", problem="the row of head is missing", where="head")]
    found += _postgres_findings(site, counts)
    whole = not found
    for boundary in boundaries:
        last = boundary.last_position
        if boundary.problem or not last or last > counts["head"]:
            continue
        if await site.reads.chain_at(last) != boundary.chain_after:
            problem = f"position {last}: the chain in {boundary.path} is not that in Postgres"
            found.append(_at("chain", problem, last, boundary.path))
    if whole and await site.reads.chain_at(counts["head"]) != counts["chain"]:
        found.append(_at("chain", "the head keeps another chain than its events", counts["head"], "head"))
    return found


def boundaries_of(site: Site) -> Iterator[Boundary]:
    """Yield how each segment file ends, by its seal or, where it has none, by its block headers."""
    if site.log_id is None or not site.io.exists(site.segments.path):
        return
    bases = site.segments.bases()
    for at, base in enumerate(bases):
        path = site.segments.segment_path(base)
        try:
            yield _boundary(site, path, base, newest=at + 1 == len(bases))
        except (AgentlogError, OSError, Invalid) as error:
            yield Boundary(path, base, 0, b"", b"", str(error))


def _boundary(site: Site, path: str, base: int, *, newest: bool) -> Boundary:
    assert site.log_id is not None
    fd, header = open_checked(site.io, path, site.log_id, base, os.O_RDONLY)
    try:
        window, place = Window(site.io, fd), first_place(header)
        before = place.chain
        assert before is not None
        while magic_at(window.read(place.offset, 8)) != INDEX_MAGIC:
            try:
                place = place_after(block_header(window, header.segment_id, place))
            except Invalid:
                if newest:  # the open one ends somewhere; whether all of it is there, the counts tell
                    break
                raise
        else:
            try:
                index_and_seal(window, header.segment_id, place)
            except Invalid:
                if not newest:  # the newest may be in the middle of being sealed
                    raise
        assert place.chain is not None
        return Boundary(path, base, place.position - 1, before, place.chain)
    finally:
        site.io.close(fd)


def _segment_findings(site: Site, boundaries: list[Boundary]) -> Iterator[Finding]:
    end, chain = 0, CHAIN_START
    for boundary in boundaries:
        first = boundary.first_position
        if boundary.problem:
            yield _at("segments", f"{boundary.path}: {boundary.problem}", first, boundary.path)
            return
        if first != end + 1:
            problem = f"{boundary.path} begins at position {first}, and {end + 1} was to come"
            yield _at("segments", problem, min(first, end + 1), boundary.path)
        elif boundary.chain_before != chain:
            problem = f"{boundary.path} does not go on with the chain of the one before"
            yield _at("chain", problem, first, boundary.path)
        end, chain = boundary.last_position, boundary.chain_after
    if site.promised is not None and end < site.promised:
        problem = f"the segments end at position {end}, and were synced up to {site.promised}"
        yield _at("segments", problem, end + 1, site.segments.path)


def _postgres_findings(site: Site, counts: Any) -> Iterator[Finding]:
    head = counts["head"]
    for name, told in (("rows", "rows of events"), ("last", "as the last position of a row")):
        if counts[name] != head:
            problem = f"the head says {head}, and there are {counts[name]} {told}"
            if name == "last":
                problem = f"the head says {head}, and {counts[name]} stands {told}"
            yield _at("postgres", problem, min(head, counts[name]) + 1, "events")
    if counts["versions"] != head:
        problem = f"the versions of all streams add up to {counts['versions']}, and the head says {head}"
        yield Finding(area="streams", problem=problem, where="streams")
    if site.log_id is not None and counts["log_id"] != site.log_id:
        problem = f"the head belongs to log {counts['log_id']}, the data directory to {site.log_id}"
        yield Finding(area="postgres", problem=problem, where="head")
    if counts["projections"] != signature(site.projections):
        stored, ours = counts["projections"] or "nothing", signature(site.projections)
        problem = f"the store folds {stored}, this process {ours}"
        yield Finding(area="projections", problem=problem, where="head")


def _at(area: str, problem: str, position: int, where: str) -> Finding:
    return Finding(
        area=area, problem=problem, first_position=position, last_position=position, where=where
    )  # fmt: skip
