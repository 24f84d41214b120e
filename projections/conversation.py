"""What a conversation adds up to: how many messages, tokens and how much money, and where its
active window begins. The messages themselves stay in the log.

`window_start` is the version of the event that opened the window: 1, or the latest compaction, clearing or
generation start; or where the head was moved to says otherwise. Reading the stream from there gives the
window (window.py), and also the compaction, with its summary.
"""

from __future__ import annotations

from decimal import Decimal
from typing import assert_never, get_args

import msgspec

from eventlog.events import (
    SESSION,
    ConversationCleared,
    ConversationCompacted,
    GenerationStarted,
    HeadMoved,
    MessageAppended,
    MessageEdited,
    MessagesRemoved,
    SummaryRecorded,
    Usage,
    UsageRecorded,
)
from projections.columns import add_cost, text
from projections.fold import Fold


class Conversation(msgspec.Struct, frozen=True, gc=False):
    """A row of `conversations`. The only row that an ordinary message writes.

    `last_message_id` is the head: what the next message follows. `last_role` is its role, None where the
    head is not the message that was appended last.
    """

    message_count: int = 0
    window_start: int = 1
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


ConversationChange = (
    MessageAppended
    | MessageEdited
    | MessagesRemoved
    | HeadMoved
    | ConversationCleared
    | ConversationCompacted
    | GenerationStarted
    | UsageRecorded
)


def evolve(conversation: Conversation, event: ConversationChange, version: int) -> Conversation:
    """Return the conversation after `event`, which has stream version `version`."""
    match event:
        case MessageAppended():
            return _with_message(conversation, event)
        case ConversationCompacted():
            return _with_window(conversation, version, conversation.compaction_count + 1)
        case GenerationStarted():
            return _with_window(conversation, version, conversation.compaction_count)
        case ConversationCleared():
            return _with_head(conversation, None, version, 0)
        case MessagesRemoved():
            left = max(0, conversation.window_message_count - len(event.message_ids))
            return _with_head(conversation, event.head_id, conversation.window_start, left)
        case HeadMoved():
            start = max(1, min(event.window_start, version))
            return _with_head(conversation, event.message_id, start, event.window_message_count)
        case MessageEdited() | UsageRecorded():
            return _with_spent(conversation, event)
    assert_never(event)


def _with_message(was: Conversation, message: MessageAppended) -> Conversation:
    """Count the message. A sidechain's is paid for as well, but is not the last of the conversation."""
    id, role, model, usage = was.last_message_id, was.last_role, was.last_model, message.usage
    if not message.sidechain:
        id, role = message.message_id, message.role
        model = model if message.model is None else message.model
        if "\x00" in id or "\x00" in role or (model and "\x00" in model):
            id, role, model = text(id), text(role), model and text(model)
    if usage is None:
        usage = _NO_USAGE
    # By position: msgspec.structs.replace takes three times as long, and this runs per message.
    return Conversation(
        was.message_count + 1,
        was.window_start,
        was.window_message_count + 1,
        was.compaction_count,
        id,
        role,
        model,
        was.input_tokens + usage.input_tokens,
        was.output_tokens + usage.output_tokens,
        was.cache_read_tokens + usage.cache_read_tokens,
        was.cache_write_tokens + usage.cache_write_tokens,
        was.reasoning_tokens + usage.reasoning_tokens,
        was.cost if message.cost is None else add_cost(was.cost, message.cost),
    )


def _with_window(was: Conversation, version: int, compaction_count: int) -> Conversation:
    return msgspec.structs.replace(
        was, window_start=version, window_message_count=0, compaction_count=compaction_count
    )


def _with_head(was: Conversation, head: str | None, start: int, count: int) -> Conversation:
    """The next message follows `head`. What was spent on messages out of view stays spent."""
    id = None if head is None else text(head)
    changed = msgspec.structs.replace(
        was,
        window_start=start,
        window_message_count=count,
        last_message_id=id,
        last_role=was.last_role if id == was.last_message_id else None,
    )
    return was if changed == was else changed


def _with_spent(was: Conversation, event: MessageEdited | UsageRecorded) -> Conversation:
    usage = event.usage or _NO_USAGE
    changed = msgspec.structs.replace(
        was,
        input_tokens=was.input_tokens + usage.input_tokens,
        output_tokens=was.output_tokens + usage.output_tokens,
        cache_read_tokens=was.cache_read_tokens + usage.cache_read_tokens,
        cache_write_tokens=was.cache_write_tokens + usage.cache_write_tokens,
        reasoning_tokens=was.reasoning_tokens + usage.reasoning_tokens,
        cost=was.cost if event.cost is None else add_cost(was.cost, event.cost),
    )
    return was if changed == was else changed


_NO_USAGE = Usage()

CONVERSATIONS = Fold(
    "conversations",
    version=2,
    kind=SESSION,
    state=Conversation,
    evolve=evolve,
    folds=get_args(ConversationChange),
    initial=Conversation(),
    unscanned=get_args(ConversationChange),
)


class Summary(msgspec.Struct, frozen=True, gc=False):
    """A row of `summaries`: one per summary, number 1 first.

    Not a column of `conversations`: a summary is long (15 KB is usual), and that row is written
    with every message.
    """

    number: int
    summary: str
    trigger: str | None = None
    tokens_before: int | None = None
    tokens_after: int | None = None
    leaf_id: str | None = None


def evolve_summary(
    latest: Summary | None, event: ConversationCompacted | SummaryRecorded, version: int
) -> Summary | None:
    """Return the latest summary after `event`. A compaction may come without one."""
    number = latest.number + 1 if latest else 1
    match event:
        case ConversationCompacted():
            if event.summary is None:
                return latest
            leaf, before, after = event.logical_parent_id, event.tokens_before, event.tokens_after
            return Summary(number, event.summary, event.trigger, before, after, leaf)
        case SummaryRecorded():
            return Summary(number, event.summary, leaf_id=event.leaf_id)
    assert_never(event)


SUMMARIES = Fold(
    "summaries",
    version=1,
    kind=SESSION,
    state=Summary,
    evolve=evolve_summary,
    folds=(ConversationCompacted, SummaryRecorded),
    row_key=("number",),
)


class Compaction(msgspec.Struct, frozen=True, gc=False):
    """A row of `compactions`: one per compaction, number 1 first. Its summary is in `summaries`."""

    number: int
    trigger: str | None = None
    tokens_before: int | None = None
    tokens_after: int | None = None
    tokens_saved: int | None = None
    messages_before: int | None = None
    messages_after: int | None = None
    logical_parent_id: str | None = None
    message_id: str | None = None


def evolve_compaction(latest: Compaction | None, event: ConversationCompacted, version: int) -> Compaction:
    """Return the compaction that `event` tells of."""
    return Compaction(
        latest.number + 1 if latest else 1,
        event.trigger,
        event.tokens_before,
        event.tokens_after,
        event.tokens_saved,
        event.messages_before,
        event.messages_after,
        event.logical_parent_id,
        event.message_id,
    )


COMPACTIONS = Fold(
    "compactions",
    version=1,
    kind=SESSION,
    state=Compaction,
    evolve=evolve_compaction,
    folds=(ConversationCompacted,),
    row_key=("number",),
)
