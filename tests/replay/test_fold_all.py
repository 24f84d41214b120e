"""The fold of a whole log is that of each stream by each projection, however it is cut. No Postgres."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from eventlog.envelope import Event, NewEvent, StreamId, decode_lines, encode_line, us_to_time
from projections.catalog import INLINE
from replay import folding
from replay.fold_all import FoldAll
from replay.rebuild import rebuild
from tests.replay.support import Spoiled
from tests.support.histories import other_histories, session_histories


def logged(history: Sequence[NewEvent]) -> list[Event]:
    """Return events as the log has them: each with its position, version and time."""
    versions: Counter[StreamId] = Counter()
    lines = []
    for position, event in enumerate(history, 1):
        versions[event.stream] += 1
        lines.append(encode_line(event, position, versions[event.stream], us_to_time(position)))
    return list(decode_lines(b"".join(lines)))


def expected(events: Sequence[Event]) -> dict[str, dict[Any, tuple[int, int, int, bytes]]]:
    """Return (first position, last position, version, state) of each row by its key, folded one by one."""
    tables: dict[str, dict[Any, tuple[int, int, int, bytes]]] = {}
    for projection in INLINE:
        rows: dict[Any, tuple[int, int, int, bytes]] = tables.setdefault(projection.name, {})
        states: dict[StreamId, Any] = {}
        for event in events:
            stream, state = event.stream_id, states.get(event.stream_id)
            if stream.kind != projection.kind or event.type not in projection.types:
                continue
            after = states[stream] = projection.evolve(state, event, event.version)
            if after is not state:
                key = (stream, *(getattr(after, name) for name in projection.row_key))
                first = rows[key][0] if key in rows else event.position
                rows[key] = (first, event.position, event.version, msgspec.json.encode(after))
    return tables


def folded(fold: FoldAll) -> dict[str, dict[Any, tuple[int, int, int, bytes]]]:
    """Return the rows of a fold as `expected` does."""
    tables: dict[str, dict[Any, tuple[int, int, int, bytes]]] = {}
    for projection in INLINE:
        number = fold.projections_of(projection.kind).index(projection)
        tables[projection.name] = {
            (one.stream, *(getattr(row.state, name) for name in projection.row_key)): (
                row.first_position,
                row.last_position,
                row.version,
                msgspec.json.encode(row.state),
            )
            for one in fold.of_kind(projection.kind)
            for row in one.rows(number)
        }
        assert fold.count(projection) == len(tables[projection.name])
    return tables


@settings(deadline=None, max_examples=100)
@given(session_histories, other_histories, st.randoms(use_true_random=False), st.integers(1, 5))
def test_invariant_6_a_fold_of_the_log_is_that_of_each_stream_by_each_projection(
    sessions: list[NewEvent], others: list[NewEvent], chance: Any, size: int
) -> None:
    """It leaves out what events only begin once that is there; no row shows it."""
    history = [event for event in sessions + others if chance.random() < 0.9]
    chance.shuffle(history)
    events = logged(history)
    fold = FoldAll(INLINE)
    for at in range(0, len(events), size):
        fold.add(events[at : at + size])
    assert folded(fold) == expected(events)
    assert (fold.position, fold.events, fold.version_gaps) == (len(events), len(events), [])
    assert set(fold.streams) == {event.stream_id for event in events}


@settings(deadline=None, max_examples=50)
@given(session_histories, st.data())
def test_a_copy_stays_as_it_was_and_goes_on_by_itself(history: list[NewEvent], data: st.DataObject) -> None:
    """The past is kept in copies of one fold, which goes on."""
    events = logged(history)
    cut = data.draw(st.integers(0, len(events)))
    fold, other = FoldAll(INLINE), FoldAll(INLINE)
    fold.add(events[:cut])
    for one in fold.streams.values():
        other.put(one.copy(), cut)
    before = folded(fold)
    fold.add(events[cut:])
    assert folded(other) == before == expected(events[:cut])
    other.add(events[cut:])
    assert folded(other) == folded(fold) == expected(events)


def test_events_come_from_any_iterator() -> None:
    """A comparison hands them on one by one while it looks at them."""

    def none() -> Iterator[Event]:
        yield from ()

    fold = FoldAll(INLINE)
    fold.add(none())
    assert (fold.position, fold.events) == (0, 0)


async def test_a_rebuild_tells_how_far_it_is_and_that_it_is_done(spoiled: Spoiled, monkeypatch: Any) -> None:
    """After so many events, whatever the size of blocks; and at the end."""
    monkeypatch.setattr(folding, "EVENTS_AT_ONCE", 5)
    await spoiled.fill()
    told: list[int] = []
    log = await spoiled.log()
    report = await rebuild(
        log, progress=lambda what, done, total: told.append(done) if what == "fold" else None
    )
    assert told == sorted(told)
    assert told[-1] == report.position
    assert 1 < len(told) <= report.position // 5 + 1
