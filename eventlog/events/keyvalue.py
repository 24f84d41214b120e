"""A value under a key of a namespace. Stream kind `key`, one stream per key (`keys.join_key`)."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from eventlog.events.fields import Time


class KeySet(msgspec.Struct, frozen=True, omit_defaults=True):
    """The key has this value from now on, until it expires, is set again or deleted."""

    name: str
    value: Raw
    namespace: str = ""
    expires_at: Time | None = None


class KeyDeleted(msgspec.Struct, frozen=True, omit_defaults=True):
    """The key has no value any more. The log keeps those it had."""

    name: str
    namespace: str = ""
    reason: str | None = None


KeyValueEvent = KeySet | KeyDeleted
