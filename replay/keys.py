"""Idempotency keys: the table of them against what the events note, so that a retry never lands twice.

The first event of a keyed command notes its key (docs/formats/event.md). A row must say what its
event notes; a key whose lifetime is not over must have its row. Nothing is written here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import timedelta
from typing import Any, NamedTuple

import asyncpg

from eventlog.command import key_note
from eventlog.envelope import Event
from replay.report import Finding
from replay.statements import filled


class Noted(NamedTuple):
    """Where the last command with a key stands: its first position, how many events, when accepted."""

    position: int
    events: int
    time: str


class Keys:
    """What the events note, as far as it matters.

    Args:
        remembered: (tenant, key) of the rows there were before the events were read.
        since: keys of older commands may be forgotten.
    """

    def __init__(self, remembered: Collection[tuple[str, str]] = (), since: str = "") -> None:
        self.noted: dict[tuple[str, str], Noted] = {}
        self._remembered = frozenset(remembered)
        self._since = since

    def watch(self, events: Iterable[Event]) -> Iterator[Event]:
        """Pass events on, and keep what they note."""
        for event in events:
            note = key_note(bytes(event.meta))
            if note is not None:
                key = (event.tenant, note.key)
                if event.time > self._since or key in self._remembered:
                    self.noted[key] = Noted(event.position, note.events, event.time)
            yield event

    async def findings(self, connection: asyncpg.Connection, schema: str) -> list[Finding]:
        """Compare the table with the notes; the events were watched up to the head of this snapshot."""
        found, seen = [], set()
        for row in await connection.fetch(filled("keys", schema=schema)):
            key = (row["tenant"], row["key"])
            seen.add(key)
            noted = self.noted.get(key)
            if noted is None:
                found.append(_finding(key, row, "no event notes it"))
            elif (row["first_position"], row["event_count"]) != (noted.position, noted.events):
                wanted = f"its {noted.events} events stand from position {noted.position} on"
                found.append(_finding(key, row, wanted))
        for key, noted in self.noted.items():
            if key not in seen and noted.time > self._since:
                gone = {"first_position": noted.position, "event_count": noted.events}
                found.append(_finding(key, gone, "it is not remembered: a retry would be appended again"))
        return found


async def read_keys(connection: asyncpg.Connection, schema: str, lifetime_s: float) -> Keys:
    """Return an object to watch the events with."""
    rows = await connection.fetch(filled("keys", schema=schema))
    since = await connection.fetchval(filled("forget_since"), timedelta(seconds=lifetime_s))
    return Keys([(row["tenant"], row["key"]) for row in rows], since)


def _finding(key: tuple[str, str], row: Any, problem: str) -> Finding:
    first, count = row["first_position"], row["event_count"]
    return Finding(
        area="keys",
        problem=f"idempotency key {key[1]!r} of tenant {key[0]!r}, {count} events from position {first}:"
        f" {problem}",
        first_position=first,
        last_position=first + count - 1,
        where="idempotency_keys",
        values={"tenant": key[0], "key": key[1], "first_position": first, "event_count": count},
    )
