"""What is said in a session, and what stops being in view. On the session's stream.

A message follows another one: its `parent_id`, or else the *head*, which is the latest message outside of
sidechains, unless `head_moved` named another. So messages are a graph, of which the window is one way.

`usage` is additive: the tokens this message adds to its API response. A response that a source
splits over several messages shares one `response_id`, and the sum counts it once.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec
from msgspec import Raw

from eventlog.events.fields import NULL, Count, Integer, LargeCount


class Usage(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Tokens one message adds. Negative where a source corrects an earlier, higher figure."""

    input_tokens: Integer = 0
    output_tokens: Integer = 0
    cache_read_tokens: Integer = 0
    cache_write_tokens: Integer = 0
    reasoning_tokens: Integer = 0


class MessageAppended(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A message was added to the conversation.

    `content` is what the provider or the source calls content, verbatim. `source` is the source's
    own record without what the other fields already hold.
    """

    message_id: str
    role: str
    content: Raw
    parent_id: str | None = None
    model: str | None = None
    response_id: str | None = None
    request_id: str | None = None
    stop_reason: str | None = None
    usage: Usage | None = None
    cost: Decimal | None = None
    sidechain: bool = False
    compact_summary: bool = False
    source: Raw = NULL
    metadata: Raw = NULL
    environment: Raw = NULL


class MessageEdited(msgspec.Struct, frozen=True, omit_defaults=True):
    """Some of a message's fields changed: those given, and those cleared, which are as if never given.

    `usage` and `cost` are what the edit adds to those of the message; negative where they become less.
    """

    message_id: str
    role: str | None = None
    content: Raw = NULL
    parent_id: str | None = None
    model: str | None = None
    response_id: str | None = None
    request_id: str | None = None
    stop_reason: str | None = None
    usage: Usage | None = None
    cost: Decimal | None = None
    sidechain: bool | None = None
    compact_summary: bool | None = None
    source: Raw = NULL
    metadata: Raw = NULL
    environment: Raw = NULL
    cleared: tuple[str, ...] = ()


class MessagesRemoved(msgspec.Struct, frozen=True, omit_defaults=True):
    """Messages left the active window one by one. `head_id`: what the next one follows."""

    message_ids: tuple[str, ...]
    head_id: str | None = None
    reason: str | None = None


class HeadMoved(msgspec.Struct, frozen=True, omit_defaults=True):
    """The conversation goes on after `message_id` (None: from the start); what came after leaves the window.

    `window_start` and `window_message_count` are the window's, as it is from now on.
    """

    window_start: LargeCount
    window_message_count: Count
    message_id: str | None = None
    reason: str | None = None


class ConversationCleared(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything before this event left the active window, and nothing stands for it."""

    reason: str | None = None


class UsageRecorded(msgspec.Struct, frozen=True, omit_defaults=True):
    """Tokens and money were spent outside of any message, or a source's totals say more than its messages."""

    usage: Usage | None = None
    cost: Decimal | None = None
    model: str | None = None
    source: Raw = NULL


class ConversationCompacted(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything before this event left the active window; the archive keeps it."""

    trigger: str | None = None
    tokens_before: LargeCount | None = None
    tokens_after: LargeCount | None = None
    summary: str | None = None
    message_id: str | None = None
    logical_parent_id: str | None = None
    source: Raw = NULL
    tokens_saved: LargeCount | None = None
    messages_before: Count | None = None
    messages_after: Count | None = None


class SummaryRecorded(msgspec.Struct, frozen=True, omit_defaults=True):
    """Somebody summed the conversation up, without hiding any of it."""

    summary: str
    leaf_id: str | None = None
    source: Raw = NULL


ConversationEvent = (
    MessageAppended
    | MessageEdited
    | MessagesRemoved
    | HeadMoved
    | ConversationCleared
    | ConversationCompacted
    | SummaryRecorded
    | UsageRecorded
)
