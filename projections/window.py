"""The active window of a conversation: the messages in view, in order, folded from its events. No I/O.

A compaction, a clearing and a generation take all messages out of view. A removal takes some. Moving the head
to a message in view takes what came after it; to one out of view, it brings that message and all that it
follows into view instead. Nothing is lost by it: messages out of view can come back.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from eventlog.events import (
    ConversationCleared,
    ConversationCompacted,
    GenerationStarted,
    HeadMoved,
    MessageEdited,
    MessagesRemoved,
    event_type,
)
from projections.message import EDIT, MESSAGE, Message, exact_fields, read_message, read_said, with_edit

COMPACTED, CLEARED, STARTED, MOVED, REMOVED = map(
    event_type, (ConversationCompacted, ConversationCleared, GenerationStarted, HeadMoved, MessagesRemoved)
)
# The events that change a window; all others only count as versions.
TYPES = (MESSAGE, EDIT, COMPACTED, CLEARED, STARTED, MOVED, REMOVED)


class Window:
    """The messages in view after the events of a session's stream up to `version`.

    Attributes:
        start: version from which reading the stream gives this window.
        read_from: version from which it was read.
        version: of the last event that was taken in; the one before `start` at first.
        messages: in view, in order.
        hidden: of this generation and out of view, by id; as far as reading went back.
        head: id of the message that the next one follows; None: it begins the conversation.
        reaches_back: something was moved to that lies before `read_from`: read from further back.
        bytes: of the payloads it keeps in memory.
    """

    __slots__ = ("bytes", "head", "hidden", "messages", "reaches_back", "read_from", "start", "version")

    def __init__(self, after: int = 0) -> None:
        self.begin(after + 1)
        self.messages: list[Message] = []
        self.hidden: dict[str, Message] = {}
        self.head: str | None = None
        self.reaches_back = False
        self.bytes = 0

    def begin(self, version: int) -> None:
        """Say which event is the first to be taken in."""
        self.start = self.read_from = version
        self.version = version - 1

    def take(
        self,
        version: int,
        position: int,
        time_us: int,
        occurred_us: int | None,
        type: str,
        schema: int,
        encoding: str | None,
        data: Any,
    ) -> None:
        """Take in the next event.

        Raises FormatTooNew for one that concerns the window and cannot be read.
        """
        assert version == self.version + 1, "versions of a stream have no gaps"
        self.version = version
        if type == MESSAGE:
            said = read_message(schema, data, encoding, position)
            follows = self.head if said.parent_id is None else said.parent_id
            exact = None if encoding is None else exact_fields(data, encoding)
            self.messages.append(Message(said, follows, version, position, time_us, occurred_us, None, exact))
            self.bytes += len(data)
            if not said.sidechain:
                self.head = said.message_id
        elif type in TYPES:
            self._change(read_said(type, schema, data, encoding, position), version, encoding, data)

    def find(self, message_id: str) -> Message | None:
        """Return the message in view with that id; the latest, should several share it."""
        for message in reversed(self.messages):
            if message.message_id == message_id:
                return message
        return None

    def _change(self, event: Any, version: int, encoding: str | None, data: Any) -> None:
        match event:
            case MessageEdited():
                self._edit(event, version, exact_fields(data, encoding))
                self.bytes += len(data)
            case MessagesRemoved():
                self._remove(event)
            case HeadMoved():
                self._move(event)
            case _:
                self._hide(self.messages)
                if isinstance(event, GenerationStarted):
                    self.hidden.clear()
                self.messages, self.head, self.start = [], None, version

    def _edit(self, edit: MessageEdited, version: int, exact: dict[str, Any] | None) -> None:
        message = self.hidden.get(edit.message_id)
        if message is not None:
            self.hidden[edit.message_id] = with_edit(message, edit, version, exact)
        self.messages = [
            with_edit(message, edit, version, exact) if message.message_id == edit.message_id else message
            for message in self.messages
        ]

    def _remove(self, event: MessagesRemoved) -> None:
        gone = set(event.message_ids)
        before = {m.message_id: m.follows for m in self.messages if m.message_id in gone}

        def relinked(message: Message) -> Message:
            follows, steps = message.follows, 0
            while follows in before and steps <= len(before):  # a circle of parents must end
                follows, steps = before[follows], steps + 1
            return (
                message if follows == message.follows else msgspec.structs.replace(message, follows=follows)
            )

        self.messages = [relinked(m) for m in self.messages if m.message_id not in gone]
        self.hidden = {id: relinked(m) for id, m in self.hidden.items()}
        self.head = event.head_id

    def _move(self, event: HeadMoved) -> None:
        shown, target = self.messages, event.message_id
        if target is None:
            kept: list[Message] = []
        elif self.find(target) is not None:
            last = max(n for n, message in enumerate(shown) if message.message_id == target)
            kept = shown[: last + 1]
        else:
            kept = self.way_to(target, event.window_start)
            self.reaches_back |= not kept or event.window_start < self.read_from
        in_view = {id(message) for message in kept}
        self._hide(message for message in shown if id(message) not in in_view)
        for message in kept:
            self.hidden.pop(message.message_id, None)
        self.messages, self.head, self.start = kept, target, event.window_start

    def way_to(self, message_id: str, start: int = 1) -> list[Message]:
        """Return a message and all that it follows, the first one first; versions below `start` left out."""
        known = self.hidden | {message.message_id: message for message in self.messages}
        way: dict[str, Message] = {}
        at: str | None = message_id
        while at is not None and at not in way and at in known and known[at].version >= start:
            way[at] = known[at]
            at = known[at].follows
        return list(reversed(way.values()))

    def heads(self) -> list[Message]:
        """Return the messages that no other one follows: the ends of all branches, the oldest first."""
        known = self.hidden | {message.message_id: message for message in self.messages}
        followed = {message.follows for message in known.values()}
        ends = [message for id, message in known.items() if id not in followed]
        return sorted(ends, key=lambda message: message.version)

    def _hide(self, messages: Iterable[Message]) -> None:
        self.hidden.update((message.message_id, message) for message in messages)
