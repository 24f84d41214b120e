"""Going round: lanes among equals are looked at in turn, behind the one that was served last.

What comes first by name would otherwise always come first, and the last never while there is enough.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Hashable, Sequence

import asyncpg

# Lanes looked at in one query, besides those wanted: most of them are idle or have a free head.
STEPS = 64
_PAGES_MAX = 20

Place = tuple[int, str]  # an urgency and a lane
# (whether it is the first page, the place to begin behind, whether exactly there, how many lanes)
Fetch = Callable[[bool, Place | None, bool, int], Awaitable[Sequence[asyncpg.Record]]]


class Rounds:
    """Remembers, by selection, which lane was served last."""

    def __init__(self) -> None:
        self._served: dict[Hashable, Place] = {}

    def served(self, selection: Hashable, urgency: int, lane: str) -> None:
        """Note the lane that was served last."""
        self._served[selection] = (urgency, lane)

    async def read(self, selection: Hashable, limit: int, fetch: Fetch) -> list[asyncpg.Record]:
        """Return rows with a `stream_id`, the most urgent first, page after page until `limit` are there.

        Rows have `urgency`, `lane` and `step`, the number of the lane within the page; 0 for what has none.
        """
        found: dict[int, asyncpg.Record] = {}
        place = served = self._served.get(selection)
        urgency_served = None if served is None else served[0]
        exactly, steps = False, limit + STEPS
        for page in range(_PAGES_MAX):
            rows = await fetch(page == 0, place, exactly, steps)
            for row in rows:
                if row["stream_id"] is not None:
                    found.setdefault(row["stream_id"], row)
            lanes = sorted((row for row in rows if row["step"]), key=lambda row: row["step"])
            last = lanes[-1] if len(lanes) >= steps else None
            if page and place is None and not (lanes and lanes[0]["urgency"] == urgency_served):
                self._served.pop(selection, None)  # none of its equals is left: not to be asked for again
            # What is less urgent than this waits until all that is more urgent was looked at.
            seen_to = math.inf if last is None else last["urgency"]
            if served is not None:
                seen_to = min(seen_to, served[0])
            if sum(row["urgency"] <= seen_to for row in found.values()) >= limit:
                break
            if served is not None and (last is None or last["urgency"] > served[0]):
                # Among its equals, lanes that stand before the one served last have yet to be looked at.
                place, exactly, served = None, False, None
            elif last is not None:
                place, exactly = (last["urgency"], last["lane"]), True
            else:
                break
        # Stable: within one urgency they stay as they were read, those served longest ago first.
        return sorted(found.values(), key=lambda row: row["urgency"])
