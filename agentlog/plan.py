"""Plans: an agent's list of things to do, and its plans as a whole. What they mean is the agent's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from agentlog.checks import check_limit, check_list, check_time
from agentlog.errors import BadInput, NotFound
from agentlog.expiry import now
from agentlog.plan_todos import dated, todo_name
from agentlog.scope import Scope, check_name, query_text
from eventlog.command import Receipt
from eventlog.envelope import Event, StreamId, parse_time
from eventlog.events import (
    PLAN,
    SESSION,
    PlanApproved,
    PlanCleared,
    PlanCompleted,
    PlanEvent,
    PlanFailed,
    PlanSaved,
    PlanStarted,
    Todo,
    TodosReplaced,
    decode_event,
)
from eventlog.events.keys import join_key
from projections import plan as projection
from projections.columns import text
from projections.plan import TodoList

PAGE_EVENTS = 1_000
_BEFORE_NONE = 2**63 - 1
TIMES = ("created_at", "approved_at", "started_at", "completed_at")


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A plan of a session, as it stands.

    Attributes:
        status: draft, approved, executing, completed, failed, cleared, or the agent's own word.
        created_at …: as far as they are known; completed_at: when it was completed or failed.
    """

    session: str
    plan_id: str
    tenant: str
    name: str | None
    content: str
    status: str
    error: str | None
    created_at: datetime | None
    approved_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    version: int
    last_time: datetime


class TodoChange(msgspec.Struct, frozen=True, kw_only=True):
    """How a todo stood from a position on; `todo` is None where it was taken off the list."""

    todo: Todo | None
    position: int
    time: datetime
    meta: dict[str, Any]


class PlanChange(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a plan: `type` of the event, e.g. plan_approved, and what it says."""

    type: str
    data: Any
    position: int
    time: datetime
    meta: dict[str, Any]


def decide_replace(wanted: tuple[Todo, ...], now: datetime, plan: TodoList | None) -> list[PlanEvent]:
    """The same list once more is not written, whatever the time."""
    todos = dated(wanted, () if plan is None else plan.todos, now)
    return [] if plan is not None and plan.todos == todos else [TodosReplaced(todos)]


def decide_save(saved: PlanSaved, now: datetime, plan: projection.Plan | None) -> list[PlanEvent]:
    """A plan keeps the time it was made; the same plan once more is not written."""
    if saved.created_at is None:
        made = now if plan is None else plan.created_at
        saved = msgspec.structs.replace(saved, created_at=made)
    known = projection.Plan() if plan is None else plan
    return [] if projection.evolve_plan(known, saved, 0) is known else [saved]


def decide_step(
    step: PlanApproved | PlanStarted | PlanCompleted | PlanFailed | PlanCleared, plan: projection.Plan | None
) -> list[PlanEvent]:
    """A plan that is there goes on; to where it stands already it does not go once more."""
    if plan is None or plan.status == projection.CLEARED:
        if plan is not None and isinstance(step, PlanCleared):
            return []
        raise _no_plan(step.session, step.plan_id)
    after = projection.evolve_plan(plan, step, 0)
    same = after.status == plan.status and after.error == plan.error
    return [] if same else [step]


def _no_plan(session: str, plan_id: str | None) -> NotFound:
    which = "no plan" if plan_id is None else f"no plan {plan_id!r}"
    return NotFound(
        f"session {session!r} has {which}, or it was cleared", hint="save it", key=plan_id or session
    )


class Plans:
    """The plans of the sessions a store may name."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def replace_todos(
        self,
        key: str,
        todos: Sequence[Todo | Mapping[str, Any]],
        *,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """Replace a session's list; None when it is that list already. A new session is made by it.

        Args:
            todos: `Todo`, or dicts with content, status and, if there are, active_form, id, plan_id, and
                times. Times that are not given are filled in by this host's clock; see `dated`.
        """
        stream = self._scope.stream(SESSION, key, tenant)
        wanted = tuple(_todo(todo) for todo in check_list(todos, "todos"))
        moment = now(self._scope.log.clock)
        return await self._scope.decide(
            stream, ["todo_lists"], lambda plan: decide_replace(wanted, moment, plan), meta=meta
        )

    async def todos(self, key: str, *, tenant: str | None = None) -> tuple[Todo, ...]:
        """Return a session's list as it stands; empty when it has none."""
        stream = self._scope.stream(SESSION, key, tenant)
        await self._scope.log.reload([stream])
        plan, _ = await self._scope.log.state("todo_lists", stream)
        return () if plan is None else plan.todos

    async def todo_history(self, key: str, todo: str, *, tenant: str | None = None) -> TodoHistory:
        """Return how one todo of a session changed, the oldest first; empty when it was never there.

        Args:
            todo: its id or, where it has none, its content.
        """
        stream = self._scope.stream(SESSION, key, tenant)
        changes: TodoHistory = []
        async for event in self._lists(stream):
            said = decode_event(event.type, event.schema, event.data, event.encoding)
            if not isinstance(said, TodosReplaced):
                continue  # as the fold leaves it out
            found = next((one for one in said.todos if todo_name(one)[1] == text(todo)), None)
            if found != (changes[-1].todo if changes else None):
                time = parse_time(event.time)
                changes.append(
                    TodoChange(todo=found, position=event.position, time=time, meta=event.metadata)
                )
        return changes

    async def _lists(self, stream: StreamId) -> AsyncIterator[Event]:
        after = 0
        sql = query_text("todo_events")
        while page := await self._scope.log.reads.events(sql, stream.tenant, stream.key, after, PAGE_EVENTS):
            for stored in page:
                yield stored.to_event()
            after = page[-1].version

    async def save(
        self,
        key: str,
        content: str,
        *,
        plan_id: str | None = None,
        name: str | None = None,
        status: str = projection.DRAFT,
        error: str | None = None,
        created_at: datetime | None = None,
        approved_at: datetime | None = None,
        started_at: datetime | None = None,
        completed_at: datetime | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> str:
        """Save a plan as a whole and return its id. What is not given is not kept from before.

        Args:
            key: of the session.
            plan_id: of the plan to save again; otherwise a new one, which becomes the current one.
            created_at: not given, it stays what it was; of a new plan it is this host's time.
        """
        plan = self._scope.log.ids.next() if plan_id is None else plan_id
        stream = self._stream(key, plan, tenant)
        if status == projection.CLEARED:
            raise BadInput("status 'cleared' cannot be saved", hint="use clear")
        times = (created_at, approved_at, started_at, completed_at)
        for time, what in zip(times, TIMES, strict=True):
            check_time(time, what)
        saved = PlanSaved(key, plan, content, name, status, error, *times)
        moment = now(self._scope.log.clock)
        await self._scope.decide(
            stream, ["plans"], lambda known: decide_save(saved, moment, known), meta=meta
        )
        return plan

    async def approve(
        self,
        key: str,
        plan_id: str | None = None,
        *,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """Agree to a session's plan, the current one unless it is named; None when it is approved.

        This and the next three take their time from this host's clock. Raises NotFound when there is no
        such plan, or it was cleared.
        """
        return await self._step(key, plan_id, meta, tenant, PlanApproved)

    async def start(
        self,
        key: str,
        plan_id: str | None = None,
        *,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """Say that the agent does what a plan says: it is executing. As `approve`."""
        return await self._step(key, plan_id, meta, tenant, PlanStarted)

    async def complete(
        self,
        key: str,
        plan_id: str | None = None,
        *,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """Say that what a plan says was done. As `approve`."""
        return await self._step(key, plan_id, meta, tenant, PlanCompleted)

    async def fail(
        self,
        key: str,
        plan_id: str | None = None,
        error: str | None = None,
        *,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """Say that a plan came to an end without having been done, and why. As `approve`."""
        return await self._step(key, plan_id, meta, tenant, PlanFailed, error=error)

    async def _step(
        self,
        key: str,
        plan_id: str | None,
        meta: dict[str, Any] | None,
        tenant: str | None,
        step: Callable[..., PlanApproved | PlanStarted | PlanCompleted | PlanFailed],
        **fields: str | None,
    ) -> Receipt | None:
        stream, plan = await self._named(key, plan_id, tenant)
        event = step(key, plan, at=now(self._scope.log.clock), **fields)
        return await self._scope.decide(stream, ["plans"], lambda known: decide_step(event, known), meta=meta)

    async def clear(
        self,
        key: str,
        plan_id: str | None = None,
        reason: str | None = None,
        *,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """Take a plan away, the current one unless it is named; None when it was cleared already.

        A session whose current plan was cleared has none, until one is saved. Raises NotFound.
        """
        stream, plan = await self._named(key, plan_id, tenant)
        event = PlanCleared(key, plan, reason)
        return await self._scope.decide(stream, ["plans"], lambda known: decide_step(event, known), meta=meta)

    async def get(self, key: str, plan_id: str | None = None, *, tenant: str | None = None) -> Plan | None:
        """Return a session's current plan, or the one that is named; None when it was cleared."""
        if plan_id is None:
            stream = self._scope.stream(SESSION, key, tenant)
            rows = await self._scope.fetch("plans", stream.tenant, key, _BEFORE_NONE, 1)
        else:
            stream = self._stream(key, plan_id, tenant)
            rows = await self._scope.fetch("plan", stream.tenant, stream.key)
        return _plan(rows[0]) if rows and rows[0]["status"] != projection.CLEARED else None

    async def list(
        self, key: str, *, limit: int = 100, after: str | None = None, tenant: str | None = None
    ) -> Page:
        """Return a page of a session's plans, the newest first, cleared ones too.

        Args:
            limit: 1 to 1,000. after: id of the last plan of the page before. Raises NotFound for another.
        """
        owner = self._scope.stream(SESSION, key, tenant).tenant
        check_limit(limit)
        before = _BEFORE_NONE
        if after is not None:
            place = await self._scope.fetch("plan_position", owner, self._stream(key, after, tenant).key)
            if not place:
                raise NotFound(f"session {key!r} has no plan {after!r} to go on after", key=after)
            before = place[0]["first_position"]
        return [_plan(row) for row in await self._scope.fetch("plans", owner, key, before, limit)]

    async def history(self, key: str, plan_id: str, *, tenant: str | None = None) -> History:
        """Return all that happened to a plan, the oldest first; empty when it never was."""
        stream = self._stream(key, plan_id, tenant)
        return [_change(event) async for event in self._scope.events(stream)]

    async def _named(self, key: str, plan_id: str | None, tenant: str | None) -> tuple[StreamId, str]:
        if plan_id is None:
            current = await self.get(key, tenant=tenant)
            if current is None:
                raise _no_plan(key, None)
            plan_id = current.plan_id
        return self._stream(key, plan_id, tenant), plan_id

    def _stream(self, key: str, plan_id: str, tenant: str | None) -> StreamId:
        joined = join_key(check_name(key, "session key"), check_name(plan_id, "plan_id"))
        return self._scope.stream(PLAN, joined, tenant)


# Names for them, because Plans.list hides the type inside of the class.
Page = list[Plan]
History = list[PlanChange]
TodoHistory = list[TodoChange]


def _plan(row: asyncpg.Record) -> Plan:
    return Plan(**dict(row))


def _change(event: Event) -> PlanChange:
    return PlanChange(
        type=event.type,
        data=event.value,
        position=event.position,
        time=parse_time(event.time),
        meta=event.metadata,
    )


def _todo(todo: Todo | Mapping[str, Any]) -> Todo:
    if isinstance(todo, Todo):
        return todo
    try:
        return msgspec.convert(dict(todo), type=Todo)
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        raise BadInput(
            f"a todo cannot be read: {error}", hint="it needs content and status, both text"
        ) from error
