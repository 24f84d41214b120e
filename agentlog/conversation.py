"""Conversations: append messages, read the window, sum up, compact. Sessions as such are session.py's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from agentlog.checks import check_kind, check_list, check_number
from agentlog.conversation_changes import decide_compact, spent
from agentlog.conversation_editing import Editing
from agentlog.errors import NotFound, Refused
from agentlog.message import Draft, Message, new_message
from eventlog.command import Command, Receipt
from eventlog.envelope import NewEvent, StreamId
from eventlog.errors import BadInput
from eventlog.events import SESSION, ConversationCompacted, ConversationEvent, SummaryRecorded, Usage

# Where a message stands among those of its generation is known from these, right after it.
OBSERVED = ("conversations", "generations")


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


class MessageReceipt(Receipt, frozen=True):
    """Proof that messages stand in the log.

    Attributes:
        seq: place of the last of them among the messages of its generation, from 0.
        generation: which that is.
    """

    seq: int = 0
    generation: int = 0


class Compaction(msgspec.Struct, frozen=True, kw_only=True):
    """A compaction that was. Tokens and messages: before, after, and how many tokens were saved."""

    number: int
    trigger: str | None
    tokens_before: int | None
    tokens_after: int | None
    tokens_saved: int | None
    messages_before: int | None
    messages_after: int | None
    logical_parent_id: str | None
    message_id: str | None
    summary: str | None
    version: int
    time: datetime


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A summary: of a compaction, with its trigger and tokens, or by itself. `leaf_id`: how far it goes."""

    number: int
    summary: str
    trigger: str | None
    tokens_before: int | None
    tokens_after: int | None
    leaf_id: str | None
    version: int
    time: datetime


class Conversations(Editing):
    """The conversations of the sessions a store may name. Editing has what changes them."""

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
        compact_summary: bool = False,
        metadata: Any = None,
        environment: Any = None,
        occurred_at: datetime | None = None,
        expected_version: int | None = None,
        idempotency_key: str | None = None,
        durability: str | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> MessageReceipt:
        """Append one message. Never conflicts unless asked to; a session that does not exist is made by it.

        Args:
            message: a provider's message: at least `role`; all of it is kept. Other fields: see `Draft`.
            message_id: whether it was used before is not looked up. Of two messages with one id both stand,
                and `edit` and `remove` mean both.
            expected_version: the version the session must be at; 0: it must not exist.
            idempotency_key: a repeat returns the first Receipt with `duplicate` set.
            durability: "postgres" not to wait for the local copy; see Settings.
        Raises:
            BadInput: see `message.new_message`; Conflict; and everything `Log.append` raises.
        """
        stream = self._scope.stream(SESSION, key, tenant)
        event = new_message(
            message, id=self._scope.log.ids.next(), usage=usage, cost=cost, model=model,
            message_id=message_id, parent_id=parent_id, response_id=response_id,
            request_id=request_id, stop_reason=stop_reason, sidechain=sidechain,
            compact_summary=compact_summary, metadata=metadata, environment=environment,
        )  # fmt: skip
        events = [self._scope.new(stream, event, meta, occurred_at)]
        return await self._append(stream, events, expected_version, idempotency_key, durability)

    async def append_many(
        self,
        key: str,
        messages: Sequence[Mapping[str, Any] | Draft],
        *,
        model: str | None = None,
        expected_version: int | None = None,
        idempotency_key: str | None = None,
        durability: str | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> MessageReceipt:
        """Append several messages: all of them or none, next to each other, in this order.

        `model`: of those that do not name one. Otherwise as `append`.
        """
        stream = self._scope.stream(SESSION, key, tenant)
        events = []
        for message in check_list(messages, "messages"):
            draft = message if isinstance(message, Draft) else Draft(message)
            event = draft.event(self._scope.log.ids.next())
            if event.model is None and model is not None:
                event = msgspec.structs.replace(event, model=model)
            events.append(self._scope.new(stream, event, meta, draft.occurred_at))
        return await self._append(stream, events, expected_version, idempotency_key, durability)

    async def load(
        self, key: str, last: int | None = None, *, leaf: str | None = None, tenant: str | None = None
    ) -> list[Message]:
        """Return the active window: the messages in view, oldest first.

        Args:
            last: only so many, the newest.
            leaf: instead the way to that message of the current generation, in view or not: a branch.
        A session that does not exist has an empty window. What was loaded before is not fetched again.
        Raises NotFound: there is no message `leaf`; BadInput; FormatTooNew.
        """
        stream = self._scope.stream(SESSION, key, tenant)
        if last is not None:
            check_number(last, "last", 1)
        if leaf is not None:
            check_kind(leaf, str, "leaf", "the id of a message")
            way = (await self.generation_window(stream)).way_to(leaf)
            if not way:
                raise NotFound(
                    f"the current generation of session {key!r} has no message {leaf!r}",
                    hint="`conversation.heads` shows the ends of its branches",
                    key=leaf,
                )
            return way if last is None else way[-last:]
        if last is not None and not self._windows.keeps(stream):
            return await self._last(stream, last)
        window = await self._windows.current(stream)
        if window is None:
            return []
        return window.messages[-last:] if last is not None else list(window.messages)

    async def heads(self, key: str, *, tenant: str | None = None) -> list[Message]:
        """Return the ends of all branches of the current generation, the oldest first.

        The one that the next message follows is `Session.current_leaf_id`.
        """
        stream = self._scope.stream(SESSION, key, tenant)
        return (await self.generation_window(stream)).heads()

    async def compact(
        self,
        key: str,
        summary: str | None = None,
        *,
        trigger: str | None = None,
        tokens_before: int | None = None,
        tokens_after: int | None = None,
        tokens_saved: int | None = None,
        logical_parent_id: str | None = None,
        message_id: str | None = None,
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
            NotFound, Refused: no such session; an empty window. BadPayload: a negative count.
            Conflict: the session is not at `expected_version`.
        """
        stream = self._scope.stream(SESSION, key, tenant)
        if tokens_saved is None and tokens_before is not None and tokens_after is not None:
            tokens_saved = max(0, tokens_before - tokens_after)
        compacted = ConversationCompacted(
            trigger=trigger, tokens_before=tokens_before, tokens_after=tokens_after, summary=summary,
            tokens_saved=tokens_saved, message_id=message_id, logical_parent_id=logical_parent_id,
            messages_after=0 if summary is None else 1,
        )  # fmt: skip
        follows: list[ConversationEvent] = []
        if summary is not None:
            first = {"role": "user", "content": summary}
            follows.append(new_message(first, id=self._scope.log.ids.next(), compact_summary=True))
        self._scope.new(stream, compacted, meta)

        def decide(session: Any, conversation: Any) -> Sequence[ConversationEvent]:
            decide_compact(key, follows, session, conversation)
            told = {"messages_before": conversation.window_message_count}
            if logical_parent_id is None:
                told["logical_parent_id"] = conversation.last_message_id
            return [msgspec.structs.replace(compacted, **told), *follows]

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

    async def compactions(self, key: str, *, tenant: str | None = None) -> list[Compaction]:
        """Return a session's compactions, the oldest first."""
        stream = self._scope.stream(SESSION, key, tenant)
        return [
            Compaction(**row) for row in await self._scope.fetch("compactions", stream.tenant, key, of=stream)
        ]

    async def add_summary(
        self,
        key: str,
        summary: str,
        leaf_id: str | None = None,
        *,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt:
        """Record a summary of the conversation up to `leaf_id`, without hiding any of it."""
        stream = self._scope.stream(SESSION, key, tenant)
        event = self._scope.new(stream, SummaryRecorded(summary, leaf_id), meta)
        return await self._scope.log.append(Command([event]))

    async def summaries(self, key: str, *, tenant: str | None = None) -> list[Summary]:
        """Return a session's summaries, by compactions and recorded, the oldest first."""
        stream = self._scope.stream(SESSION, key, tenant)
        rows = await self._scope.fetch("summaries", stream.tenant, key, of=stream)
        return [Summary(**row) for row in rows]

    async def record_usage(
        self,
        key: str,
        usage: Usage | Mapping[str, int] | None = None,
        *,
        cost: Decimal | int | str | None = None,
        model: str | None = None,
        source: Any = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt:
        """Add tokens and money that no message accounts for to the session's totals. Raises BadInput."""
        stream = self._scope.stream(SESSION, key, tenant)
        if usage is None and cost is None:
            raise BadInput(f"nothing that session {key!r} spent was given", hint="give usage or cost")
        events = [self._scope.new(stream, event, meta) for event in spent(usage, cost, model, source)]
        return await self._scope.log.append(Command(events))

    async def _append(
        self,
        stream: StreamId,
        events: Sequence[NewEvent],
        expected_version: int | None,
        idempotency_key: str | None,
        durability: str | None,
    ) -> MessageReceipt:
        expected = {} if expected_version is None else {stream: expected_version}
        receipt = await self._scope.log.append(
            Command(events, expected, idempotency_key, durability, OBSERVED)
        )
        states = receipt.states
        if states is None:
            # A repeat, or an answer that was lost: the log tells which place it has.
            if stream not in receipt.versions:
                raise Refused(
                    f"idempotency key {idempotency_key!r} was used before, at position"
                    f" {receipt.first_position}, by a command without a message of {stream}",
                    hint="nothing was appended; give each message a key of its own",
                )
            version = receipt.versions[stream]
            rows = await self._scope.fetch("message_place", stream.tenant, stream.key, version, of=stream)
            seq, generation = rows[0]["seq"], rows[0]["generation"]
        else:
            generation = states["generations"].generation
            seq = states["conversations"].message_count - states["generations"].first_message - 1
        return MessageReceipt(
            receipt.first_position, receipt.last_position, receipt.versions, receipt.time,
            receipt.duplicate, None, seq, generation,
        )  # fmt: skip

    async def _last(self, stream: StreamId, last: int) -> list[Message]:
        """The newest messages in view of a session that is not kept: its whole window is not read."""
        place = await self._scope.fetch("window", stream.tenant, stream.key, of=stream)
        if not place:
            return []
        start, end = place[0]["window_start"], place[0]["version"]
        # Most events of a session are messages: look a little further back than `last`, then twice that.
        reach = 2 * last + 8
        while True:
            after = max(start - 1, end - reach)
            window = await self._windows.read(stream, after)
            if after == start - 1 or (len(window.messages) >= last and not window.reaches_back):
                return window.messages[-last:]
            reach *= 2
