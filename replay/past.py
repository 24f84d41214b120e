"""States of single streams at any moment of the past: a fold of the prefix of each. No snapshot is stored.

A fold that was made is kept in memory, and copies of it along the way, so that the next moment asked for
begins near by. Kept copies are this process's own folds of an append-only log: nothing else may serve.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence

from eventlog.envelope import Event, StreamId
from eventlog.projection import InlineProjection
from replay.fold_all import FoldAll, Folded

Read = Callable[[StreamId, int, int], Awaitable[Sequence[Event]]]

PAGE_EVENTS = 512
# A copy is kept every so many versions; of a long stream at most some hundreds are.
KEPT_EVERY = 32
KEPT_PARTS = 256
STREAMS_MAX = 64


class StreamPast:
    """The past of one stream.

    Args:
        read: returns events of a stream with version > after, oldest first, at most so many.
    """

    def __init__(self, projections: Sequence[InlineProjection], stream: StreamId, read: Read) -> None:
        self._projections, self._stream, self._read = projections, stream, read
        self._kept: list[Folded] = []
        self._places: list[int] = []  # the position of the last event in each

    async def at(self, position: int) -> FoldAll:
        """Return the fold of the stream's events up to a position, and nothing else; no stream if none."""
        fold = FoldAll(self._projections)
        place = bisect_right(self._places, position) - 1
        if place >= 0:
            fold.put(self._kept[place].copy(), self._places[place])
        newest = place == len(self._kept) - 1
        version = self._kept[place].version if place >= 0 else 0
        while True:
            limit = PAGE_EVENTS if newest else self._kept[place + 1].version - version
            events = await self._read(self._stream, version, limit)
            reached = [event for event in events if event.position <= position]
            for at in range(0, len(reached), KEPT_EVERY):
                fold.add(reached[at : at + KEPT_EVERY])
                self._keep(fold)
            if len(events) < limit or len(reached) < len(events) or not newest:
                return fold
            version = events[-1].version

    def _keep(self, fold: FoldAll) -> None:
        """Keep a copy, if it lies far enough behind the last one."""
        folded = fold.streams[self._stream]
        last = self._kept[-1].version if self._kept else 0
        if folded.version - last >= max(KEPT_EVERY, folded.version // KEPT_PARTS):
            self._kept.append(folded.copy())
            self._places.append(fold.position)


class StreamPasts:
    """The pasts of the streams that were asked for last."""

    def __init__(self, projections: Sequence[InlineProjection], read: Read) -> None:
        self._projections, self._read = projections, read
        self._streams: OrderedDict[StreamId, StreamPast] = OrderedDict()

    async def at(self, stream: StreamId, position: int) -> FoldAll:
        """Return the fold of one stream up to a position; see `StreamPast.at`."""
        past = self._streams.pop(stream, None) or StreamPast(self._projections, stream, self._read)
        self._streams[stream] = past
        if len(self._streams) > STREAMS_MAX:
            self._streams.popitem(last=False)
        return await past.at(position)
