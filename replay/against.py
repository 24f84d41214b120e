"""Prove that history up to a receipt is unchanged in both copies, or say where it is not. Changes nothing.

The chain is recomputed from what each copy says, from position 1. Between two positions that the receipt
knows the value of, a copy is right or it is not; then where: positions that are missing or too many, an
event that does not fit its own hash, one that the other copy, being right, tells otherwise, a kept chain
value that does not follow. What was rewritten in both copies so that all of it fits is named by the
marks of the receipt it stands between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import asyncpg

from eventlog.envelope import CHAIN_START
from replay.links import BEFORE_ALL, Link, SegmentLinks, first_difference, row_links
from replay.receipt import LogReceipt
from replay.report import Finding, Progress, no_progress, positions
from replay.site import Site

POSTGRES, SEGMENTS = "postgres", "segments"
_NAMES = {POSTGRES: "Postgres", SEGMENTS: "the segments"}


class Part(NamedTuple):
    """The events between two positions whose chain values a receipt knows."""

    after: int
    until: int
    before: bytes
    behind: bytes


async def verify_against(
    site: Site,
    receipt: LogReceipt,
    progress: Progress | None = None,
    connection: asyncpg.Connection | None = None,
) -> list[Finding]:
    """Return everything in which either copy is not the history of a receipt; empty: it is proven.

    Args:
        progress: called with ("receipt", position, of how many).
        connection: to read Postgres through; one of the site's own without.
    """
    if connection is None:
        async with site.reads.connection() as lent:
            return await verify_against(site, receipt, progress, lent)
    tell = progress or no_progress
    if site.log_id is None or str(site.log_id) != receipt.log_id:
        problem = f"the receipt is of log {receipt.log_id}, this directory of {site.log_id or 'none'}"
        return [Finding(area=SEGMENTS, problem=problem, where=str(site.directory.path))]
    found: list[Finding] = []
    head = await connection.fetchrow(site.reads.statements.head)
    if head is None or head["position"] < receipt.position:
        said = head["position"] if head is not None else 0
        problem = f"the log ends at position {said}, the receipt was taken at {receipt.position}"
        found.append(_finding(POSTGRES, problem, said + 1, receipt.position, "head"))
    if not receipt.position:
        return found
    lines = await asyncio.to_thread(SegmentLinks, site, receipt.position)
    for part in parts_of(receipt):
        after = part.after if part.after else BEFORE_ALL
        schema = site.settings.schema
        copies: dict[str, Sequence[Link]] = {
            POSTGRES: await row_links(connection, schema, after, part.until),
            SEGMENTS: await asyncio.to_thread(lines.take, part.until),
        }
        found += await asyncio.to_thread(_judged, part, copies)
        tell("receipt", part.until, receipt.position)
    for path in lines.strays:
        problem = f"{path} holds no event in its place: others stand there already, or it does not read"
        found.append(Finding(area=SEGMENTS, problem=problem, where=path))
    return found


def parts_of(receipt: LogReceipt) -> Iterator[Part]:
    """Yield the parts of history that a receipt proves, in order."""
    after, before = 0, CHAIN_START
    for until, behind in receipt.points():
        yield Part(after, until, before, behind)
        after, before = until, behind


def _judged(part: Part, copies: dict[str, Sequence[Link]]) -> list[Finding]:
    return list(judge(part, copies))


def judge(part: Part, copies: dict[str, Sequence[Link]]) -> Iterator[Finding]:
    """Yield what is wrong with each copy of a part. Pure."""
    right = {name: _is_right(part, links) for name, links in copies.items()}
    for name, links in copies.items():
        others = [other for other in copies if other != name and right[other]]
        witness = copies[others[0]] if others else None
        if not right[name]:
            yield _place_of(part, name, links, witness)
            continue
        yield from kept_findings(name, links, part.before)


def kept_findings(name: str, links: Sequence[Link], chain: bytes) -> Iterator[Finding]:
    """Yield what a copy keeps beside events that are right and does not fit them: hashes, chain values.

    `chain`: the value before the first of them.
    """
    for link in links:
        if link.expected is not None and link.expected != chain:
            yield _finding(
                name, "the chain value kept before it is not that of the events", link.position, link.position
            )
        chain = link.follow(chain)
        if link.problem:
            yield _finding(name, link.problem, link.position, link.position)
        if link.kept is not None and link.kept != chain:
            yield _finding(
                name, "the chain value kept behind it is not that of the events", link.position, link.position
            )


def _is_right(part: Part, links: Sequence[Link]) -> bool:
    chain = part.before
    for position, link in enumerate(links, part.after + 1):
        if link.position != position or not link.hash:
            return False
        chain = link.follow(chain)
    return len(links) == part.until - part.after and chain == part.behind


def _place_of(part: Part, name: str, links: Sequence[Link], witness: Sequence[Link] | None) -> Finding:
    """Say as exactly as it can be told where a copy is not what the receipt proves."""
    if witness is not None:
        at = first_difference(links, witness)
        assert at is not None, "a copy that tells the same as a right one is right"
        return _finding(name, f"not the event that {_other(name)} and the receipt prove", at, at)
    for position, link in enumerate(links, part.after + 1):
        if link.position != position:
            at = min(position, link.position) if link.position > part.after else link.position
            stands = "stands where none can" if link.position < position else "is missing"
            return _finding(name, f"an event {stands}", at, at)
        if link.problem or not link.hash:
            return _finding(name, link.problem, position, position)
    if len(links) < part.until - part.after:
        lacking = part.until - part.after - len(links)
        return _finding(name, f"{lacking:,} events are missing", part.after + 1, part.until)
    # Kept values that broke off tell where a change was not carried on.
    first = next(kept_findings(name, links, part.before), None)
    if first is not None:
        after = max([part.after, *_proven_before(part, links)])
        return _finding(name, "not what the receipt proves", after + 1, first.last_position or part.until)
    return _finding(name, "rewritten since the receipt was taken, hashes and all", part.after + 1, part.until)


def _proven_before(part: Part, links: Sequence[Link]) -> Iterator[int]:
    """Yield the positions up to which the kept values follow the events, from the front."""
    chain = part.before
    for link in links:
        if link.expected is not None and link.expected != chain:
            return
        chain = link.follow(chain)
        if link.kept is not None:
            if link.kept != chain:
                return
            yield link.position


def _other(name: str) -> str:
    return _NAMES[SEGMENTS if name == POSTGRES else POSTGRES]


def _finding(area: str, problem: str, first: int, last: int, where: str = "") -> Finding:
    return Finding(
        area=area,
        problem=f"{positions(first, last)} in {_NAMES[area]}: {problem}",
        first_position=first,
        last_position=last,
        where=where,
    )
