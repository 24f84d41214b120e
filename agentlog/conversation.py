"""Conversations: append messages, read the active window, compact it. Sessions as such are session.py's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from agentlog.errors import NotFound, Refused
from agentlog.message import Message, new_message, read_message
from agentlog.scope import Scope
from agentlog.session_changes import present
from eventlog.command import Command, Receipt
from eventlog.envelope import StreamId
from eventlog.errors import BadInput
from eventlog.events import SESSION, ConversationCompacted, ConversationEvent, Usage
from projections import conversation as projection
from projections.session import Session

PAGE_EVENTS = 1_000


class ConversationStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What a session's messages add up to. `window_…`: the active window alone."""

    message_count: int = 0
    window_message_count: int = 0
    compaction_count: int = 0
    last_message_id: str | None = None
    last_role: str | None = None
    last_model: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cost: Decimal = Decimal(0)
    last_time: datetime | None = None
    summary: str | None = None


def decide_compact(
    key: str,
    events: Sequence[ConversationEvent],
    session: Session | None,
    conversation: projection.Conversation | None,
) -> Sequence[ConversationEvent]:
    """A window that holds messages can be compacted."""
    present(key, session)
    if conversation is None or not conversation.window_message_count:
        raise Refused(
            f"the active window of session {key!r} holds no message", hint="there is nothing to compact"
        )
    return events


class Conversations:
    """The conversations of the sessions a store may name."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def append(
        self,
        key: str,
        message: Mapping[str, Any],
        *,
        usage: Usage | Mapping[str, int] | None = None,
        cost: Decimal | int | str | None = None,
        model: str | None = None,
        message_id: str | None = None,
        parent_id: str | None = None,
        response_id: str | None = None,
        request_id: str | None = None,
        stop_reason: str | None = None,
        sidechain: bool = False,
        occurred_at: datetime | None = None,
        idempotency_key: str | None = None,
        durability: str | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt:
        """Append one message. Never conflicts; a session that does not exist is made by it.

        Args:
            message: a provider's message: at least `role`; all of it is kept.
            usage: the tokens this message adds: `Usage`, or a dict with its names.
            cost: what it adds to the bill, in US dollars, exactly: Decimal, int or text, no float.
            idempotency_key: a repeat returns the first Receipt with `duplicate` set.
            durability: "postgres" not to wait for the local copy; see Settings.
        Raises:
            BadInput: see `message.new_message`; and everything `Log.append` raises.
        """
        stream = self._scope.stream(SESSION, key, tenant)
        event = new_message(
            message, id=self._scope.log.ids.next(), usage=usage, cost=cost, model=model,
            message_id=message_id, parent_id=parent_id, response_id=response_id,
            request_id=request_id, stop_reason=stop_reason, sidechain=sidechain,
        )  # fmt: skip
        events = [self._scope.new(stream, event, meta, occurred_at)]
        return await self._scope.log.append(
            Command(events, idempotency_key=idempotency_key, durability=durability)
        )

    async def append_many(
        self,
        key: str,
        messages: Sequence[Mapping[str, Any]],
        *,
        model: str | None = None,
        idempotency_key: str | None = None,
        durability: str | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt:
        """Append several messages: all of them or none, next to each other, in this order."""
        stream = self._scope.stream(SESSION, key, tenant)
        events = []
        for message in messages:
            event = new_message(message, id=self._scope.log.ids.next(), model=model)
            events.append(self._scope.new(stream, event, meta))
        return await self._scope.log.append(
            Command(events, idempotency_key=idempotency_key, durability=durability)
        )

    async def load(self, key: str, last: int | None = None, *, tenant: str | None = None) -> list[Message]:
        """Return the active window: the messages since the last compaction or generation, oldest first.

        Args:
            last: only so many, the newest.
        A session that does not exist has an empty window.
        """
        stream = self._scope.stream(SESSION, key, tenant)
        if last is not None and last < 1:
            raise BadInput(f"last is {last} and must be at least 1")
        place = await self._scope.fetch("window", stream.tenant, key, of=stream)
        if not place:
            return []
        start, end = place[0]["window_start"], place[0]["version"]
        if last is None:
            return await self._messages(stream, start - 1, end)
        # Most events of a session are messages: look a little further back than `last`, then twice that.
        reach = 2 * last + 8
        while True:
            after = max(start - 1, end - reach)
            found = await self._messages(stream, after, end)
            if len(found) >= last or after == start - 1:
                return found[-last:]
            reach *= 2

    async def compact(
        self,
        key: str,
        summary: str | None = None,
        *,
        trigger: str | None = None,
        tokens_before: int | None = None,
        tokens_after: int | None = None,
        expected_version: int | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt:
        """Take all messages so far out of the active window; the archive keeps them.

        Args:
            summary: what stands for them from now on: it becomes the window's first message, with
                role "user" and `compact_summary` set.
            expected_version: of the last message that the summary covers. Without it, a message
                that came in between is hidden without having been summed up.
        Raises:
            NotFound, Refused: no such session; an empty window.
            Conflict: the session is not at `expected_version`.
        """
        stream = self._scope.stream(SESSION, key, tenant)
        events: list[ConversationEvent] = [
            ConversationCompacted(
                trigger=trigger, tokens_before=tokens_before, tokens_after=tokens_after, summary=summary
            )
        ]
        if summary is not None:
            first = {"role": "user", "content": summary}
            events.append(new_message(first, id=self._scope.log.ids.next(), compact_summary=True))

        def decide(session: Any, conversation: Any) -> Sequence[ConversationEvent]:
            return decide_compact(key, events, session, conversation)

        projections = ["sessions", "conversations"]
        if expected_version is None:
            receipt = await self._scope.decide(stream, projections, decide, meta=meta)
        else:
            receipt = await self._scope.decide_at(stream, expected_version, projections, decide, meta=meta)
        assert receipt is not None, "decide_compact returns events or raises"
        return receipt

    async def status(self, key: str, *, tenant: str | None = None) -> ConversationStatus:
        """Return counts and totals of a session's messages. Raises NotFound."""
        stream = self._scope.stream(SESSION, key, tenant)
        rows = await self._scope.fetch("conversation_status", stream.tenant, key, of=stream)
        if not rows:
            raise NotFound(f"there is no session {key!r}", hint="check key and tenant", key=key)
        return ConversationStatus(**{name: value for name, value in rows[0].items() if value is not None})

    async def _messages(self, stream: StreamId, after: int, until: int) -> list[Message]:
        found: list[Message] = []
        while after < until:
            page = await self._scope.log.read_stream(stream, after, min(PAGE_EVENTS, until - after))
            if not page:
                break
            found += [message for event in page if (message := read_message(event)) is not None]
            after = page[-1].version
        return found
