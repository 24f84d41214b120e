"""Crashed disks of a run: after each operation, several fates of what was not synced.

A `Cut` is a disk between two operations, with what had been promised by then. `crashed` draws states
from it. Each draw has a random generator of its own, made from the state's name, so that any one of
them can be made again without the others. What is checked in a state is recovery.py's.
"""

from __future__ import annotations

import uuid
from bisect import bisect_left
from collections.abc import Mapping
from itertools import pairwise
from random import Random

from eventlog.envelope import CHAIN_START, chain_hash
from eventlog.segment.store import Block
from tests.reliability.simulate.tables import Tables
from tests.support.lossy_disk import Directory


class Past:
    """What Postgres committed, from the first position to the last.

    Attributes:
        lines, chains: the line of position n is `lines[n - 1]`, the chain after it `chains[n]`.
        ends: positions at which a command ended, and 0.
    """

    def __init__(self, tables: Tables, ends: set[int]) -> None:
        self.log_id = tables.log_id
        self.ends = ends
        self._sorted = sorted(ends)
        self.lines = [row.line() for row in tables.events]
        self.chains = [CHAIN_START]
        for row in tables.events:
            self.chains.append(chain_hash(self.chains[-1], row.position, row.version, row.time_us, row.hash))

    @property
    def last(self) -> int:
        return len(self.lines)

    def end_near(self, position: int) -> int:
        """The first end of a command at or behind a position, or the last one there is."""
        at = bisect_left(self._sorted, position)
        return self._sorted[min(at, len(self._sorted) - 1)]

    def blocks(self, after: int, until: int) -> list[Block]:
        """What lies in (after, until], one block for each command."""
        ends = [after, *(end for end in self._sorted if after < end < until), until]
        return [
            Block(a + 1, b - a, b"".join(self.lines[a:b]), self.chains[a], self.chains[b])
            for a, b in pairwise(ends)
            if a < b
        ]


class Cut:
    """A disk between two operations.

    Attributes:
        committed: the last position of Postgres when the operation was done: nothing beyond may be here.
        acknowledged: what callers had been told to be durable here, before the next operation.
        mirrors: how far Postgres knew directories to be durable then.
    """

    __slots__ = ("acknowledged", "committed", "mirrors", "name", "root")

    def __init__(self, name: str, root: Directory, committed: int) -> None:
        self.name = name
        self.root = root
        self.committed = committed
        self.acknowledged = 0
        self.mirrors: Mapping[uuid.UUID, int] = {}

    def crashed(self, number: int, random: Random) -> Directory:
        """The disk after a power cut, in one of many fates; in fate 0 after a kill, which leaves all."""
        return self.root.copy() if number == 0 else self.root.after_crash(random)


class Camera:
    """Takes a picture of one disk after its operations: after each one, or after a share of them."""

    def __init__(self, name: str, share: float = 1.0, random: Random | None = None) -> None:
        self.name = name
        self.cuts: list[Cut] = []
        self.operations = 0
        self._share = share
        self._random = random
        self._newest: Cut | None = None  # of the operation before; None when that has no picture

    def take(
        self, root: Directory, committed: int, acknowledged: int, mirrors: Mapping[uuid.UUID, int]
    ) -> None:
        self.note(acknowledged, mirrors)
        self.operations += 1
        self._newest = None
        if self._random is None or self._random.random() < self._share:
            self._newest = Cut(f"{self.name}.{self.operations}", root.copy(), committed)
            self.cuts.append(self._newest)
            self.note(acknowledged, mirrors)

    def note(self, acknowledged: int, mirrors: Mapping[uuid.UUID, int]) -> None:
        """What is promised by now was promised before whatever comes next."""
        if self._newest is not None:
            self._newest.acknowledged = acknowledged
            self._newest.mirrors = dict(mirrors)
