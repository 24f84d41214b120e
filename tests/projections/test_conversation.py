"""Conversations, as examples: what was said, then what it adds up to and where the window begins."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from eventlog.events import (
    ConversationCompacted,
    GenerationStarted,
    MessageAppended,
    RecordKept,
    SessionCreated,
    SummaryRecorded,
    Usage,
    raw,
)
from projections.conversation import CONVERSATIONS, SUMMARIES, Conversation, Summary
from tests.projections.given import Example
from tests.support.histories import unreadable

conversation = Example(CONVERSATIONS)
summaries = Example(SUMMARIES)


def said(id: str = "1", role: str = "user", **fields: Any) -> MessageAppended:
    return MessageAppended(id, role, raw("hi"), **fields)


def test_messages_are_counted_and_the_last_one_is_known() -> None:
    """The model is the last that a message named: users' messages name none."""
    conversation.when(said("1"), said("2", "assistant", model="m1"), said("3")).then(
        message_count=3,
        window_message_count=3,
        window_start=1,
        last_message_id="3",
        last_role="user",
        last_model="m1",
    )


def test_tokens_and_costs_add_up() -> None:
    """Usage is additive; a source that corrects a figure sends a negative difference."""
    conversation.when(
        said(usage=Usage(10, 20, 30, 40, 5), cost=Decimal("0.01")),
        said(usage=Usage(1, -2, 3, 4, 5), cost=Decimal("0.02")),
        said(),
    ).then(
        input_tokens=11, output_tokens=18, cache_read_tokens=33, cache_write_tokens=44, reasoning_tokens=10,
        cost=Decimal("0.03"),
    )  # fmt: skip


@pytest.mark.parametrize("cost", ["NaN", "sNaN", "Infinity", "-Infinity", "1E+40", "1E+999999"])
def test_a_cost_that_is_no_amount_counts_as_nothing(cost: str) -> None:
    """Written by another hand than `new`, which refuses it. The sum must stay a number Postgres takes."""
    data = b'{"message_id":"1","role":"user","content":1,"cost":"%b"}' % cost.encode()
    conversation.given(said(cost=Decimal("0.5"))).when(unreadable(MessageAppended, data)).then(
        message_count=2, cost=Decimal("0.5")
    )


def test_a_cost_too_small_for_a_column_counts_as_nothing() -> None:
    """Postgres takes 16,383 digits after the point."""
    conversation.when(said(cost=Decimal("1E-20000")), said(cost=Decimal("0.1"))).then(cost=Decimal("0.1"))


def test_costs_add_up_exactly() -> None:
    """Money is no float."""
    conversation.when(*[said(cost=Decimal("0.1"))] * 10).then(cost=Decimal("1.0"))


def test_a_sidechain_counts_but_is_never_the_last_message() -> None:
    """What a sub-agent says is paid for, and the main thread goes on where it was."""
    conversation.given(said("1", model="m")).when(
        said("2", "assistant", model="small", sidechain=True, usage=Usage(output_tokens=7))
    ).then(message_count=2, output_tokens=7, last_message_id="1", last_role="user", last_model="m")


def test_a_compaction_opens_a_new_window_at_its_own_version() -> None:
    """Reading the stream from window_start gives the compaction, with its summary, and what follows."""
    conversation.given(said("1"), said("2")).when(ConversationCompacted("auto")).then(
        window_start=3, window_message_count=0, compaction_count=1, message_count=2, last_message_id="2"
    )
    conversation.given(said("1"), ConversationCompacted()).when(said("3")).then(
        window_start=2, window_message_count=1, message_count=2
    )


def test_a_generation_opens_a_new_window_and_keeps_the_sums() -> None:
    """`/new` starts over; what was spent stays spent."""
    conversation.given(said(cost=Decimal(1)), ConversationCompacted()).when(GenerationStarted(1, 1)).then(
        window_start=3, window_message_count=0, compaction_count=1, message_count=1, cost=Decimal(1)
    )


def test_a_compaction_before_any_message_counts() -> None:
    """It happened: an imported transcript may begin with one."""
    assert conversation.when(ConversationCompacted()).state == Conversation(
        window_start=1, compaction_count=1
    )


def test_versions_of_other_events_count_in_the_stream() -> None:
    """Window and versions are of the stream, which has other events too."""
    conversation.given(SessionCreated(), said(), RecordKept("s", raw(1))).when(ConversationCompacted()).then(
        window_start=4
    )


def test_a_message_that_cannot_be_read_is_not_counted() -> None:
    """A newer release wrote it; `verify` of that release counts it."""
    conversation.given(said()).when(unreadable(MessageAppended, schema=9)).then_nothing_changes()
    assert conversation.when(unreadable(MessageAppended)).state == Conversation()


def test_a_message_that_travels_encoded_is_counted() -> None:
    """Lone surrogates and deep nesting in the content do not hide the usage."""
    message = MessageAppended("\ud800", "user", raw({"a": "\udfff"}), usage=Usage(3), source=raw(1))
    conversation.when(message).then(message_count=1, input_tokens=3, last_message_id="\ufffd")


def test_the_fold_does_not_touch_a_sessions_other_events() -> None:
    """Only one row is written per message, and none per anything else."""
    assert not CONVERSATIONS.types & {"session_created", "session_updated", "todos_replaced", "record_kept"}


def test_summaries_are_numbered() -> None:
    """By compactions and by themselves alike; the table keeps each."""
    history = summaries.when(
        ConversationCompacted("auto", 100, 10, "first", "m", "leaf"), SummaryRecorded("second", "leaf2")
    )
    assert summaries.when(history.events[0]).state == Summary(1, "first", "auto", 100, 10, "leaf")
    assert history.state == Summary(2, "second", None, None, None, "leaf2")


def test_a_compaction_without_a_summary_leaves_the_latest() -> None:
    """Claude Code writes the summary as the next message."""
    summaries.given(SummaryRecorded("s")).when(ConversationCompacted("auto")).then_nothing_changes()
    summaries.when(ConversationCompacted("auto")).then_there_is_no_row()
    summaries.when(unreadable(SummaryRecorded)).then_there_is_no_row()
