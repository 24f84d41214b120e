"""Which events of a stream the log already has, and at which version that stands. Appends nothing."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files

from eventlog.envelope import NewEvent, StreamId
from eventlog.log import Log

# Short pages: a long read would hold back the cleaning of busy tables.
PAGE_EVENTS = 5_000


class Present:
    """Ids and versions of the streams an import has met, read once and kept up by its own appends."""

    def __init__(self, log: Log, tenant: str) -> None:
        self._log = log
        self._tenant = tenant
        self._versions: dict[StreamId, int] = {}
        self._ids: dict[StreamId, set[str]] = {}

    def version(self, stream: StreamId) -> int:
        """Return the version up to which the stream is known; 0 for no stream."""
        return self._versions[stream]

    def has(self, event: NewEvent) -> bool:
        return event.id in self._ids[event.stream]

    async def meet(self, streams: Iterable[StreamId]) -> None:
        """Read the streams that were not met before."""
        await self.refresh([stream for stream in streams if stream not in self._versions])

    async def refresh(self, streams: Iterable[StreamId]) -> None:
        """Read what the streams hold beyond what is known of them."""
        wanted = list(dict.fromkeys(streams))
        for stream in wanted:
            self._versions.setdefault(stream, 0)
            self._ids.setdefault(stream, set())
        more = bool(wanted)
        while more:
            rows = await self._log.reads.fetch(
                _statement(),
                self._tenant,
                [stream.kind for stream in wanted],
                [stream.key for stream in wanted],
                [self._versions[stream] for stream in wanted],
                PAGE_EVENTS,
            )
            for row in rows:
                stream = StreamId(self._tenant, row["kind"], row["key"])
                self._versions[stream] = row["version"]
                self._ids[stream].add(row["id"])
            more = len(rows) == PAGE_EVENTS

    def note(self, events: Iterable[NewEvent], versions: dict[StreamId, int]) -> None:
        """Remember what was just appended: at exactly the versions that were known before."""
        for event in events:
            self._ids[event.stream].add(event.id)
        self._versions.update(versions)


@cache
def _statement() -> str:
    return (files("replay.imports") / "present_events.sql").read_text()
