"""What was done outside of the log. Stream kind `delivery`, one stream per idempotency key."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from eventlog.events.fields import NULL


class EffectDelivered(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something was done that must not be done twice. Its command carries `effect` as its idempotency key."""

    effect: str
    details: Raw = NULL


DeliveryEvent = EffectDelivered
