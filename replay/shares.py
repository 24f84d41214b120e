"""A log folded by shares of its streams, so that memory stays bounded and several processes can fold at once.

A share is the streams whose id in Postgres leaves one remainder. Each is folded by itself, over the whole
log: events of other streams are skipped unread. So the result is that of one fold, to the byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import asyncpg

from eventlog.envelope import StreamId
from eventlog.projection import InlineProjection
from replay.fold_all import FoldAll
from replay.folding import Foldable, fold_until
from replay.report import Progress
from replay.statements import filled

# What the fold of one share may take, and what a stream takes in it: measured were 0.9 kB for an item of a
# queue, and 1.7 kB for a session.
BYTES_MAX = 160_000_000
BYTES_PER_STREAM = 600
BYTES_PER_ROW = 380
_STREAMS_PAGE = 10_000
_LOWEST = -(2**63)


class Share(NamedTuple):
    """The streams whose ids leave the remainder `number` when they are divided by `of`."""

    number: int = 0
    of: int = 1

    def condition(self, column: str) -> str:
        """Return what is true of this share's streams, as SQL. (Of a damaged row the id may be below 0.)"""
        return "true" if self.of == 1 else f"abs({column} % {self.of}) = {self.number}"


WHOLE = Share()


class ShareFold:
    """The fold of one share, and the ids of its streams as Postgres has them. Other streams are left out."""

    def __init__(self, log: Foldable, projections: Sequence[InlineProjection], share: Share) -> None:
        self.fold = FoldAll(projections, closed=True)
        self.ids: dict[StreamId, int] = {}
        self._log, self._after = log, _LOWEST
        self._statement = filled(
            "streams_of_share", schema=log.settings.schema, condition=share.condition("s.id")
        )

    async def fold_until(
        self, connection: asyncpg.Connection, until: int, source: str, tell: Progress
    ) -> None:
        """Fold on up to a position, at which Postgres was seen to stand. Raises Damaged.

        Ids are given in the order of first events. So whichever stream is new since has none that was passed.
        """
        ids, begin = self.ids, self.fold.begin
        while page := await connection.fetch(self._statement, self._after, _STREAMS_PAGE):
            for id, tenant, kind, key in page:
                ids[begin((tenant, kind, key)).stream] = id
            self._after = page[-1]["id"]
        await fold_until(self._log, self.fold, until, source, tell)


async def shares_needed(log: Foldable, projections: Sequence[InlineProjection]) -> int:
    """Return in how many shares the log is to be folded, so that each fits into BYTES_MAX."""
    rows = {projection.kind: 0 for projection in projections}
    for projection in projections:
        # A row per stream is what most have; where there may be several, there is mostly none.
        rows[projection.kind] += 0 if projection.row_key else 1
    counts = await log.reads.fetch(filled("streams_by_kind", schema=log.settings.schema))
    bytes: int = sum(
        row["count"] * (BYTES_PER_STREAM + BYTES_PER_ROW * rows.get(row["kind"], 0)) for row in counts
    )
    return max(1, -(-bytes // BYTES_MAX))
