"""Named queries about tokens and money, on a small history whose sums were worked out by hand.

| response | day | tenant, session | model | input | output | read | written | reasoning | cost |
|---|---|---|---|---|---|---|---|---|---|
| r1, over two messages | 1 | acme, a | m1 | 100 | 12 | 300 | 100 | 2 | 0.5 |
| r2 | 1 | acme, a | m2 | 10 | 1 | 0 | 0 | 0 | unknown |
| r1 | 2 | acme, b | m1 | 50 | 5 | 50 | 0 | 0 | 0.25 |
| r3 | 2 | (none), a | m1 | 40 | 4 | 0 | 0 | 0 | 1 |
| one without an id | 3 | acme, b | (none) | 0 | 7 | 0 | 0 | 0 | 0.125 |
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from eventlog.events import SessionCreated
from tests.projections.archive.asking import Ask, asking, at, said, used
from tests.projections.archive.history import History


@pytest.fixture(scope="module")
def history() -> History:
    history = History()
    history.say("a", SessionCreated(agent="coder"), tenant="acme")
    history.say("b", SessionCreated(agent="tester", parent="a"), tenant="acme")
    said(history, "a", at(1, "08:00:00"), tenant="acme", role="user")
    used(history, "a", at(1), (100, 7, 300, 100, 2), "0.5", response="r1", model="m1", tenant="acme")
    used(history, "a", at(1), (0, 5, 0, 0), response="r1", model="m1", tenant="acme")
    used(history, "a", at(1, "23:59:59"), (10, 1), response="r2", model="m2", tenant="acme")
    used(history, "b", at(2, "00:00:00"), (50, 5, 50), "0.25", response="r1", model="m1", tenant="acme")
    used(history, "a", at(2), (40, 4), "1", response="r3", model="m1")
    used(history, "b", at(3), (0, 7), "0.125", tenant="acme")
    return history


@pytest.fixture(scope="module")
def ask(history: History) -> Iterator[Ask]:
    with asking(history) as asked:
        yield asked


DAY = [date(2026, 11, day) for day in range(4)[1:]]


def test_days_sum_up_each_response_once(ask: Ask) -> None:
    """Also one that was split over messages; the day is UTC."""
    assert ask("tokens_by_day") == [
        (DAY[0], 1, 2, 110, 13, 300, 100, 2, Decimal("0.5"), 1),
        (DAY[1], 2, 2, 90, 9, 50, 0, 0, Decimal("1.25"), 0),
        (DAY[2], 1, 1, 0, 7, 0, 0, 0, Decimal("0.125"), 0),
    ]


def test_a_period_has_its_first_day_and_its_last(ask: Ask) -> None:
    """Both included, each alone as well."""
    assert [row[0] for row in ask("tokens_by_day", since=DAY[1])] == DAY[1:]
    assert [row[0] for row in ask("tokens_by_day", until=DAY[1])] == DAY[:2]
    assert [row[0] for row in ask("tokens_by_day", since="2026-11-02", until="2026-11-02")] == [DAY[1]]


def test_models_are_told_apart_and_an_unknown_cost_is_no_zero(ask: Ask) -> None:
    """NULL is not free of charge."""
    assert ask("tokens_by_model") == [
        ("m1", 3, 3, 190, 21, 350, 100, 2, Decimal("1.75"), 0),
        (None, 1, 1, 0, 7, 0, 0, 0, Decimal("0.125"), 0),
        ("m2", 1, 1, 10, 1, 0, 0, 0, None, 1),
    ]


def test_tenants_are_told_apart_though_sessions_have_one_key(ask: Ask, history: History) -> None:
    """Invariant 10, in sums."""
    assert ask("tokens_by_tenant") == [
        ("", 1, 1, 40, 4, 0, 0, 0, Decimal("1"), 0),
        ("acme", 2, 4, 160, 25, 350, 100, 2, Decimal("0.875"), 1),
    ]
    with asking(history, tenant="acme") as of_acme:
        assert of_acme("tokens_by_tenant") == [("acme", 2, 4, 160, 25, 350, 100, 2, Decimal("0.875"), 1)]


def test_agents_are_those_of_the_sessions(ask: Ask) -> None:
    """A session that nobody created has none."""
    assert ask("tokens_by_agent") == [
        ("", None, 1, 1, 40, 4, 0, 0, 0, Decimal("1"), 0),
        ("acme", "coder", 1, 2, 110, 13, 300, 100, 2, Decimal("0.5"), 1),
        ("acme", "tester", 1, 2, 50, 12, 50, 0, 0, Decimal("0.375"), 0),
    ]


def test_each_model_has_its_days(ask: Ask) -> None:
    """The sum of a day's rows is the day's row."""
    assert ask("tokens_by_day_and_model", until=DAY[1]) == [
        (DAY[0], "m1", 1, 1, 100, 12, 300, 100, 2, Decimal("0.5"), 0),
        (DAY[0], "m2", 1, 1, 10, 1, 0, 0, 0, None, 1),
        (DAY[1], "m1", 2, 2, 90, 9, 50, 0, 0, Decimal("1.25"), 0),
    ]


def test_the_hit_rate_is_what_was_read_of_all_input(ask: Ask) -> None:
    """350 of 640 with m1; 0 of 10 with m2; a response without input does not count."""
    assert ask("cache_hit_rate") == [("m1", 3, 190, 350, 100, 350 / 640), ("m2", 1, 10, 0, 0, 0.0)]


def test_the_hit_rate_of_a_day_has_that_days_responses(ask: Ask) -> None:
    """300 of 510, 50 of 140; nothing was put in on the third day."""
    assert ask("cache_hit_rate_by_day") == [
        (DAY[0], 2, 110, 300, 100, 300 / 510),
        (DAY[1], 2, 90, 50, 0, 50 / 140),
    ]


def test_totals_have_all_of_it_in_one_row(ask: Ask) -> None:
    """Seven messages in three sessions, one of which came from another."""
    assert ask("totals") == [
        (
            2, 3, 1, 7, 0, 5, 200, 29, 350, 100, Decimal("1.875"), 1,
            datetime(2026, 11, 1, 8, tzinfo=UTC), datetime(2026, 11, 3, 12, tzinfo=UTC),
        )
    ]  # fmt: skip
    [row] = ask("totals", since=DAY[1], until=DAY[1])
    assert row[:6] == (2, 2, 1, 2, 0, 2)
