"""Who may talk to an agent, and what an agent may do. What a session may do is the session's own.

Stream kind `pairing`, one stream per channel and peer; `grant`, one per agent and app (`keys.join_key`).
Who asked, approved or granted stands in `meta`.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from eventlog.events.fields import NULL, Time, Word


class PairingRequested(msgspec.Struct, frozen=True, omit_defaults=True):
    """A peer wants to talk on a channel, and was given a code to show; a later request replaces it."""

    channel: str
    peer: str
    code: str
    expires_at: Time | None = None


class PairingApproved(msgspec.Struct, frozen=True, omit_defaults=True):
    """The peer may talk on the channel from now on."""

    channel: str
    peer: str


class PairingRemoved(msgspec.Struct, frozen=True, omit_defaults=True):
    """The peer may not talk on the channel any more, or its request was turned down."""

    channel: str
    peer: str
    reason: str | None = None


class PermissionGranted(msgspec.Struct, frozen=True, omit_defaults=True):
    """It was decided what an agent may do with an app; the decision replaces the one before."""

    agent: str
    app: str
    decision: Word
    details: Raw = NULL
    expires_at: Time | None = None


class PermissionRevoked(msgspec.Struct, frozen=True, omit_defaults=True):
    """There is no decision any more on what the agent may do with the app."""

    agent: str
    app: str
    reason: str | None = None


PairingEvent = PairingRequested | PairingApproved | PairingRemoved
GrantEvent = PermissionGranted | PermissionRevoked
AccessEvent = PairingEvent | GrantEvent
