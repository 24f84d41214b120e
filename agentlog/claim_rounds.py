"""Going round: lanes among equals are looked at in turn, behind the one that was served last.

What comes first by name would otherwise always come first, and the last never while there is enough.
"""

from __future__ import annotations

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
        """Return rows with a `stream_id` from page after page, until there are `limit` or no more.

        Rows have `urgency`, `lane` and `step`, the number of the lane within the page; 0 for what has none.
        """
        found: dict[int, asyncpg.Record] = {}
        after, exactly = self._served.get(selection), False
        begun_late = after is not None
        steps = limit + STEPS
        for page in range(_PAGES_MAX):
            rows = await fetch(page == 0, after, exactly, steps)
            for row in rows:
                if row["stream_id"] is not None:
                    found.setdefault(row["stream_id"], row)
            if len(found) >= limit:
                break
            last = max(rows, key=lambda row: row["step"], default=None)
            if last is not None and last["step"] >= steps:
                after, exactly = (last["urgency"], last["lane"]), True
            elif begun_late:
                after, exactly, begun_late = None, False, False
            else:
                break
        # Stable: within one urgency they stay as they were read, those served longest ago first.
        return sorted(found.values(), key=lambda row: row["urgency"])
