"""Sessions: create, update, save, end, delete, look up, list. What is said in them is conversation.py's.

What may become of one is decided in session_changes.py; deleting whole families is session_removal.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Unpack

import asyncpg
import msgspec

from agentlog.alias import Aliases
from agentlog.checks import check_key, check_kind, check_limit, check_time
from agentlog.errors import WrongTenant
from agentlog.expiry import expiry
from agentlog.scope import Scope
from agentlog.session_changes import (
    Attributes,
    Changes,
    created,
    decide_create,
    decide_end,
    decide_save,
    decide_update,
    saved,
    updated,
)
from agentlog.session_removal import cleanup, delete_tree
from eventlog.command import Receipt
from eventlog.envelope import StreamId
from eventlog.events import SESSION, SessionEnded, SessionEvent
from eventlog.payload import decode_payload

ANY_STATE = "*"
RETENTION_DAYS = 30.0


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A session as it stands.

    Attributes:
        version: of its stream: what `expected_version=` compares.
        state: active, ended, deleted, or an agent's own word.
        config, permissions: as they were given.
        current_leaf_id: the message that the next one follows.
        summary: the latest.
        generation: the current one; the first is 0.
        message_count: of all generations; window_message_count: of the active window.
        input_tokens …: each API response counted once. cost: in US dollars, as far as it was given.
        created_time: when it began: its source's word, else when the log first heard of it.
        last_time: when it last changed, or something was last said in it.
    """

    key: str
    tenant: str
    version: int
    state: str
    title: str | None
    agent: str | None
    model: str | None
    mode: str | None
    session_type: str | None
    parent: str | None
    source: str | None
    directory: str | None
    git_branch: str | None
    tool_version: str | None
    static_context_hash: str | None
    expires_at: datetime | None
    error: str | None
    config: Any
    permissions: Any
    current_leaf_id: str | None
    summary: str | None
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


class Sessions:
    """The sessions a store may name. Methods return the Receipt of what they appended, None for nothing.

    `expected_version`: the version the session must be at (`Session.version`); when it is elsewhere
    Conflict is raised and nothing is changed.

    Attributes:
        aliases: other names for sessions.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self.aliases = Aliases(scope)

    async def create(
        self,
        key: str,
        *,
        ttl_s: float | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
        **attributes: Unpack[Attributes],
    ) -> Receipt:
        """Begin a session, or bring back a deleted one with all it held.

        Args:
            key: the caller's own name for it: 1 to 1,024 bytes, opaque.
            ttl_s: it expires so many seconds from now; instead of `expires_at`.
            attributes: see `Attributes`.
        Raises:
            AlreadyExists: there is such a session, active or ended.
            BadInput, BadPayload: an attribute cannot be; nothing was appended.
        """
        stream = self._scope.stream(SESSION, key, tenant)
        self._set_expiry(attributes, ttl_s)
        event = created(key, attributes)
        receipt = await self._decide(
            stream, event, lambda state: decide_create(key, event, state), None, meta
        )
        assert receipt is not None, "decide_create returns an event or raises"
        return receipt

    async def update(
        self,
        key: str,
        *,
        clear: Sequence[str] = (),
        ttl_s: float | None = None,
        expected_version: int | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
        **changes: Unpack[Changes],
    ) -> Receipt | None:
        """Change what is given; None leaves an attribute as it is.

        Args:
            clear: names of attributes that are to have no value.
            ttl_s: it expires so many seconds from now; instead of `expires_at`.
            changes: see `Changes`.
        Raises:
            NotFound: there is no such session, or it was deleted.
            BadInput: nothing to change was given, or `state` is "deleted".
            Conflict: see the class.
        """
        stream = self._scope.stream(SESSION, key, tenant)
        self._set_expiry(changes, ttl_s)
        event = updated(key, changes, clear)
        return await self._decide(
            stream, event, lambda state: decide_update(key, event, state), expected_version, meta
        )

    async def save(
        self,
        key: str,
        *,
        ttl_s: float | None = None,
        expected_version: int | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
        **changes: Unpack[Changes],
    ) -> Receipt | None:
        """Make the session what is given and nothing besides: attributes not given lose their value.

        One that does not exist, or was deleted, is made. A state that is not given stays. Messages are
        saved with `conversation.save`. Raises BadInput, BadPayload, Conflict (0: it must not exist).
        """
        stream = self._scope.stream(SESSION, key, tenant)
        self._set_expiry(changes, ttl_s)
        event = saved(key, changes)
        return await self._decide(
            stream, event, lambda state: decide_save(event, state), expected_version, meta
        )

    async def end(
        self,
        key: str,
        reason: str | None = None,
        *,
        expected_version: int | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """Say that a session is over. Raises NotFound, Conflict."""
        stream = self._scope.stream(SESSION, key, tenant)
        return await self._decide(
            stream,
            SessionEnded(reason),
            lambda state: decide_end(key, reason, state),
            expected_version,
            meta,
        )

    async def delete(
        self,
        key: str,
        reason: str | None = None,
        *,
        expected_version: int | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """Take a session, and all sessions that came from it, out of sight. Log and archive keep all of it.

        All or none of up to 10,000 sessions; of more, it goes itself with the last of them. None when
        all of them were deleted before. Raises NotFound, Conflict.
        """
        stream = self._scope.stream(SESSION, key, tenant)
        return await delete_tree(self._scope, stream, reason, expected_version, meta)

    async def cleanup(
        self,
        *,
        retention_days: float | None = RETENTION_DAYS,
        reason: str = "expired",
        all_tenants: bool = False,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> int:
        """Delete sessions whose time is over, with their children; return how many left sight.

        Those past their own `expires_at`; and those that have none, when nothing happened in them for
        `retention_days` (None: however long). Never one whose `expires_at` is still to come, also where
        its parent goes. Raises BadInput, WrongTenant.
        """
        return await cleanup(self._scope, self._owners(all_tenants, tenant), retention_days, reason, meta)

    async def get(self, key: str, *, deleted: bool = False, tenant: str | None = None) -> Session | None:
        """Return a session, or None when there is none. `deleted`: also one that was deleted."""
        stream = self._scope.stream(SESSION, key, tenant)
        state = ANY_STATE if deleted else None
        rows = await self._scope.fetch(
            "sessions", stream.tenant, key, state, None, None, None, None, None, None, 1, of=stream
        )
        return _session(rows[0]) if rows else None

    async def exists(self, key: str, *, tenant: str | None = None) -> bool:
        """Say whether there is such a session and it was not deleted."""
        return await self.get(key, tenant=tenant) is not None

    async def list(
        self,
        *,
        state: str | None = None,
        session_type: str | None = None,
        parent: str | None = None,
        created_from: datetime | None = None,
        created_before: datetime | None = None,
        active_from: datetime | None = None,
        limit: int = 100,
        after: str | Session | None = None,
        all_tenants: bool = False,
        tenant: str | None = None,
    ) -> Page:
        """Return a page of sessions, the newest first: the order in which the log first heard of them.

        Args:
            state: only those in this state, "*" for all; without it all but the deleted.
            session_type: only those of that type.
            parent: only children of that session.
            created_from, created_before: only those whose `created_time` is at or after, or before it.
            active_from: only those whose `last_time` is at or after it.
            limit: 1 to 1,000.
            after: the last session of the page before, or its key.
            all_tenants: of every tenant, where the store was opened for none.
        Raises:
            NotFound: there is no session `after`. BadInput, WrongTenant.
        """
        owner = self._owners(all_tenants, tenant)
        check_limit(limit)
        check_time(created_from, "created_from")
        check_time(created_before, "created_before")
        check_time(active_from, "active_from")
        for text, what in ((state, "state"), (session_type, "session_type"), (parent, "parent")):
            check_key(text, what)
        before = None if after is None else await self._place(after, owner)
        rows = await self._scope.fetch(
            "sessions", owner, None, state, parent, before,
            session_type, created_from, created_before, active_from, limit,
        )  # fmt: skip
        return [_session(row) for row in rows]

    async def children(
        self, key: str, *, limit: int = 100, after: str | Session | None = None, tenant: str | None = None
    ) -> Page:
        """Return a page of the sessions that came from one, the newest first. Raises as `list`."""
        self._scope.stream(SESSION, key, tenant)
        return await self.list(parent=key, limit=limit, after=after, tenant=tenant)

    async def _decide(
        self,
        stream: StreamId,
        event: SessionEvent,
        decide: Callable[[Any], Sequence[SessionEvent]],
        expected_version: int | None,
        meta: dict[str, Any] | None,
    ) -> Receipt | None:
        """Decide and append. `event` is encoded before: what cannot be said is refused, whatever stands."""
        self._scope.new(stream, event, meta)
        if expected_version is None:
            return await self._scope.decide(stream, ["sessions"], decide, meta=meta)
        return await self._scope.decide_at(stream, expected_version, ["sessions"], decide, meta=meta)

    def _set_expiry(self, attributes: Attributes | Changes, ttl_s: float | None) -> None:
        if ttl_s is not None:
            clock, given = self._scope.log.clock, attributes.get("expires_at")
            attributes["expires_at"] = expiry(clock, ttl_s, given)

    def _owners(self, all_tenants: bool, tenant: str | None) -> str | None:
        """Return whose sessions are meant: None for everybody's."""
        if not all_tenants:
            return self._scope.owner(tenant)
        if self._scope.tenant:
            raise WrongTenant(
                f"this store was opened for tenant {self._scope.tenant!r} and was asked for all tenants",
                hint="open it without a tenant",
                tenant=self._scope.tenant,
            )
        return None

    async def _place(self, after: str | Session, owner: str | None) -> int:
        """Return the stream id of a session that a page comes after. Raises NotFound."""
        check_kind(after, str | Session, "after", "a session or its key")
        key = after if isinstance(after, str) else after.key
        of = (owner or "") if isinstance(after, str) else self._scope.owner(after.tenant)
        return await self._scope.place("session", of, SESSION, key)


def _session(row: asyncpg.Record) -> Session:
    fields = dict(row)
    del fields["stream_id"]
    for name in ("config", "permissions"):
        if fields[name] is not None:
            fields[name] = decode_payload(fields[name].encode(), None)
    return Session(**fields)
