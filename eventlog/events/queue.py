"""The life of one message waiting for a session. Stream kind `queue_item`, one stream per item."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from eventlog.events.fields import NULL, Integer, Seconds


class ItemEnqueued(msgspec.Struct, frozen=True, omit_defaults=True):
    """An item waits to be worked on; once more, if it had been claimed or finished before."""

    body: Raw
    session: str | None = None
    priority: Integer = 0
    source: Raw = NULL


class ItemClaimed(msgspec.Struct, frozen=True, omit_defaults=True):
    """A worker took the item. With a lease, the claim is good for that many seconds."""

    worker: str
    lease_s: Seconds | None = None


class ItemCompleted(msgspec.Struct, frozen=True, omit_defaults=True):
    """The item was worked on, successfully."""

    result: Raw = NULL


class ItemCancelled(msgspec.Struct, frozen=True, omit_defaults=True):
    """Nobody is going to work on the item."""

    reason: str | None = None


QueueEvent = ItemEnqueued | ItemClaimed | ItemCompleted | ItemCancelled
