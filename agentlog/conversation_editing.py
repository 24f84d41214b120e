"""Changing what is in view of a conversation: edit, remove, pop, clear, rewind, save. The log keeps it all.

Each is decided on the window as Postgres has it, and appended only if nothing came in between; otherwise it
is decided again. What is decided is in conversation_changes.py.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Unpack

from agentlog.checks import check_list, check_number
from agentlog.conversation_changes import (
    Edits,
    Wanted,
    check_edit,
    decide_edit,
    decide_pop,
    decide_remove,
    decide_rewind,
    decide_save,
)
from agentlog.conversation_windows import Windows
from agentlog.errors import NotFound
from agentlog.message import Draft
from agentlog.scope import Scope
from eventlog.command import MAX_EVENTS_PER_COMMAND, Command, Receipt
from eventlog.envelope import StreamId, parse_time, us_to_time
from eventlog.errors import BadInput
from eventlog.events import SESSION, ConversationCleared, ConversationEvent
from eventlog.outcome import conflict
from projections.message import Message
from projections.window import Window

Decided = Sequence[tuple[ConversationEvent, Any]]  # events, each with its source's own time or None


class Editing:
    """What changes the conversations of the sessions a store may name.

    `expected_version`: the version the session must be at (`Receipt.versions`, `Session.version`); when it
    is elsewhere Conflict is raised and nothing is changed. Methods return the Receipt of what they
    appended, None for nothing.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._windows = Windows(scope, scope.log.settings.cached_messages_bytes_max)

    async def edit(
        self,
        key: str,
        message_id: str,
        *,
        clear: Sequence[str] = (),
        expected_version: int | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
        **edits: Unpack[Edits],
    ) -> Receipt | None:
        """Change a message that is in view.

        Args:
            clear: names of fields that are to have no value.
            edits: see `Edits`; None leaves a field as it is.
        Raises:
            NotFound: no such message is in view. BadInput, BadPayload: it cannot be so. Conflict.
        """
        stream = self._scope.stream(SESSION, key, tenant)
        clear = check_list(clear, "clear")
        self._scope.new(stream, check_edit(message_id, edits, clear), meta)
        return await self._decide(
            stream, lambda window: decide_edit(key, message_id, edits, clear, window), expected_version, meta
        )

    async def remove(
        self,
        key: str,
        message_ids: Sequence[str],
        reason: str | None = None,
        *,
        expected_version: int | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """Take messages out of view, all or none. Log and archive keep them. Raises NotFound, Conflict."""
        stream = self._scope.stream(SESSION, key, tenant)
        message_ids = check_list(message_ids, "message_ids")
        if not message_ids:
            raise BadInput("message_ids is [] and must be a list of at least one id")
        return await self._decide(
            stream, lambda window: decide_remove(key, message_ids, reason, window), expected_version, meta
        )

    async def pop(
        self,
        key: str,
        count: int = 1,
        reason: str | None = None,
        *,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> list[Message]:
        """Take the last messages out of view and return them, oldest first; fewer where there are no more."""
        stream = self._scope.stream(SESSION, key, tenant)
        check_number(count, "count", 1)
        popped: list[Message] = []

        def decide(window: Window) -> Sequence[ConversationEvent]:
            popped[:] = window.messages[-count:]
            return decide_pop(key, count, reason, window)

        await self._decide(stream, decide, None, meta)
        return popped

    async def clear(
        self,
        key: str,
        reason: str | None = None,
        *,
        expected_version: int | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """Take all messages out of view, within the same generation. None where there are none in view."""
        stream = self._scope.stream(SESSION, key, tenant)
        return await self._decide(
            stream,
            lambda window: [ConversationCleared(reason)] if window.messages else [],
            expected_version,
            meta,
        )

    async def rewind(
        self,
        key: str,
        message_id: str | None,
        reason: str | None = None,
        *,
        expected_version: int | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """Go on after a message of the current generation, in view or not; None: from the start.

        What came after it leaves the view, and is a branch from then on: rewinding to its end brings it
        back. Raises NotFound, Conflict.
        """
        stream = self._scope.stream(SESSION, key, tenant)

        async def load() -> Window | None:
            window = await self._windows.current(stream)
            if window is None or message_id is None or window.find(message_id) is not None:
                return window
            return await self.generation_window(stream)

        return await self._decide(
            stream,
            lambda window: decide_rewind(key, message_id, reason, window),
            expected_version,
            meta,
            load,
        )

    async def save(
        self,
        key: str,
        messages: Sequence[Message | Draft | Mapping[str, Any]],
        *,
        known_version: int | None = None,
        expected_version: int | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """Make the window these messages: what is new is appended, what differs edited, all in one append.

        Appends events only for what changed. A session that does not exist is made.

        Args:
            messages: in the order of the window, new ones at the end. A `Message` that was loaded, as it
                is or `changed`; a `Draft`; or a provider's dict, which says nothing of usage and the like.
                Ids tell which is which; one without an id is new.
            known_version: the version the caller had loaded: messages up to there that are not given any
                more are removed, all of them if none is given. Those that came later it cannot know
                of, and they stay. None: nothing is removed.
        Raises:
            BadInput, BadPayload: a message cannot be, is given twice, or stands in another order.
            Conflict: see the class.
        """
        stream = self._scope.stream(SESSION, key, tenant)
        wanted = [self._wanted(message) for message in check_list(messages, "messages")]
        if known_version is not None:
            check_number(known_version, "known_version")

        def decide(window: Window) -> Decided:
            return decide_save(key, wanted, known_version, window)

        for want in wanted:
            self._scope.new(stream, want.event, meta, want.occurred_at)
        async with self._scope.turn(stream):
            return await self._append_decided(stream, decide, expected_version, meta, self._or_new(stream))

    async def generation_window(self, stream: StreamId) -> Window:
        """Return the window with all of the current generation behind it, in view or not."""
        rows = await self._scope.fetch("generations", stream.tenant, stream.key, of=stream)
        return await self._windows.read(stream, rows[-1]["first_version"] - 1 if rows else 0)

    async def _decide(
        self,
        stream: StreamId,
        decide: Callable[[Window], Sequence[ConversationEvent]],
        expected_version: int | None,
        meta: dict[str, Any] | None,
        load: Callable[[], Awaitable[Window | None]] | None = None,
    ) -> Receipt | None:
        async def current() -> Window | None:
            return await self._windows.current(stream)

        def decided(window: Window) -> Decided:
            return [(event, None) for event in decide(window)]

        # One at a time here: side by side, all but one would only find out that they were too late.
        async with self._scope.turn(stream):
            return await self._append_decided(stream, decided, expected_version, meta, load or current)

    async def _append_decided(
        self,
        stream: StreamId,
        decide: Callable[[Window], Decided],
        expected_version: int | None,
        meta: dict[str, Any] | None,
        load: Callable[[], Awaitable[Window | None]],
    ) -> Receipt | None:
        async def attempt() -> Receipt | None:
            window = await load()
            if window is None:
                raise NotFound(
                    f"there is no session {stream.key!r}", hint="check key and tenant", key=stream.key
                )
            if expected_version is not None and window.version != expected_version:
                raise conflict(stream, expected_version, window.version)
            decided = decide(window)
            if not decided:
                return None
            if len(decided) > MAX_EVENTS_PER_COMMAND:
                raise BadInput(
                    f"{len(decided):,} changes of session {stream.key!r} are over the limit of"
                    f" {MAX_EVENTS_PER_COMMAND:,} for one append",
                    hint="save it in several calls",
                )
            events = [self._scope.new(stream, event, meta, time) for event, time in decided]
            return await self._scope.log.append(Command(events, {stream: window.version}))

        # Who named a version is told at once that it is another one.
        return await (self._scope.again(attempt) if expected_version is None else attempt())

    def _or_new(self, stream: StreamId) -> Callable[[], Awaitable[Window]]:
        async def load() -> Window:
            return await self._windows.current(stream) or Window()

        return load

    def _wanted(self, message: Message | Draft | Mapping[str, Any]) -> Wanted:
        if isinstance(message, Message):
            time = None if message.occurred_us is None else parse_time(us_to_time(message.occurred_us))
            return Wanted(message.exactly(), time)
        whole = isinstance(message, Draft)
        draft = message if isinstance(message, Draft) else Draft(message)
        return Wanted(draft.event(self._scope.log.ids.next()), draft.occurred_at, whole)
