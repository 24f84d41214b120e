"""A log in memory for tests of the archive: say events, read them back in blocks as segments give them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from eventlog.envelope import Event, NewEvent, StreamId, decode_lines, encode_line, format_time
from eventlog.events import SESSION, MessageAppended, Usage, new, raw
from projections.archive import Archive, Connection

START = datetime(2026, 11, 22, 7, 44, 36, 123456, tzinfo=UTC)
LOG_ID = "0190a6b2-0000-7000-8000-000000000001"


class History:
    """Events in order; positions, versions and times as the log would give them."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self._versions: dict[StreamId, int] = {}

    @property
    def head(self) -> int:
        return len(self.lines)

    def say(
        self,
        session: str,
        event: Any,
        *,
        tenant: str = "",
        kind: str = SESSION,
        occurred_at: str | None = None,
    ) -> Event:
        stream = StreamId(tenant, kind, session)
        return self.place(new(stream, event, id=self.next_id(), occurred_at=occurred_at))

    def message(self, session: str, content: Any = "hello", *, tenant: str = "", **fields: Any) -> Event:
        fields.setdefault("message_id", f"m{self.head + 1}")
        fields.setdefault("role", "user")
        return self.say(session, MessageAppended(content=raw(content), **fields), tenant=tenant)

    def place(self, event: NewEvent) -> Event:
        """Append an event that was made in some other way."""
        version = self._versions[event.stream] = self._versions.get(event.stream, 0) + 1
        position = self.head + 1
        time = format_time(START + timedelta(seconds=position))
        self.lines.append(encode_line(event, position, version, time))
        return decode_lines(self.lines[-1])[0]

    def next_id(self) -> str:
        return str(uuid.UUID(int=self.head + 1))

    def read(self, after: int, until: int | None) -> Iterator[Sequence[Event]]:
        """Blocks of three events, cut at no range's edge: as a store may give them."""
        for start in range(after // 3 * 3, self.head if until is None else until, 3):
            yield decode_lines(b"".join(self.lines[start : start + 3]))

    def events(self) -> list[Event]:
        return list(decode_lines(b"".join(self.lines)))

    def archive(self, directory: Path, **settings: Any) -> Archive:
        return Archive(directory, self.read, LOG_ID, **settings)

    def connect(self, directory: Path, **settings: Any) -> Connection:
        return self.archive(directory).connect(self.head, **settings)


def tokens(input_tokens: int = 0, output_tokens: int = 0) -> Usage:
    return Usage(input_tokens=input_tokens, output_tokens=output_tokens)


def everything(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all views, in one order."""
    return {
        view: connection.sql(f"select * from {view} order by all").rows()
        for view in ("events", "messages", "sessions", "generations", "usage")
    }
