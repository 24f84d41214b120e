"""What is said in a session, and what stops being in view. On the session's stream.

`usage` is additive: the tokens this message adds to its API response. A response that a source
splits over several messages shares one `response_id`, and the sum counts it once.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec
from msgspec import Raw

from eventlog.events.fields import NULL, Count, Integer


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Tokens one message adds. Negative where a source corrects an earlier, higher figure."""

    input_tokens: Integer = 0
    output_tokens: Integer = 0
    cache_read_tokens: Integer = 0
    cache_write_tokens: Integer = 0
    reasoning_tokens: Integer = 0


class MessageAppended(msgspec.Struct, frozen=True, omit_defaults=True):
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


class ConversationCompacted(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything before this event left the active window; the archive keeps it."""

    trigger: str | None = None
    tokens_before: Count | None = None
    tokens_after: Count | None = None
    summary: str | None = None
    message_id: str | None = None
    logical_parent_id: str | None = None
    source: Raw = NULL


class SummaryRecorded(msgspec.Struct, frozen=True, omit_defaults=True):
    """Somebody summed the conversation up, without hiding any of it."""

    summary: str
    leaf_id: str | None = None
    source: Raw = NULL


ConversationEvent = MessageAppended | ConversationCompacted | SummaryRecorded
