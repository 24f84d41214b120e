"""The active windows of sessions this process follows: kept decoded, and level with Postgres at each look.

One statement says where a session's stream ends and brings what came since, nothing when nothing did. What
is kept is bounded in bytes of payload; whatever was not looked at for longest goes first.
"""

from __future__ import annotations

from collections import OrderedDict

import zstandard

from agentlog.scope import Scope
from eventlog.envelope import StreamId
from projections.window import TYPES, Window

PAGE_EVENTS = 2_000
READS_MAX = 3
# What Python takes for a message besides its payload.
MESSAGE_BYTES = 600


class Windows:
    """Windows by session, of one store."""

    def __init__(self, scope: Scope, bytes_max: int) -> None:
        self._scope = scope
        self._bytes_max = bytes_max
        self._kept: OrderedDict[StreamId, tuple[Window, int]] = OrderedDict()
        self._bytes = 0
        self._decompress = zstandard.ZstdDecompressor().decompress

    @property
    def bytes(self) -> int:
        """Of all windows that are kept."""
        return self._bytes

    def keeps(self, stream: StreamId) -> bool:
        """Whether a session's window is kept."""
        return stream in self._kept

    async def current(self, stream: StreamId) -> Window | None:
        """Return a session's window as Postgres has it now; None when there is no such stream.

        It is the one that is kept: whoever gives it away gives a copy of its list.
        Raises FormatTooNew: an event that concerns it was written by a later release.
        """
        kept = self._kept.get(stream)
        window = kept[0] if kept is not None else None
        try:
            window = await self._level(stream, window)
        except BaseException:
            self._forget(stream)
            raise
        self._forget(stream)
        if window is not None:
            self._keep(stream, window)
        return window

    async def read(self, stream: StreamId, after: int) -> Window:
        """Return the window that a stream's events after a version make. Not kept."""
        window = Window(after)
        await self._take_in(stream, window, after)
        return window

    async def _level(self, stream: StreamId, window: Window | None) -> Window | None:
        """Bring a window level, or read it anew; None when the stream is not there."""
        if window is not None:
            end = await self._take_in(stream, window, window.version)
            # Behind what was seen: Postgres is another one by now, or was set back.
            if end is not None and end >= window.version and not window.reaches_back:
                return window
        for _ in range(READS_MAX):
            window = Window()
            end = await self._take_in(stream, window, None)
            if end is None:
                return None
            # While it was read, the head may have been moved to before where reading began.
            if not window.reaches_back:
                break
        return window

    async def _take_in(self, stream: StreamId, window: Window, after: int | None) -> int | None:
        """Take in all events after a version; None: those of the active window. Return the stream's end."""
        end: int | None = None
        while True:
            rows = await self._scope.fetch(
                "window_events", stream.tenant, stream.key, after, PAGE_EVENTS, TYPES, of=stream
            )
            for row in rows:
                end, version, position, time_us, occurred_us, type, schema, encoding, compressed, data = row
                if version is None:
                    return end
                if after is None:
                    window.begin(version)
                    after = version
                if version <= window.version:
                    continue  # another call took it in while this one waited
                if compressed and data is not None:
                    data = self._decompress(data)
                window.take(version, position, time_us, occurred_us, type, schema, encoding, data)
            if len(rows) < PAGE_EVENTS:
                return end
            after = max(window.version, rows[-1]["version"])

    def _keep(self, stream: StreamId, window: Window) -> None:
        known = len(window.messages) + len(window.hidden)
        size = window.bytes + known * MESSAGE_BYTES
        if size > self._bytes_max:
            return
        self._kept[stream] = (window, size)
        self._bytes += size
        while self._bytes > self._bytes_max:
            _, (_, freed) = self._kept.popitem(last=False)
            self._bytes -= freed

    def _forget(self, stream: StreamId) -> None:
        kept = self._kept.pop(stream, None)
        if kept is not None:
            self._bytes -= kept[1]
