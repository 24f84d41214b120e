"""Sessions, as examples: what happened, then what a session is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from msgspec import Raw

from eventlog.events import (
    NULL,
    AgentEvent,
    ConversationCompacted,
    GenerationStarted,
    MessageAppended,
    RecordKept,
    SessionCreated,
    SessionDeleted,
    SessionEnded,
    SessionUpdated,
    SummaryRecorded,
    TodosReplaced,
    raw,
)
from projections.columns import EARLIEST, LATEST
from projections.session import SESSIONS, Session
from tests.projections.given import Example
from tests.support.histories import unreadable

session = Example(SESSIONS)
MESSAGE = MessageAppended("1", "user", raw("hi"))


def test_a_created_session_is_active_and_has_what_was_given() -> None:
    """Every field of the event that the table has a column for."""
    session.when(
        SessionCreated("t", "a", "m", "plan", "parent", "codex", "/d", "main", "1.2", raw({"x": 1}))
    ).then(
        title="t", agent="a", model="m", mode="plan", state="active", parent="parent", source="codex",
        directory="/d", git_branch="main", tool_version="1.2", config=Raw(b'{"x":1}'),
        expires_at=None, error=None,
    )  # fmt: skip


@pytest.mark.parametrize(
    "event",
    [
        MESSAGE,
        RecordKept("codex", raw(1)),
        ConversationCompacted(),
        SummaryRecorded("s"),
        GenerationStarted(1, 0),
        TodosReplaced(()),
        SessionUpdated(),
        unreadable(MessageAppended),
        unreadable(SessionCreated),
        unreadable(SessionCreated, b"{}", schema=9),
    ],
    ids=lambda event: getattr(event, "type", type(event).__name__),
)
def test_the_first_event_of_any_kind_makes_the_session(event: AgentEvent) -> None:
    """Appending to a session that nobody created creates it; even if this release cannot read the event."""
    assert session.when(event).state == Session()


def test_a_session_ends() -> None:
    """And keeps what it was."""
    session.given(SessionCreated("t")).when(SessionEnded("bye")).then(state="ended", title="t")


def test_a_session_that_nobody_created_can_end_and_be_deleted() -> None:
    """It happened, so it counts."""
    session.when(SessionEnded()).then(state="ended")
    session.when(SessionDeleted()).then(state="deleted")


def test_creating_a_deleted_session_brings_it_back() -> None:
    """With what it was, where the new event does not say otherwise, and without its last error."""
    session.given(
        SessionCreated("t", "a"), SessionUpdated(error="boom"), SessionDeleted()
    ).when(SessionCreated(agent="b")).then(state="active", title="t", agent="b", error=None)  # fmt: skip


def test_ending_a_deleted_session_does_not_bring_it_into_sight() -> None:
    """A worker may report the end after somebody deleted the session."""
    session.given(SessionDeleted()).when(SessionEnded()).then_nothing_changes()


def test_updating_a_deleted_session_leaves_it_deleted_unless_a_state_is_given() -> None:
    """A late title must not resurrect it."""
    session.given(SessionDeleted()).when(SessionUpdated(title="late")).then(state="deleted", title="late")
    session.given(SessionDeleted()).when(SessionUpdated(state="active")).then(state="active")


def test_an_update_changes_what_is_given_and_nothing_else() -> None:
    """Absent is not empty."""
    session.given(SessionCreated("t", "a", config=raw(1))).when(
        SessionUpdated(title="", state="waiting", error="rate limited")
    ).then(title="", agent="a", state="waiting", error="rate limited", config=Raw(b"1"))


@pytest.mark.parametrize(
    "event",
    [SessionUpdated(), SessionUpdated(title="t"), SessionCreated("t"), MESSAGE, unreadable(SessionUpdated)],
    ids=lambda event: getattr(event, "type", type(event).__name__),
)
def test_what_says_nothing_new_writes_no_row(event: AgentEvent) -> None:
    """The very same object comes back; a message must not cost a row of `sessions`."""
    session.given(SessionCreated("t")).when(event).then_nothing_changes()


def test_a_message_on_a_deleted_session_leaves_it_deleted() -> None:
    """The conversation counts it; the session stays out of sight."""
    session.given(SessionDeleted()).when(MESSAGE).then_nothing_changes()


def test_times_are_kept_in_utc() -> None:
    """Whatever zone they came in: states are compared."""
    when = datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    expires_at = session.when(SessionCreated(expires_at=when)).state.expires_at
    assert (expires_at.isoformat(), expires_at.tzinfo) == ("2025-12-31T23:00:00+00:00", UTC)


@pytest.mark.parametrize(
    ("when", "kept"),
    [
        (datetime(9999, 12, 31, 23, 59, tzinfo=timezone(-timedelta(hours=14))), LATEST),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))), EARLIEST),
    ],
)
def test_times_at_the_ends_of_the_calendar_do_not_stop_a_fold(when: datetime, kept: datetime) -> None:
    """In UTC they would lie outside of what Python, and a reader of Postgres, can hold."""
    session.when(SessionCreated(expires_at=when)).then(expires_at=kept)


@pytest.mark.parametrize("parent", ["", "x" * 1025, "é" * 513])
def test_a_parent_no_session_can_have_is_left_out(parent: str) -> None:
    """The column is indexed, and an index refuses long text: the append would fail."""
    session.when(SessionCreated(parent=parent)).then(parent=None)


def test_a_config_does_not_keep_its_event_in_memory() -> None:
    """A writer caches states of 100,000 streams; a view of a 16 MiB event would hold all of it."""
    config = session.when(SessionUpdated(config=raw({"a": 1}))).state.config
    assert len(memoryview(config).obj) == len(b'{"a":1}')
    assert session.when(SessionUpdated()).state.config is NULL


def test_nul_is_shown_as_a_replacement_character() -> None:
    """Postgres text cannot hold it; a state that was stored and loaded is the one that was folded."""
    nul = SessionUpdated(title="a\x00\\u0000", config=raw({"\x00": "\\\x00"}))
    session.when(nul).then(title="a\ufffd\\u0000", config=Raw(b'{"\\ufffd":"\\\\\\ufffd"}'))
    session.given(nul).when(nul).then_nothing_changes()


def test_what_is_cleared_has_no_value_and_the_rest_stays() -> None:
    """A state cannot be cleared, and names of later releases mean nothing here."""
    session.given(SessionCreated("t", "a", config=raw(1), session_type="main", permissions=raw([]))).when(
        SessionUpdated(cleared=("title", "config", "permissions", "state", "mood"), agent="b")
    ).then(title=None, agent="b", config=NULL, permissions=NULL, state="active", session_type="main")


def test_what_is_given_and_cleared_at_once_is_given() -> None:
    """Total: an event may say both."""
    session.given(SessionCreated("t")).when(SessionUpdated(title="u", cleared=("title",))).then(title="u")


def test_an_update_can_give_another_parent() -> None:
    """And where it was imported from, which was only known at its creation before."""
    session.given(SessionCreated(parent="p")).when(
        SessionUpdated(parent="q", source="s", static_context_hash="9f")
    ).then(parent="q", source="s", static_context_hash="9f")
