"""Sessions: create, update, end, delete, look up, list. What is said in them is conversation.py's."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import asyncpg
import msgspec

from agentlog.errors import AlreadyExists, NotFound
from agentlog.scope import Scope
from eventlog.command import Receipt
from eventlog.errors import BadInput
from eventlog.events import (
    NULL,
    SESSION,
    SessionCreated,
    SessionDeleted,
    SessionEnded,
    SessionEvent,
    SessionUpdated,
    raw,
)
from eventlog.payload import decode_payload
from projections import session as projection

PAGE_MAX = 1_000
ANY_STATE = "*"


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A session as it stands.

    Attributes:
        state: active, ended, deleted, or an agent's own word.
        config: as it was given.
        generation: the current one; the first is 0.
        message_count: of all generations; window_message_count: of the active window.
        input_tokens …: each API response counted once. cost: as far as it was given.
    """

    key: str
    tenant: str
    state: str
    title: str | None
    agent: str | None
    model: str | None
    mode: str | None
    parent: str | None
    source: str | None
    directory: str | None
    git_branch: str | None
    tool_version: str | None
    expires_at: datetime | None
    error: str | None
    config: Any
    generation: int
    message_count: int
    window_message_count: int
    compaction_count: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    cost: Decimal
    todos_total: int
    todos_completed: int
    created_time: datetime
    last_time: datetime


Page = list[Session]  # a name for it, because Sessions.list hides the type inside of the class


def decide_create(
    key: str, created: SessionCreated, session: projection.Session | None
) -> list[SessionEvent]:
    """A session is created where there is none, or where it was deleted."""
    if session is not None and session.state != projection.DELETED:
        hint = "choose another key, or change it with update"
        if session.state == projection.ENDED:
            hint = "choose another key, or resume it: update(key, state='active')"
        raise AlreadyExists(f"session {key!r} exists and is {session.state}", hint=hint, key=key)
    return [created]


def decide_update(
    key: str, updated: SessionUpdated, session: projection.Session | None
) -> list[SessionEvent]:
    """A session that is there changes; what changes nothing is not written."""
    known = present(key, session)
    return [] if projection.evolve(known, updated, 0) is known else [updated]


def decide_end(key: str, reason: str | None, session: projection.Session | None) -> list[SessionEvent]:
    """Ending twice is ending once."""
    return [] if present(key, session).state == projection.ENDED else [SessionEnded(reason)]


def decide_delete(key: str, reason: str | None, session: projection.Session | None) -> list[SessionEvent]:
    """Deleting twice is deleting once."""
    if session is not None and session.state == projection.DELETED:
        return []
    present(key, session)
    return [SessionDeleted(reason)]


def present(key: str, session: projection.Session | None) -> projection.Session:
    """Return the session, or raise NotFound when there is none or it was deleted."""
    if session is None:
        raise NotFound(f"there is no session {key!r}", hint="create it, or check key and tenant", key=key)
    if session.state == projection.DELETED:
        raise NotFound(f"session {key!r} was deleted", hint="create it again to bring it back", key=key)
    return session


class Sessions:
    """The sessions a store may name. Methods return the Receipt of what they appended, None for nothing."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def create(
        self,
        key: str,
        *,
        title: str | None = None,
        agent: str | None = None,
        model: str | None = None,
        mode: str | None = None,
        parent: str | None = None,
        source: str | None = None,
        directory: str | None = None,
        git_branch: str | None = None,
        tool_version: str | None = None,
        config: Any = None,
        expires_at: datetime | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt:
        """Begin a session, or bring back a deleted one with all it held.

        Args:
            key: the caller's own name for it: 1 to 1,024 bytes, opaque.
            parent: key of the session it came from.
            config: any JSON value; kept to the digit.
            expires_at: with a time zone. Nothing happens by itself.
        Raises:
            AlreadyExists: there is such a session, active or ended.
        """
        stream = self._scope.stream(SESSION, key, tenant)
        if parent == key:
            raise BadInput(f"session {key!r} cannot be its own parent")
        created = SessionCreated(
            title=title, agent=agent, model=model, mode=mode, parent=parent, source=source,
            directory=directory, git_branch=git_branch, tool_version=tool_version,
            config=NULL if config is None else raw(config), expires_at=expires_at,
        )  # fmt: skip
        receipt = await self._scope.decide(
            stream, ["sessions"], lambda state: decide_create(key, created, state), meta=meta
        )
        assert receipt is not None, "decide_create returns an event or raises"
        return receipt

    async def update(
        self,
        key: str,
        *,
        title: str | None = None,
        agent: str | None = None,
        model: str | None = None,
        mode: str | None = None,
        state: str | None = None,
        config: Any = None,
        expires_at: datetime | None = None,
        error: str | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """Change what is given; None leaves a field as it is.

        Args:
            state: a word of the agent's own, or "active" to resume a session that was ended.
        Raises:
            NotFound: there is no such session, or it was deleted.
            BadInput: nothing to change was given, or `state` is "deleted".
        """
        stream = self._scope.stream(SESSION, key, tenant)
        if state == projection.DELETED:
            raise BadInput("state 'deleted' cannot be set by update", hint="use delete")
        updated = SessionUpdated(
            title=title, agent=agent, model=model, mode=mode, state=state,
            config=NULL if config is None else raw(config), expires_at=expires_at, error=error,
        )  # fmt: skip
        if updated == SessionUpdated():
            raise BadInput(
                f"nothing to change in session {key!r} was given", hint="give at least one attribute"
            )
        return await self._scope.decide(
            stream, ["sessions"], lambda known: decide_update(key, updated, known), meta=meta
        )

    async def end(
        self,
        key: str,
        reason: str | None = None,
        *,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """Say that a session is over. Raises NotFound."""
        stream = self._scope.stream(SESSION, key, tenant)
        return await self._scope.decide(
            stream, ["sessions"], lambda state: decide_end(key, reason, state), meta=meta
        )

    async def delete(
        self,
        key: str,
        reason: str | None = None,
        *,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """Take a session out of sight. Log and archive keep all of it. Raises NotFound."""
        stream = self._scope.stream(SESSION, key, tenant)
        return await self._scope.decide(
            stream, ["sessions"], lambda state: decide_delete(key, reason, state), meta=meta
        )

    async def get(self, key: str, *, deleted: bool = False, tenant: str | None = None) -> Session | None:
        """Return a session, or None when there is none. `deleted`: also one that was deleted."""
        stream = self._scope.stream(SESSION, key, tenant)
        state = ANY_STATE if deleted else None
        rows = await self._scope.fetch("sessions", stream.tenant, key, state, None, None, 1)
        return _session(rows[0]) if rows else None

    async def exists(self, key: str, *, tenant: str | None = None) -> bool:
        """Say whether there is such a session and it was not deleted."""
        return await self.get(key, tenant=tenant) is not None

    async def list(
        self,
        *,
        state: str | None = None,
        parent: str | None = None,
        limit: int = 100,
        after: str | None = None,
        tenant: str | None = None,
    ) -> Page:
        """Return a page of sessions, the newest first.

        Args:
            state: only those in this state, "*" for all; without it all but the deleted.
            parent: only children of that session.
            limit: 1 to 1,000.
            after: key of the last session of the page before.
        Raises:
            NotFound: there is no session `after`.
        """
        owner = self._scope.owner(tenant)
        check_limit(limit)
        before = None
        if after is not None:
            place = await self._scope.fetch("stream_place", owner, SESSION, after)
            if not place:
                raise NotFound(f"there is no session {after!r} to go on after", key=after)
            before = place[0]["id"]
        rows = await self._scope.fetch("sessions", owner, None, state, parent, before, limit)
        return [_session(row) for row in rows]


def check_limit(limit: int) -> None:
    """Raise BadInput unless `limit` fits a page."""
    if not 1 <= limit <= PAGE_MAX:
        raise BadInput(f"limit {limit} must be from 1 to {PAGE_MAX:,}", hint="read further pages with after=")


def _session(row: asyncpg.Record) -> Session:
    fields = dict(row)
    del fields["stream_id"]
    config = fields.pop("config")
    return Session(config=None if config is None else decode_payload(config.encode(), None), **fields)
