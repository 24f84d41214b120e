"""Messages of the size real agents write: median about 640 bytes, a heavy tail, escapes included."""

from __future__ import annotations

import random

from eventlog.envelope import NewEvent, StreamId
from eventlog.events import new, raw
from eventlog.events.conversation import MessageAppended, Usage
from eventlog.log import Log

_TEXT = """the file path error return value test session agent
tool result line import def class token read write {"key": "value"} assert None self log event 1024 0x7f
résumé, naïve → done."""


class Workload:
    """Seeded messages; the same seed gives the same payloads."""

    def __init__(self, seed: int = 1, median_bytes: int = 640) -> None:
        self._random = random.Random(seed)
        self._text = " ".join(self._random.choices(_TEXT.split(" "), k=200_000))
        self._median_bytes = median_bytes
        # Made beforehand: making text is no part of what is measured.
        self._contents = [raw(self.content()) for _ in range(2000)]

    def content(self) -> str:
        """Text of lognormal length, at most 64 KiB."""
        length = min(int(self._random.lognormvariate(0, 0.9) * self._median_bytes) + 16, 65_536)
        start = self._random.randrange(len(self._text) - length)
        return self._text[start : start + length]

    def message(self, log: Log, stream: StreamId) -> NewEvent:
        """One assistant message with usage, encoded and hashed."""
        event = MessageAppended(
            message_id=log.ids.next(),
            role="assistant",
            content=self._random.choice(self._contents),
            model="claude-sonnet-4-5",
            usage=Usage(input_tokens=10, output_tokens=200, cache_read_tokens=50_000),
        )
        return new(stream, event, id=log.ids.next(), meta=b'{"host":"bench"}')
