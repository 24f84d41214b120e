"""Queue operations of one file as items: which item an operation means. One stream per item.

Claude Code numbers nothing: an enqueue has a content, the other operations mean what waits
longest. popAll hands everything that waits back to the person's prompt, so it cancels.
"""

from __future__ import annotations

from collections import deque

from msgspec import Raw

from eventlog.envelope import StreamId
from eventlog.events import (
    NULL,
    QUEUE_ITEM,
    ItemCancelled,
    ItemClaimed,
    ItemCompleted,
    ItemEnqueued,
    QueueEvent,
)
from replay.imports.record import Members, is_null, put_together

WORKER = "claude-code"


class Queue:
    """The items of one file that wait, oldest first."""

    def __init__(self, tenant: str, session: str) -> None:
        self._tenant = tenant
        self._session = session
        self._waiting: deque[StreamId] = deque()

    def enqueue(self, record: Members, line: bytes, item_id: str) -> tuple[StreamId, ItemEnqueued]:
        """Return the new item and its first event. The item's key is that event's id."""
        item = StreamId(self._tenant, QUEUE_ITEM, item_id)
        self._waiting.append(item)
        body = record.values.get("content", NULL)
        source = Raw(line)
        if record.whole and not is_null(record.values, "content"):
            source = put_together({name: raw for name, raw in record.values.items() if name != "content"})
        return item, ItemEnqueued(body, session=self._session, source=source)

    def operate(self, operation: str | None) -> list[tuple[StreamId, QueueEvent]]:
        """Return what dequeue, remove and popAll do to the items that wait; nothing for others."""
        if not self._waiting:
            return []
        match operation:
            case "dequeue":
                item = self._waiting.popleft()
                return [(item, ItemClaimed(WORKER)), (item, ItemCompleted())]
            case "remove":
                return [(self._waiting.popleft(), ItemCancelled("remove"))]
            case "popAll":
                items = list(self._waiting)
                self._waiting.clear()
                return [(item, ItemCancelled("popAll")) for item in items]
        return []
