"""Access: which peer may talk on a channel, and what an agent may do with an app. Enforces nothing itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec

from agentlog.checks import check_key, check_limit, check_word
from agentlog.errors import BadInput, NotFound, Refused
from agentlog.expiry import expiry
from agentlog.scope import BEHIND_ALL, Scope, check_name
from eventlog.command import Command, Receipt
from eventlog.envelope import MAX_KEY_BYTES, Event, StreamId, check_text, parse_time
from eventlog.errors import shown
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
    raw,
)
from eventlog.events.keys import join_key
from eventlog.payload import decode_payload
from projections import access as projection

STATUSES = (projection.PENDING, projection.APPROVED)


class Pairing(msgspec.Struct, frozen=True, kw_only=True):
    """A peer on a channel.

    Attributes:
        status: pending or approved.
        code, expires_at: of a request that is pending.
        since_time: when it became what it is.
    """

    channel: str
    peer: str
    tenant: str
    status: str
    code: str | None
    expires_at: datetime | None
    version: int
    since_time: datetime


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent may do with an app.

    Attributes:
        decision: a word of the caller's own. details: as given; NUL and lone surrogates are shown as
            U+FFFD, and stand in the log as they were.
        granted_time: when it was first decided like that.
    """

    agent: str
    app: str
    tenant: str
    decision: str
    details: Any
    expires_at: datetime | None
    version: int
    granted_time: datetime


class AccessChange(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a pairing or a grant, as the log has it.

    Attributes:
        type: of the event, e.g. permission_granted. data: what it says.
        actor: who did it: `actor` of its meta, else `agent`; None where the caller named nobody.
    """

    type: str
    actor: str | None
    data: Any
    meta: dict[str, Any]
    position: int
    time: datetime


def decide_request(request: PairingRequested, pairing: projection.Pairing | None) -> list[PairingEvent]:
    """Who is approved need not ask; whoever asks again gets another code."""
    if pairing is not None and pairing.status == projection.APPROVED:
        raise Refused(
            f"peer {request.peer!r} is approved on channel {request.channel!r}",
            hint="remove the pairing first, if it is to ask again",
        )
    return [request]


def decide_approve(
    approved: PairingApproved, code: str | None, now: datetime, pairing: projection.Pairing | None
) -> list[PairingEvent]:
    """With a code, it must be that of a request that has not expired. Without one, the caller vouches."""
    if pairing is not None and pairing.status == projection.APPROVED:
        return []
    if code is None:
        return [approved]
    where = f"peer {approved.peer!r} on channel {approved.channel!r}"
    if pairing is None or pairing.status != projection.PENDING:
        raise NotFound(f"{where} has no pending request", hint="let it ask for a code", key=approved.peer)
    if pairing.expires_at is not None and pairing.expires_at <= now:
        raise Refused(
            f"the code of {where} expired at {pairing.expires_at.isoformat()}", hint="let it ask for another"
        )
    if pairing.code != code:  # the right one is not told
        raise Refused(f"code {code!r} is not that of {where}", hint="check it, or let it ask for another")
    return [approved]


def decide_remove(removed: PairingRemoved, pairing: projection.Pairing | None) -> list[PairingEvent]:
    """Removing twice is removing once."""
    return [] if pairing is None or pairing.status == projection.REMOVED else [removed]


def decide_revoke(revoked: PermissionRevoked, grant: projection.Grant | None) -> list[GrantEvent]:
    """Revoking twice is revoking once."""
    return [] if grant is None or grant.decision is None else [revoked]


class Access:
    """The pairings and grants a store may name. Each call's `meta` says who did it: `{"actor": …}`."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def request_pairing(
        self,
        channel: str,
        peer: str,
        code: str,
        *,
        ttl_s: float | None = None,
        expires_at: datetime | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt:
        """Note that a peer wants to talk on a channel, and the code it was given.

        Args:
            ttl_s: the code is good for so many seconds; expires_at: until that time; neither: for ever.
        Raises:
            Refused: the peer is approved already.
        """
        stream = self._pairing(channel, peer, tenant)
        if not check_text(code, "code", MAX_KEY_BYTES):
            raise BadInput("code is empty", hint="anybody could show it")
        until = expiry(self._scope.log.clock, ttl_s, expires_at)
        request = PairingRequested(channel, peer, code, until)
        receipt = await self._scope.decide(
            stream, ["pairings"], lambda pairing: decide_request(request, pairing), meta=meta
        )
        assert receipt is not None, "decide_request returns an event or raises"
        return receipt

    async def approve_pairing(
        self,
        channel: str,
        peer: str,
        code: str | None = None,
        *,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """Let a peer talk on a channel; None when it may already.

        Args:
            code: what the peer shows. Without one no request is needed: the caller vouches for it.
        Raises:
            NotFound: a code was given, and there is no pending request.
            Refused: it is another code, or it has expired by the clock of Postgres.
        """
        stream = self._pairing(channel, peer, tenant)
        now = datetime.fromtimestamp(0, UTC)
        if code is not None:
            check_text(code, "code", MAX_KEY_BYTES)
            now = await self._scope.moment()
        approved = PairingApproved(channel, peer)
        return await self._scope.decide(
            stream, ["pairings"], lambda pairing: decide_approve(approved, code, now, pairing), meta=meta
        )

    async def remove_pairing(
        self,
        channel: str,
        peer: str,
        reason: str | None = None,
        *,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """Let a peer talk no more, or turn its request down; None when there is neither."""
        stream = self._pairing(channel, peer, tenant)
        removed = PairingRemoved(channel, peer, reason)
        return await self._scope.decide(
            stream, ["pairings"], lambda pairing: decide_remove(removed, pairing), meta=meta
        )

    async def pairing(self, channel: str, peer: str, *, tenant: str | None = None) -> Pairing | None:
        """Return a peer's pairing; None when there is none, it was removed, or its request has expired."""
        stream = self._pairing(channel, peer, tenant)
        rows = await self._scope.fetch("pairing", stream.tenant, stream.key)
        return Pairing(**dict(rows[0])) if rows else None

    async def pairings(
        self,
        channel: str,
        *,
        status: str = projection.APPROVED,
        limit: int = 100,
        after: str | None = None,
        tenant: str | None = None,
    ) -> list[Pairing]:
        """Return a page of a channel's pairings, in order of the peers.

        Args:
            status: approved, or pending: those whose request has not expired.
            limit: 1 to 1,000. after: the last peer of the page before.
        """
        owner = self._scope.owner(tenant)
        check_name(channel, "channel")
        check_limit(limit)
        check_word(status, STATUSES, "status")
        check_key(after, "after")
        rows = await self._scope.fetch("pairings", owner, channel, status, after or "", limit)
        return [Pairing(**dict(row)) for row in rows]

    async def grant(
        self,
        agent: str,
        app: str,
        decision: str,
        *,
        details: Any = None,
        ttl_s: float | None = None,
        expires_at: datetime | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt:
        """Decide what an agent may do with an app. It replaces what was decided before.

        Args:
            decision: a word of the caller's own, 1 to 63 characters, e.g. "allow_always".
            details: any JSON value that goes with it.
            ttl_s: it is over after so many seconds; expires_at: at that time; neither: when it is revoked.
        """
        stream = self._grant(agent, app, tenant)
        until = expiry(self._scope.log.clock, ttl_s, expires_at)
        granted = PermissionGranted(agent, app, decision, NULL if details is None else raw(details), until)
        # Also where nothing changes: who decided it again is worth knowing.
        return await self._scope.log.append(Command([self._scope.new(stream, granted, meta)]))

    async def revoke(
        self,
        agent: str,
        app: str,
        reason: str | None = None,
        *,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """Take a decision back; None when there is none."""
        stream = self._grant(agent, app, tenant)
        revoked = PermissionRevoked(agent, app, reason)
        return await self._scope.decide(
            stream, ["grants"], lambda grant: decide_revoke(revoked, grant), meta=meta
        )

    async def permission(self, agent: str, app: str, *, tenant: str | None = None) -> Grant | None:
        """Return what an agent may do with an app; None when nothing was decided, or not any more."""
        stream = self._grant(agent, app, tenant)
        rows = await self._scope.fetch("grant", stream.tenant, stream.key)
        return _grant(rows[0]) if rows else None

    async def permissions(
        self,
        agent: str | None = None,
        *,
        limit: int = 100,
        after: tuple[str, str] | None = None,
        tenant: str | None = None,
    ) -> list[Grant]:
        """Return a page of what was granted, to one agent or to all, in order of agent and app.

        Args:
            limit: 1 to 1,000. after: agent and app of the last one of the page before.
        """
        owner = self._scope.owner(tenant)
        check_limit(limit)
        if agent is not None:
            check_name(agent, "agent")
        if after is not None and (not isinstance(after, tuple | list) or len(after) != 2):
            raise BadInput(f"after {shown(after)} must be an agent and an app")
        behind = [check_text(text, "after", MAX_KEY_BYTES) for text in after or ("", "")]
        agents = ("", BEHIND_ALL) if agent is None else (agent, agent)
        rows = await self._scope.fetch("grants", owner, *agents, *behind, limit)
        return [_grant(row) for row in rows]

    async def pairing_history(
        self, channel: str, peer: str, *, tenant: str | None = None
    ) -> list[AccessChange]:
        """Return all that happened to a pairing, the oldest first, and who did it."""
        return await self._history(self._pairing(channel, peer, tenant))

    async def permission_history(
        self, agent: str, app: str, *, tenant: str | None = None
    ) -> list[AccessChange]:
        """Return all that was decided on an agent and an app, the oldest first, and by whom."""
        return await self._history(self._grant(agent, app, tenant))

    async def _history(self, stream: StreamId) -> list[AccessChange]:
        return [_change(event) async for event in self._scope.events(stream)]

    def _pairing(self, channel: str, peer: str, tenant: str | None) -> StreamId:
        key = join_key(check_name(channel, "channel"), check_name(peer, "peer"))
        return self._scope.stream(PAIRING, key, tenant)

    def _grant(self, agent: str, app: str, tenant: str | None) -> StreamId:
        key = join_key(check_name(agent, "agent"), check_name(app, "app"))
        return self._scope.stream(GRANT, key, tenant)


def _change(event: Event) -> AccessChange:
    meta = event.metadata
    actor = meta.get("actor", meta.get("agent"))
    return AccessChange(
        type=event.type,
        actor=None if actor is None else str(actor),
        data=event.value,
        meta=meta,
        position=event.position,
        time=parse_time(event.time),
    )


def _grant(row: asyncpg.Record) -> Grant:
    fields = dict(row)
    details = fields.pop("details")
    return Grant(details=None if details is None else decode_payload(details.encode(), None), **fields)
