"""What a log says of its queue and its tasks: who held what when, and how it ended. Trusts no table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from eventlog.envelope import Event

ENDS = {"completed", "failed", "died", "cancelled", "expired", "interrupted"}


class Judge:
    """Reads events in the order of the log.

    Attributes:
        wrong: one line for each promise that was broken.
        done: (kind, key) → position of the claim that completed it.
        finished: keys that came to an end.
        claims, released: how many.
    """

    def __init__(self, running_max: int | None = None) -> None:
        self.wrong: list[str] = []
        self.done: dict[tuple[str, str], int] = {}
        self.enqueued: set[tuple[str, str]] = set()
        self.finished: set[tuple[str, str]] = set()
        self.claims = self.released = 0
        self._running_max = running_max
        self._holds: dict[tuple[str, str], int] = {}
        self._group: dict[tuple[str, str], str] = {}
        self._running: dict[str, set[tuple[str, str]]] = defaultdict(set)
        self._order: dict[str, list[str]] = defaultdict(list)

    def read(self, events: Iterable[Event]) -> None:
        for event in events:
            if event.stream.kind in ("queue_item", "task"):
                self._take(event, (event.stream.kind, event.stream.key), event.type.split("_", 1)[1])

    def _take(self, event: Event, thing: tuple[str, str], what: str) -> None:
        group = self._group.get(thing)
        if what == "enqueued":
            self.enqueued.add(thing)
            name = event.value.get("session") if thing[0] == "queue_item" else event.value.get("lane")
            if name is not None:
                self._group[thing] = f"{thing[0]} {name}"
                if thing[0] == "queue_item":
                    self._order[self._group[thing]].append(thing[1])
        elif what == "claimed":
            self.claims += 1
            if thing in self._holds or thing in self.finished:
                self.wrong.append(f"TWO LIVE CLAIMS position {event.position}: {thing} was held or finished")
            self._holds[thing] = event.position
            if group is not None:
                self._begin(event, thing, group)
        elif what in ENDS or what == "released":
            held = self._holds.pop(thing, None)
            if group is not None:
                self._running[group].discard(thing)
            if what == "completed":
                if thing in self.done:
                    self.wrong.append(f"DOUBLE COMPLETION position {event.position}: {thing}")
                if held is None:
                    self.wrong.append(f"COMPLETED UNCLAIMED position {event.position}: {thing}")
                self.done[thing] = held or 0
            self.released += what == "released"
            if what in ENDS and not (thing[0] == "task" and what == "failed"):
                if thing not in self.finished and group in self._order:
                    self._order[group].remove(thing[1])
                self.finished.add(thing)

    def _begin(self, event: Event, thing: tuple[str, str], group: str) -> None:
        self._running[group].add(thing)
        limit = 1 if thing[0] == "queue_item" else self._running_max
        if limit is not None and len(self._running[group]) > limit:
            self.wrong.append(f"TOO MANY position {event.position}: {group} runs {self._running[group]}")
        if thing[0] == "queue_item" and self._order[group][0] != thing[1]:
            self.wrong.append(f"OUT OF ORDER position {event.position}: {thing} is not next in {group}")

    def lost(self) -> list[str]:
        """Return what was enqueued and never came to an end."""
        return [f"LOST {thing}" for thing in sorted(self.enqueued - self.finished)]
