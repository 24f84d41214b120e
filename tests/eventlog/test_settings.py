"""Settings: defaults, ranges, and errors that name the setting."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from eventlog.errors import BadInput
from eventlog.settings import BATCH_BYTES_LIMIT, PRESETS, RETRIES_LIMIT, Settings


def test_the_default_is_durable_in_both_copies():
    """Invariant 2: a weaker choice is explicit."""
    assert Settings().durability == "both"


def test_settings_do_not_change():
    with pytest.raises(AttributeError):
        Settings().schema = "other"  # type: ignore[misc]


WRONG: list[tuple[str, Any]] = [
    ("durability", "none"),
    ("batch_events_max", 0),
    ("batch_events_max", 10_001),
    ("batch_bytes_max", 0),
    ("batch_bytes_max", BATCH_BYTES_LIMIT + 1),
    ("queue_commands_max", 0),
    ("compress_min_bytes", -1),
    ("zstd_level", 0),
    ("zstd_level", 20),
    ("segment_bytes_max", 4095),
    ("segment_age_max_s", 0.0),
    ("cached_streams_max", 0),
    ("cached_messages_bytes_max", -1),
    ("connect_timeout_s", 0.0),
    ("connect_timeout_s", math.inf),
    ("command_timeout_s", -1.0),
    ("command_timeout_s", math.nan),
    ("unavailable_wait_s", -0.1),
    ("unavailable_wait_s", math.nan),
    ("idempotency_ttl_s", 0.0),
    ("read_connections_max", 0),
    ("poll_interval_s", 0.0),
    ("scrub_events_per_s", -0.1),
    ("scrub_events_per_s", math.nan),
    ("read_connection_wait_s", 0.0),
    ("read_connection_idle_max_s", -1.0),
    ("read_connection_age_max_s", math.nan),
    ("retries_max", -1),
    ("retries_max", RETRIES_LIMIT + 1),
    ("retry_wait_s", 0.0),
    ("retry_wait_max_s", math.inf),
    ("archive_memory_bytes", 0),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_value_out_of_range_is_refused_by_name(name: str, value: Any):
    with pytest.raises(BadInput, match=name):
        Settings(**{name: value})


def test_every_number_has_a_refused_value():
    """A new setting comes with its range."""
    numbers = {field.name for field in msgspec.structs.fields(Settings) if field.type in (int, float)}
    assert {name for name, _ in WRONG} - {"durability"} == numbers


@pytest.mark.parametrize(
    "values",
    [
        {"durability": "postgres"},
        {"batch_events_max": 1, "batch_bytes_max": 1, "queue_commands_max": 1, "cached_streams_max": 1},
        {"batch_bytes_max": BATCH_BYTES_LIMIT, "zstd_level": 19, "segment_bytes_max": 4096},
        {"unavailable_wait_s": 0.0, "compress_min_bytes": 0},
    ],
)
def test_the_ends_of_the_ranges_are_accepted(values: dict[str, Any]):
    settings = Settings(**values)
    assert {name: getattr(settings, name) for name in values} == values


def test_a_preset_changes_defaults_a_later_one_wins_and_what_is_given_wins_over_both():
    found = Settings.preset("large", "high_throughput", batch_events_max=7)
    assert (found.cached_streams_max, found.read_connections_max) == (1_000_000, 32)
    assert found.batch_events_max == 7
    assert Settings.preset("high_throughput", "large").read_connections_max == 8
    assert Settings.preset() == Settings.preset("medium") == Settings()


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_within_the_ranges(name: str):
    assert Settings.preset(name).durability == "both"


def test_a_preset_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(BadInput, match=r"'huge' is not known; use small, medium, large, high_throughput"):
        Settings.preset("huge")
