"""The Postgres session store twice: as its semantics say, in memory, and as its user would write it here.

Of the semantics that are meant: what the store did wrong (deletes what it does not hold, cannot be emptied,
removes sessions with a future expiry …) is told by tests of their own. Holds no test.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import msgspec

import agentlog
from agentlog.message import Draft

PAST = datetime(2020, 1, 1, tzinfo=UTC)
FUTURE = datetime.now(UTC) + timedelta(days=400)


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """A session as its user saves and loads it.

    Attributes:
        messages: each an id, its parent, a role and a text. todos: each a text and a status.
    """

    id: str
    tenant: str = ""
    parent: str | None = None
    state: str = "created"
    config: Any = None
    error: str | None = None
    expires_at: datetime | None = None
    messages: tuple[tuple[str, str | None, str, str], ...] = ()
    todos: tuple[tuple[str, str], ...] = ()
    plan: str | None = None


class SessionStore(Protocol):
    """What the store offers, by its own names."""

    async def save(self, session: Saved) -> None: ...
    async def load(self, id: str) -> Saved | None: ...
    async def delete(self, id: str) -> bool: ...
    async def list(self, tenant: str | None) -> list[str]: ...
    async def add_summary(self, id: str, summary: str) -> None: ...
    async def get_summaries(self, id: str) -> list[str]: ...
    async def enqueue(self, id: str, content: str, priority: int) -> None: ...
    async def dequeue(self, id: str) -> str | None: ...
    async def cancel_queued(self, id: str, content: str) -> bool: ...
    async def pending_queue(self, id: str) -> list[str]: ...
    async def cleanup_expired(self) -> int: ...


class Meant:
    """In memory, as the store is meant."""

    def __init__(self) -> None:
        self.sessions: dict[str, Saved] = {}
        self.summaries: dict[str, list[str]] = {}
        self.queue: dict[str, list[tuple[int, str]]] = {}

    async def save(self, session: Saved) -> None:
        self.sessions[session.id] = session

    async def load(self, id: str) -> Saved | None:
        return self.sessions.get(id)

    async def delete(self, id: str) -> bool:
        if id not in self.sessions:
            return False
        for child in [other.id for other in self.sessions.values() if other.parent == id]:
            await self.delete(child)
        del self.sessions[id]
        self.summaries.pop(id, None)
        self.queue.pop(id, None)
        return True

    async def list(self, tenant: str | None) -> list[str]:
        return sorted(s.id for s in self.sessions.values() if tenant is None or s.tenant == tenant)

    async def add_summary(self, id: str, summary: str) -> None:
        self.summaries.setdefault(id, []).append(summary)

    async def get_summaries(self, id: str) -> list[str]:
        return list(self.summaries.get(id, []))

    async def enqueue(self, id: str, content: str, priority: int) -> None:
        self.queue.setdefault(id, []).append((priority, content))

    async def dequeue(self, id: str) -> str | None:
        waiting = await self.pending_queue(id)
        if not waiting:
            return None
        await self.cancel_queued(id, waiting[0])
        return waiting[0]

    async def cancel_queued(self, id: str, content: str) -> bool:
        before = self.queue.get(id, [])
        self.queue[id] = [item for item in before if item[1] != content]
        return len(self.queue[id]) < len(before)

    async def pending_queue(self, id: str) -> list[str]:
        return [content for _, content in sorted(self.queue.get(id, []), key=lambda item: -item[0])]

    async def cleanup_expired(self) -> int:
        before = len(self.sessions)
        for session in [s for s in self.sessions.values() if s.expires_at == PAST]:
            await self.delete(session.id)
        return before - len(self.sessions)


class OnAgentlog:
    """As somebody writes it who moved here: the same calls, each a few lines."""

    def __init__(self, store: agentlog.Store) -> None:
        self.store = store
        # The store had one space of ids for all tenants; here a tenant is named in each call.
        self.tenants: dict[str, str] = {}
        self.loaded: dict[str, int] = {}

    def of(self, id: str) -> str:
        return self.tenants.get(id, "")

    async def save(self, session: Saved) -> None:
        tenant = self.tenants[session.id] = session.tenant
        await self.store.sessions.save(
            session.id, tenant=tenant, parent=session.parent, state=session.state, config=session.config,
            error=session.error, expires_at=session.expires_at,
        )  # fmt: skip
        known = await self.store.sessions.get(session.id, tenant=tenant)
        assert known is not None
        drafts = [
            Draft({"role": role, "content": text}, message_id=id, parent_id=parent)
            for id, parent, role, text in session.messages
        ]
        await self.store.conversation.save(session.id, drafts, known_version=known.version, tenant=tenant)
        todos = [{"content": content, "status": status} for content, status in session.todos]
        await self.store.plan.replace_todos(session.id, todos, tenant=tenant)
        plan = await self.store.plan.get(session.id, tenant=tenant)
        if session.plan is not None:
            id = None if plan is None else plan.plan_id
            await self.store.plan.save(session.id, session.plan, plan_id=id, tenant=tenant)
        elif plan is not None:
            await self.store.plan.clear(session.id, tenant=tenant)

    async def load(self, id: str) -> Saved | None:
        tenant = self.of(id)
        session = await self.store.sessions.get(id, tenant=tenant)
        if session is None:
            return None
        messages = await self.store.conversation.load(id, tenant=tenant)
        todos = await self.store.plan.todos(id, tenant=tenant)
        plan = await self.store.plan.get(id, tenant=tenant)
        return Saved(
            id=id, tenant=session.tenant, parent=session.parent, state=session.state, config=session.config,
            error=session.error, expires_at=session.expires_at,
            messages=tuple((m.message_id, m.parent_id, m.role, m.content) for m in messages),
            todos=tuple((todo.content, todo.status) for todo in todos),
            plan=None if plan is None else plan.content,
        )  # fmt: skip

    async def delete(self, id: str) -> bool:
        if not await self.store.sessions.exists(id, tenant=self.of(id)):
            return False
        # There a session's items went with it; here they wait for whoever comes, until they are cancelled.
        for content in await self.pending_queue(id):
            await self.store.queue.cancel(content, "its session was deleted", tenant=self.of(id))
        return await self.store.sessions.delete(id, tenant=self.of(id)) is not None

    async def list(self, tenant: str | None) -> list[str]:
        if tenant is None:
            return sorted(s.key for s in await self.store.sessions.list(all_tenants=True, limit=1000))
        return sorted(s.key for s in await self.store.sessions.list(tenant=tenant, limit=1000))

    async def add_summary(self, id: str, summary: str) -> None:
        await self.store.conversation.add_summary(id, summary, tenant=self.of(id))

    async def get_summaries(self, id: str) -> list[str]:
        return [found.summary for found in await self.store.conversation.summaries(id, tenant=self.of(id))]

    async def enqueue(self, id: str, content: str, priority: int) -> None:
        await self.store.queue.enqueue(id, content, priority=priority, id=content, tenant=self.of(id))

    async def dequeue(self, id: str) -> str | None:
        claimed = await self.store.queue.claim("worker", session=id, tenant=self.of(id))
        return claimed[0].body if claimed else None

    async def cancel_queued(self, id: str, content: str) -> bool:
        if content not in await self.pending_queue(id):
            return False
        return await self.store.queue.cancel(content, tenant=self.of(id)) is not None

    async def pending_queue(self, id: str) -> list[str]:
        items = await self.store.queue.list(session=id, status="pending", limit=1000, tenant=self.of(id))
        return [item.id for item in sorted(items, key=lambda item: -item.priority)]

    async def cleanup_expired(self) -> int:
        return await self.store.sessions.cleanup(all_tenants=True)
