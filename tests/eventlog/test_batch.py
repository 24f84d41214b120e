"""Forming a batch: groups, order, deferral, verdicts that need no asking, rows. Pure."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventlog.batch import Batch, FoldFailed, Pending, StreamState, form_batch, unanswered
from eventlog.command import Command
from eventlog.envelope import NewEvent, StreamId
from tests.support.builders import (
    PROJECTIONS,
    STORY,
    Chapter,
    Tally,
    noted,
    said,
    saying,
    spoiled,
    story,
    turned,
)

A, B, C, D = (story(key) for key in "abcd")
FOLDS = {STORY: PROJECTIONS}
LOOP = asyncio.new_event_loop()
LOOP.close()


def pending(command: Command, tick: int = 1, *, wait: bool = True) -> Pending:
    made = Pending(command, command.check(), asyncio.Future(loop=LOOP), tick, wait)
    made.store(lambda data: (False, data))
    return made


def waiting(
    *events: NewEvent, expected: dict[StreamId, int] | None = None, tick: int = 1, **fields: Any
) -> Pending:
    return pending(Command(events, expected=expected or {}, **fields), tick)


def known(version: int, *, id: int = 7, confirmed: int = 0) -> StreamState:
    return StreamState(id, version, (Tally(version, "old"), Chapter(0, version)), confirmed)


def form(*commands: Pending, streams: dict[StreamId, StreamState] | None = None) -> Batch:
    return form_batch(commands, streams or {}, FOLDS)


def accepted(batch: Batch) -> list[Pending]:
    return [entry.pending for entry in batch.entries]


def groups(batch: Batch) -> dict[StreamId, int]:
    return {slot.stream: slot.group for slot in batch.slots}


def rows(batch: Batch) -> dict[str, list[dict[str, Any]]]:
    return {name: json.loads(text) for name, text in batch.rows_json().items()}


def test_commands_on_different_streams_are_groups_of_their_own():
    """One that is refused must not take the others with it."""
    assert groups(form(waiting(said(A)), waiting(said(B)), waiting(said(A)))) == {A: 1, B: 2}


def test_commands_that_share_a_stream_are_one_group_also_through_a_third():
    """Rows folded for a stream count all commands on it, so they stand or fall together."""
    batch = form(
        waiting(said(A)), waiting(said(B)), waiting(said(C)), waiting(said(B), said(C)), waiting(said(D))
    )
    assert groups(batch) == {A: 1, B: 2, C: 2, D: 4}


def test_a_stream_that_is_only_expected_joins_the_group_and_stays_where_it_is():
    batch = form(waiting(said(A), expected={B: 3}), streams={B: known(3)})
    assert groups(batch) == {A: 1, B: 1}
    assert [(slot.base.version, slot.version) for slot in batch.slots] == [(0, 1), (3, 3)]


def test_versions_go_on_from_what_is_known_in_the_order_of_the_commands():
    batch = form(waiting(said(A), said(B), said(A)), waiting(said(B)), streams={A: known(5)})
    places = zip(batch.event_slots, batch.versions, strict=True)
    assert [(slot.stream, version) for slot, version in places] == [(A, 6), (B, 1), (A, 7), (B, 2)]
    assert [(entry.ordinal, entry.slot) for entry in batch.entries] == [(1, 1), (4, 2)]


def test_a_command_may_expect_what_the_one_before_it_leaves():
    first, second = waiting(said(A), expected={A: 0}), waiting(said(A), expected={A: 1})
    assert accepted(form(first, second)) == [first, second]


def test_a_mismatch_is_a_conflict_only_when_it_was_confirmed_after_the_command_came():
    """What this process remembers may be old; the command may know better."""
    command = waiting(said(A), expected={A: 4}, tick=5)
    assert form(command, streams={A: known(3, confirmed=5)}).doubtful == [command]
    batch = form(command, streams={A: known(3, confirmed=6)})
    assert batch.conflicts == [(command, A, 4, 3)]
    assert not batch.entries
    assert not batch.doubtful


def test_an_unknown_stream_is_asked_for_before_anything_is_refused():
    command = waiting(said(A), expected={A: 4})
    assert form(command).doubtful == [command]


def test_a_mismatch_with_what_this_batch_changed_waits_for_the_verdict():
    """The command before it may yet be refused."""
    first, second = waiting(said(A)), waiting(said(A), expected={A: 0})
    batch = form(first, second)
    assert (accepted(batch), batch.deferred) == ([first], [second])


def test_nobody_overtakes_on_a_stream():
    """Order per stream, through streams that commands share."""
    doubtful = waiting(said(A), expected={A: 9})
    behind = waiting(said(A), said(B))
    further = waiting(noted(B))
    free = waiting(said(C))
    batch = form(doubtful, behind, further, free)
    assert batch.doubtful == [doubtful]
    assert batch.deferred == [behind, further]
    assert accepted(batch) == [free]


def test_who_comes_after_a_conflict_is_not_held_up():
    """A conflict is a final answer."""
    refused, after = waiting(said(A), expected={A: 9}), waiting(said(A))
    batch = form(refused, after, streams={A: known(3, confirmed=2)})
    assert [conflict[0] for conflict in batch.conflicts] == [refused]
    assert accepted(batch) == [after]


def test_equal_idempotency_keys_in_a_batch_share_one_result():
    first, repeat = (waiting(said(A), idempotency_key="k") for _ in range(2))
    batch = form(first, repeat)
    assert accepted(batch) == [first]
    assert first.followers == [repeat]
    assert list(batch.keys) == [("acme", "k")]


def test_a_repeat_is_answered_like_the_first_whatever_it_expects():
    """Who repeats "create it if it is not there" expects what was true the first time."""
    first, repeat = (waiting(said(A), expected={A: 0}, idempotency_key="k") for _ in range(2))
    assert accepted(form(first, repeat)) == [first]
    assert first.followers == [repeat]


def test_equal_keys_of_two_tenants_have_nothing_to_do_with_each_other():
    """Invariant 10."""
    mine, theirs = (
        waiting(said(A), idempotency_key="k"),
        waiting(said(story("a", "other")), idempotency_key="k"),
    )
    assert accepted(form(mine, theirs)) == [mine, theirs]


def test_a_repeat_that_waits_for_the_segment_does_not_follow_one_that_does_not():
    """Invariant 2: it would be told before it is durable twice."""
    eager = pending(saying(A, idempotency_key="k"), wait=False)
    patient = pending(saying(A, idempotency_key="k"))
    batch = form(eager, patient)
    assert batch.deferred == [patient]
    patient, eager = (
        pending(saying(A, idempotency_key="k")),
        pending(saying(A, idempotency_key="k"), wait=False),
    )
    form(patient, eager)
    assert patient.followers == [eager]


def test_a_batch_that_is_formed_again_does_not_collect_its_followers_twice():
    first, repeat = (waiting(said(A), idempotency_key="k") for _ in range(2))
    form(first, repeat)
    form(first, repeat)
    assert first.followers == [repeat]


def test_a_stream_has_one_row_per_table_and_key_the_newest():
    """With the first and the last event that made it."""
    batch = form(waiting(said(A, "one"), noted(A), said(A, "two")), waiting(said(A, "three")))
    assert rows(batch) == {
        "tallies": [{"s": 1, "f": 1, "l": 4, "version": 4, "count": 3, "last": "three"}],
        "chapters": [{"s": 1, "f": 1, "l": 4, "version": 4, "chapter": 0, "lines": 3}],
    }


def test_a_row_whose_key_changed_stays_as_it_was():
    batch = form(waiting(said(A), turned(A), said(A)), streams={A: known(2)})
    assert rows(batch)["chapters"] == [
        {"s": 1, "f": 1, "l": 1, "version": 3, "chapter": 0, "lines": 3},
        {"s": 1, "f": 2, "l": 3, "version": 5, "chapter": 1, "lines": 1},
    ]


def test_events_that_no_fold_wants_make_no_row():
    batch = form(waiting(noted(A)))
    assert batch.rows_json() == {}
    assert batch.versions == [1]


def test_what_is_known_is_not_changed_by_forming_a_batch():
    """It may be refused; the next one starts from the same knowledge."""
    streams = {A: known(3)}
    form(waiting(said(A)), streams=streams)
    assert (streams[A].version, streams[A].states) == (3, (Tally(3, "old"), Chapter(0, 3)))


@given(
    st.lists(st.sampled_from(["\x00", "\\u0000", "\\", "\\\\", "u0000", '"', "\n", "a", "\ufffd", "\x01"]))
)
def test_nul_becomes_the_replacement_character_in_rows_and_nothing_else_changes(pieces: list[str]):
    r"""Text columns cannot hold NUL. The six characters `\u0000` in a message are none."""
    text = "".join(pieces)
    batch = form(waiting(said(A, text)))
    assert rows(batch)["tallies"][0]["last"] == text.replace("\x00", "\ufffd")
    assert json.loads(batch.events[0].data) == {"text": text}


def test_a_fold_that_raises_names_its_command():
    good, bad = waiting(said(A)), waiting(said(B), spoiled(B))
    with pytest.raises(FoldFailed, match="not total") as failed:
        form(good, bad)
    assert failed.value.pending is bad
    assert isinstance(failed.value.error, RuntimeError)


def test_who_went_away_leaves_behind_those_who_sent_the_same_key():
    """They were only waiting for its answer."""
    first, repeat = (waiting(said(A), idempotency_key="k") for _ in range(2))
    form(first, repeat)
    first.future.cancel()
    assert unanswered([first]) == [repeat]
    repeat.future.cancel()
    assert unanswered([first]) == []


@st.composite
def commands(draw: Any) -> list[Pending]:
    streams = st.lists(st.sampled_from([A, B, C, D]), min_size=1, max_size=3)
    versions = st.dictionaries(st.sampled_from([A, B, C, D]), st.integers(0, 3), max_size=2)
    keys = st.none() | st.sampled_from(["k", "l"])
    return [
        pending(
            Command([said(s) for s in draw(streams)], expected=draw(versions), idempotency_key=draw(keys)),
            tick,
            wait=draw(st.booleans()),
        )
        for tick in range(draw(st.integers(1, 8)))
    ]


@given(
    commands(),
    st.dictionaries(st.sampled_from([A, B, C, D]), st.tuples(st.integers(1, 3), st.integers(0, 8))),
)
def test_every_command_goes_one_way_and_nobody_is_overtaken(
    those: list[Pending], where: dict[StreamId, tuple[int, int]]
):
    """Whatever was known, and whatever they expect."""
    streams = {stream: known(version, confirmed=tick) for stream, (version, tick) in where.items()}
    batch = form(*those, streams=streams)
    followers = [follower for first in accepted(batch) for follower in first.followers]
    conflicts = [entry[0] for entry in batch.conflicts]
    waits = batch.deferred + batch.doubtful
    ways = [accepted(batch), followers, conflicts, waits]
    assert sorted(p.tick for way in ways for p in way) == [p.tick for p in those]
    for held in waits:
        late = [p for p in accepted(batch) if p.tick > held.tick and set(p.streams) & set(held.streams)]
        assert not late
    for slot in batch.slots:
        own = [v for s, v in zip(batch.event_slots, batch.versions, strict=True) if s is slot]
        assert own == list(range(slot.base.version + 1, slot.version + 1))
    for entry in batch.entries:
        assert batch.events[entry.ordinal - 1] is entry.pending.command.events[0]
        own_groups = {slot.group for slot in batch.slots if slot.stream in entry.pending.streams}
        assert own_groups == {batch.group_of(entry)}


def test_data_is_made_what_postgres_is_to_have_once() -> None:
    """Also when its command is sent again: compressing takes longer than sending."""
    asked: list[bytes] = []
    command = Pending(Command([said(A), said(B)]), 1, asyncio.Future(loop=LOOP), 1, True)
    for _ in range(2):
        command.store(lambda data: (asked.append(data) is None, data[:1]))
    assert asked == [event.data for event in command.command.events]
    assert form(command).stored == [(True, data[:1]) for data in asked]
