"""Who may talk on which channel, and what each agent may do with each app. Not who decided it.

One row per `pairing` and per `grant` stream. What has expired still has its row: whoever reads
compares `expires_at` with the time. What cannot be read lets nobody in.
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

import msgspec
from msgspec import Raw

from eventlog.events import (
    GRANT,
    NULL,
    PAIRING,
    GrantEvent,
    PairingApproved,
    PairingEvent,
    PairingRemoved,
    PairingRequested,
    PermissionGranted,
    PermissionRevoked,
)
from projections.columns import moment, opaque, stream_key
from projections.fold import Fold

PENDING, APPROVED, REMOVED = "pending", "approved", "removed"


class Pairing(msgspec.Struct, frozen=True, gc=False):
    """A row of `pairings`. `code` and `expires_at` are those of a request that is pending."""

    channel: str = ""
    peer: str = ""
    status: str = REMOVED
    code: str | None = None
    expires_at: datetime | None = None


class Grant(msgspec.Struct, frozen=True, gc=False):
    """A row of `grants`. `decision` is None where there is none, or none any more."""

    agent: str = ""
    app: str = ""
    decision: str | None = None
    expires_at: datetime | None = None
    details: Raw = NULL


def evolve_pairing(known: Pairing, event: PairingEvent, version: int) -> Pairing:
    """Return the pairing after `event`. A request takes nothing from a peer that is approved."""
    channel, peer = stream_key(event.channel) or "", stream_key(event.peer) or ""
    match event:
        case PairingRequested(code=code, expires_at=expires_at):
            if known.status == APPROVED:
                return known
            until = None if expires_at is None else moment(expires_at)
            changed = Pairing(channel, peer, PENDING, code, until)
        case PairingApproved():
            changed = Pairing(channel, peer, APPROVED)
        case PairingRemoved():
            changed = Pairing(channel, peer, REMOVED)
        case _:
            assert_never(event)
    return known if changed == known else changed


def evolve_grant(known: Grant, event: GrantEvent, version: int) -> Grant:
    """Return the grant after `event`: the last decision counts."""
    agent, app = stream_key(event.agent) or "", stream_key(event.app) or ""
    match event:
        case PermissionGranted(decision=decision, details=details, expires_at=expires_at):
            until = None if expires_at is None else moment(expires_at)
            changed = Grant(agent, app, decision, until, opaque(details))
        case PermissionRevoked():
            changed = Grant(agent, app)
        case _:
            assert_never(event)
    return known if changed == known else changed


PAIRINGS = Fold(
    "pairings",
    version=1,
    kind=PAIRING,
    state=Pairing,
    evolve=evolve_pairing,
    folds=(PairingRequested, PairingApproved, PairingRemoved),
    initial=Pairing(),
)

GRANTS = Fold(
    "grants",
    version=1,
    kind=GRANT,
    state=Grant,
    evolve=evolve_grant,
    folds=(PermissionGranted, PermissionRevoked),
    initial=Grant(),
)
