"""What holds for every fold, over random histories: any cut, any state as JSON, any odd event."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventlog.envelope import NewEvent
from eventlog.events import DELIVERY, EVENT_TYPES, SESSION, UnknownEvent, decode_event
from eventlog.projection import InlineProjection, signature
from projections.catalog import INLINE
from projections.fold import Fold
from tests.projections.given import fold
from tests.projections.tables import folds_of
from tests.support.histories import kind_of, other_histories, session_histories, unreadable

each_fold = pytest.mark.parametrize("projection", INLINE, ids=lambda projection: projection.name)


def histories(projection: InlineProjection) -> st.SearchStrategy[list[NewEvent]]:
    return session_histories if projection.kind == SESSION else other_histories


@each_fold
@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_invariant_6_the_state_after_a_prefix_continues_to_the_same_state(
    projection: Fold[Any], data: st.DataObject
) -> None:
    """Wherever it was cut, and however often the state was stored and loaded as JSON on the way.

    This is what makes a cached state, a row, and a rebuild the same (invariant 6).
    """
    history = data.draw(histories(projection))
    cut = data.draw(st.integers(0, len(history)))
    whole = fold(projection, history)
    prefix = fold(projection, history[:cut])
    assert fold(projection, history[cut:], prefix, after=cut) == whole

    if prefix is not None:
        stored = msgspec.json.decode(msgspec.json.encode(prefix), type=projection.state)
        assert stored == prefix
        assert fold(projection, history[cut:], stored, after=cut) == whole


@each_fold
@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_a_fold_never_changes_a_state_it_was_given(projection: Fold[Any], data: st.DataObject) -> None:
    """States are cached and shared; an equal state is the same object, so that no row is written."""
    state = None
    for version, event in enumerate(data.draw(histories(projection)), start=1):
        if event.type not in projection.types:
            continue
        before = state and msgspec.json.encode(state)
        after = projection.evolve(state, event, version)
        assert (state and msgspec.json.encode(state)) == before
        assert after is state or after != state
        state = after


@each_fold
def test_no_event_of_any_shape_stops_a_fold(projection: Fold[Any]) -> None:
    """It is in the log; nobody can take it out."""
    for type in sorted(projection.types):
        for data in (b"{}", b"null", b"[]", b'"', b"", b"\xff", b"[" * 10_000):
            for schema in (0, 1, 2):
                for state in (None, projection.initial):
                    event = unreadable(EVENT_TYPES[type], data, schema)
                    projection.evolve(state, event, 1)


TIMES = ("at", "approved_at", "started_at", "completed_at")


@each_fold
def test_no_state_ever_holds_nul(projection: Fold[Any]) -> None:
    """Postgres text cannot, and a state that was loaded has to be the one that was folded."""
    texts = {"config": {"\x00": "\x00"}, "content": "\x00", "status": "completed"}
    for type in sorted(projection.types):
        data = {
            field.name: texts.get(field.name, "a\x00b") for field in msgspec.structs.fields(EVENT_TYPES[type])
        }
        # Fields that are no text take a value that fits.
        data |= {name: 1 for name in data if name in ("generation", "first_message", "priority", "lease_s")}
        data |= {
            name: 1
            for name in data
            if name.startswith(("tokens", "lane_r", "retries", "backoff", "turn"))
            or name.endswith(("_max", "_s"))
        }
        data |= dict.fromkeys(
            data.keys() & {"until", "poll_at", "tick", "first", "last"}, "2026-12-01T00:00:00Z"
        )
        data |= dict.fromkeys(data.keys() & {"until", "poll_at"}, "2026-12-01T00:00:00Z")
        data |= {name: 1 for name in data if name.startswith("tokens_")}
        data |= {name: 1 for name in data if name.startswith(("tokens_", "messages_", "window_"))}
        data |= {name: "2026-11-28T20:00:00Z" for name in data if name in ("run_at", "at")}
        data |= {name: ["a\x00b"] for name in data if name == "items"}
        for name in (
            "rollback",
            "session_version",
            "usage",
            "cost",
            "sidechain",
            "compact_summary",
            "expires_at",
            "created_at",
            "cleared",
            *TIMES,
            "timeout_at",
            "retry_at",
            "next_tick",
            "due_at",
            "paused",
            "message_ids",
        ):
            data.pop(name, None)
        if type == "schedules_replaced":
            data["schedules"] = ["a\x00b"]
        if type == "todos_replaced":
            data["todos"] = [dict.fromkeys(("content", "status", "active_form", "id"), "a\x00b")]
        if type == "messages_removed":
            data["message_ids"] = ["a\x00b"]
        event = unreadable(EVENT_TYPES[type], msgspec.json.encode(data))
        state = projection.evolve(None, event, 2)
        assert state is not None
        read = decode_event(type, 1, event.data, None)
        assert not isinstance(read, UnknownEvent), read
        assert b"\\u0000" not in msgspec.json.encode(state)


def test_every_event_is_folded_by_something_on_its_stream() -> None:
    """One that is not was forgotten in a catalog. Of deliveries there is no table: the log's keys are it."""
    folded = {(projection.kind, type) for projection in INLINE for type in projection.types}
    said = {(kind_of(event), type) for type, event in EVENT_TYPES.items()}
    assert folded <= said
    assert {kind for kind, _ in said - folded} == {DELIVERY}
    assert DELIVERY not in {kind for kind, _ in folded}


def test_an_ordinary_message_changes_one_row() -> None:
    """The others make theirs once and hand back the same object ever after."""
    events = [
        unreadable(EVENT_TYPES["message_appended"], b'{"message_id":"1","role":"user","content":1}')
    ] * 2
    changed = []
    for projection in folds_of(SESSION, "message_appended"):
        first = fold(projection, events[:1])
        if fold(projection, events[1:], first, after=1) is not first:
            changed.append(projection.name)
    assert changed == ["conversations"]


def test_a_fold_names_itself_and_what_it_folds() -> None:
    """In the error of a fold that failed, and in a debugger."""
    assert repr(INLINE[0]) == "<fold sessions:2 of session streams>"


def test_the_set_of_folds_and_versions_is_what_it_was() -> None:
    """A fold that gives other states needs another version, so that stores rebuild its table."""
    assert signature(INLINE).split(",") == [
        "aliases:1",
        "compactions:1",
        "conversations:2",
        "external_jobs:1",
        "generations:1",
        "grants:1",
        "key_values:1",
        "pairings:1",
        "plans:1",
        "queue_items:2",
        "schedule_lists:1",
        "schedules:1",
        "sessions:2",
        "summaries:1",
        "task_lanes:1",
        "tasks:1",
        "todo_lists:2",
    ]
