"""Read the whole log again and again in the background, at a set rate, and remember what was wrong.

Both copies are compared with each other and with the chain, as far as both reach; projections and the
archive are for `verify`. A scrub changes nothing and stops nobody. Disks lose bits that nobody reads: this
reads them while the other copy can still mend them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

import msgspec

from eventlog.clock import Clock
from eventlog.envelope import CHAIN_START
from eventlog.errors import AgentlogError, BadInput
from eventlog.settings import SCRUB_EVENTS_PER_S_MAX
from replay.against import POSTGRES, SEGMENTS, kept_findings
from replay.links import Link, SegmentLinks, first_difference, row_links
from replay.report import Finding, positions
from replay.site import Site

STEP_EVENTS = 1_000
PAUSE_S = 1.0  # before the next round, at least: an idle log is not read without end
FINDINGS_MAX = 100

_logger = logging.getLogger(__name__)


class ScrubState(msgspec.Struct, frozen=True, kw_only=True):
    """How far a scrub is.

    Attributes:
        events_per_s: the rate it keeps to; 0 when none is running.
        position: as far as this round got; until: where it ends.
        rounds: how often the whole log was read.
        findings: what was wrong in this round and in the last one, at most 100.
        problem: why it cannot read at the moment; "" when it can.
    """

    events_per_s: float = 0.0
    position: int = 0
    until: int = 0
    rounds: int = 0
    findings: list[Finding] = []
    problem: str = ""


class Scrub:
    """A scrub of one open log. `start` it, ask for its `state`, `stop` it.

    Args:
        site: makes the parts of the log as they are at the moment (`replay.site.site_of`).
        events_per_s: at most so many, of each copy; above 0, up to 1,000,000.
    Raises:
        BadInput: another rate.
    """

    def __init__(self, site: Callable[[], Site], clock: Clock, events_per_s: float) -> None:
        if not 0 < events_per_s <= SCRUB_EVENTS_PER_S_MAX:
            raise BadInput(
                f"a scrub of {events_per_s} events/s cannot be",
                hint=f"above 0, up to {SCRUB_EVENTS_PER_S_MAX:,}",
            )
        self._site, self._clock, self._rate = site, clock, events_per_s
        self._task: asyncio.Task[None] | None = None
        self._position = self._until = self._rounds = 0
        self._found: list[Finding] = []
        self._before: list[Finding] = []
        self._problem = ""

    @property
    def state(self) -> ScrubState:
        """How far it is."""
        running = self._task is not None and not self._task.done()
        return ScrubState(
            events_per_s=self._rate if running else 0.0,
            position=self._position,
            until=self._until,
            rounds=self._rounds,
            findings=[*self._found, *(one for one in self._before if one not in self._found)][:FINDINGS_MAX],
            problem=self._problem,
        )

    def start(self) -> None:
        """Begin, if it has not."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="agentlog-scrub")

    async def stop(self) -> None:
        """End, in the middle of a round."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                await self.round()
                self._problem = ""
            except (AgentlogError, OSError) as error:
                if not self._problem:
                    _logger.warning("the scrub cannot read: %s", error)
                self._problem = str(error)
            await asyncio.sleep(PAUSE_S)

    async def round(self) -> list[Finding]:
        """Read the log once, as far as both copies reach now; return what is wrong."""
        site = self._site()
        assert site.promised is not None, "a scrub is of an open log"
        self._before, self._found = self._found, []
        self._position, self._until = 0, site.promised
        if site.promised:
            lines = await asyncio.to_thread(SegmentLinks, site, site.promised)
            chain = CHAIN_START
            while self._position < self._until:
                chain = await self._step(site, lines, chain)
        self._rounds += 1
        return self._found

    async def _step(self, site: Site, lines: SegmentLinks, chain: bytes) -> bytes:
        """Compare the next events; return the chain behind them."""
        began, after = self._clock.monotonic(), self._position
        until = min(after + max(1, min(STEP_EVENTS, int(self._rate))), self._until)
        async with site.reads.connection() as connection:
            rows = await row_links(connection, site.settings.schema, after, until)
        links = await asyncio.to_thread(lines.take, until)
        found, chain = await asyncio.to_thread(compared, after, until, rows, links, chain)
        for finding in found:
            if len(self._found) < FINDINGS_MAX:
                self._found.append(finding)
            if finding not in self._before:
                _logger.error("the scrub found: %s", finding)
        self._position = until
        spare = (until - after) / self._rate - (self._clock.monotonic() - began)
        await asyncio.sleep(max(0.0, spare))
        return chain


def compared(
    after: int, until: int, rows: Sequence[Link], links: Sequence[Link], chain: bytes
) -> tuple[list[Finding], bytes]:
    """Compare both copies of positions (after, until]; return what is wrong, and the chain behind. Pure.

    `chain` is the value behind `after`. Behind positions that neither copy has right, the value that the
    segments keep counts from there on.
    """
    at = first_difference(rows, links)
    complete = [link.position for link in links] == list(range(after + 1, until + 1))
    if at is None and complete:
        # Alike, so once is enough for what the chain says; each keeps values of its own.
        found = [*kept_findings(POSTGRES, rows, chain), *kept_findings(SEGMENTS, links, chain)]
    else:
        first = at if at is not None else after + 1
        problem = f"{positions(first, first)}: Postgres and the segments differ, or neither reads it"
        found = [Finding(area="copies", problem=problem, first_position=first, last_position=first)]
    for one in links if complete and all(link.hash for link in links) else rows:
        chain = one.follow(chain)
    kept = [link.kept for link in links if link.position == until and link.kept is not None]
    return found, kept[0] if kept else chain
