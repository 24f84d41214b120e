"""Values are fitted into columns without ever refusing one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eventlog.envelope import MAX_KEY_BYTES
from projections.columns import EARLIEST, LATEST, add_cost, moment, opaque, stream_key
from tests.support.histories import times


@settings(deadline=None)
@given(st.lists(st.decimals(), max_size=20))
def test_a_sum_of_any_costs_is_a_number_that_postgres_takes(costs: list[Decimal]) -> None:
    """At most 38 digits before the point and 37 after it; NaN and infinities never get in."""
    total = Decimal(0)
    for cost in costs:
        total = add_cost(total, cost)
    assert total.is_finite()
    assert abs(total) < Decimal(10) ** 38
    exponent = total.as_tuple().exponent
    assert isinstance(exponent, int)
    assert exponent >= -37


@settings(deadline=None)
@given(times)
@example(datetime.max.replace(tzinfo=timezone(-timedelta(hours=14))))
@example(datetime.min.replace(tzinfo=timezone(timedelta(hours=14))))
def test_any_moment_can_be_shown_in_any_time_zone(when: datetime) -> None:
    """And survives JSON."""
    kept = moment(when)
    assert EARLIEST <= kept <= LATEST
    assert kept.tzinfo is UTC
    assert msgspec.json.decode(msgspec.json.encode(kept), type=datetime) == kept
    assert kept == when or not EARLIEST < when < LATEST


@settings(deadline=None)
@given(
    st.none() | st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(["x" * 1024, "é" * 513])
)
def test_a_stream_key_is_kept_exactly_or_not_at_all(text: str | None) -> None:
    """Cut off, it would be the key of another stream."""
    kept = stream_key(text)
    assert kept in (text, None)
    assert (kept is None) == (not text or len(text.encode()) > MAX_KEY_BYTES)


def test_a_text_alone_is_written_in_the_one_way_that_a_json_column_gives_back() -> None:
    """Otherwise a state that was loaded would differ from the one that was folded."""
    assert opaque(msgspec.Raw(b'"a\\u0041\\/\\n\\u001f\\ufffd"')) == msgspec.Raw(
        '"aA/\\n\\u001f\ufffd"'.encode()
    )
    for value in (b"1.10", b"null", b'{"a":"\\u0041","n":0.10}', b'["\\u0041"]', b"12345678901234567890"):
        assert opaque(msgspec.Raw(value)) == msgspec.Raw(value)
