"""The life of one message waiting for a session. Stream kind `queue_item`, one stream per item."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from eventlog.events.fields import NULL, Count, Integer, Seconds, Word


class ItemEnqueued(msgspec.Struct, frozen=True, omit_defaults=True):
    """An item waits to be worked on; once more, if it had been claimed or finished before."""

    body: Raw
    session: str | None = None
    priority: Integer = 0
    source: Raw = NULL
    operation: Word | None = None


class ItemMerged(msgspec.Struct, frozen=True, omit_defaults=True):
    """Another message joined an item that waits: both are worked on as one."""

    body: Raw


class ItemClaimed(msgspec.Struct, frozen=True, omit_defaults=True):
    """A worker took the item, for `lease_s` seconds or as long as its `lease` is renewed.

    `session_version` is where the session's own stream stood: what came after it came of this claim.
    """

    worker: str
    lease_s: Seconds | None = None
    lease: str | None = None
    session_version: Count | None = None


class ItemReleased(msgspec.Struct, frozen=True, omit_defaults=True):
    """The claim is over and nothing was done: the item waits again, at its old place."""

    reason: str | None = None


class ItemCompleted(msgspec.Struct, frozen=True, omit_defaults=True):
    """The item was worked on, successfully."""

    result: Raw = NULL


class ItemFailed(msgspec.Struct, frozen=True, omit_defaults=True):
    """The item was worked on, to no avail. Enqueuing it again is how it is tried again."""

    reason: str | None = None


class ItemInterrupted(msgspec.Struct, frozen=True, omit_defaults=True):
    """A newer message ended the claim; with `rollback`, what it did is to be undone."""

    by: str
    rollback: bool = False


class ItemCancelled(msgspec.Struct, frozen=True, omit_defaults=True):
    """Nobody is going to work on the item."""

    reason: str | None = None


QueueEvent = (
    ItemEnqueued
    | ItemMerged
    | ItemClaimed
    | ItemReleased
    | ItemCompleted
    | ItemFailed
    | ItemInterrupted
    | ItemCancelled
)
