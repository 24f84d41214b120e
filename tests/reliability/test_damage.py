"""A slice of `make damage`: some bits, truncations and places of each log, and some kinds of damage."""

from __future__ import annotations

import logging
from random import Random

import pytest

from eventlog.embedded.server import EmbeddedPostgres
from tests.reliability.damage import states
from tests.reliability.damage.__main__ import judge_flip
from tests.reliability.damage.mending import every_kind, try_kind
from tests.reliability.damage.oracle import FOUND, HARMLESS, judge, judge_truncation
from tests.reliability.damage.place import Place
from tests.reliability.damage.reference import Reference, references
from tests.support.postgres import fresh_schema

SEED = 7
LOGS = references(SEED)

# One of each sort; `make damage` does all of them, and every column of every projection table.
KINDS = [
    "events.stream_id changed", "events.position below 1", "events.position behind the head",
    "events 5 to 20 deleted", "streams.id changed", "head.log_id changed", "head.position to 10^15 changed",
    "idempotency_keys.first_position changed", "a block header in a later segment", "segment 2: index",
    "segment 1: a directory in its place", "HEAD: a directory in its place", "HEAD: one slot",
    "an older backup of Postgres", "both copies, at the same position",
]  # fmt: skip


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.ERROR)


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.name)
def test_a_flipped_bit_is_found_or_means_nothing(log: Reference):
    """Every 131st bit: 131 is prime, so that all fields are met."""
    for bit in range(0, states.bit_count(log), 131):
        for what, files in states.bits(log, bit, bit + 1):
            assert judge_flip(log, files) in (FOUND, HARMLESS), what


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.name)
def test_a_truncated_segment_is_found_by_either_witness_alone(log: Reference):
    """Every 31st byte; harmless is only what holds no event: a filler, a seal without a successor."""
    for number, (what, files) in enumerate(states.truncations(log)):
        if number % 31 == 0:
            assert judge_truncation(log, files) in (FOUND, HARMLESS), what


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.name)
def test_no_misplaced_block_or_file_or_burst_loses_an_event_in_silence(log: Reference):
    """Blocks and files lost, doubled, swapped, misdirected, stale; every tenth."""
    tried = [*states.blocks(log), *states.files(log, LOGS[0]), *states.sectors(log, Random(SEED), 512)]
    for what, files in [*tried[::10], *states.bursts(log, Random(SEED), 10)]:
        assert judge(log, files) in (FOUND, HARMLESS), what


async def test_damage_of_one_copy_is_named_and_mended_from_the_other(
    postgres_server: EmbeddedPostgres, tmp_path
):
    """Each kind on the log that the repair of the one before left."""
    place = Place(tmp_path / "data", postgres_server.connection, fresh_schema())
    await place.build()
    known = {kind.name: kind for kind in await every_kind(place)}
    problems = {name: await try_kind(place, known[name]) for name in KINDS}
    await place.drop()
    assert {name: found for name, found in problems.items() if found} == {}


def test_the_oracle_sees_an_event_that_is_lost_and_one_that_is_false():
    """Or nothing above would mean anything."""
    log = LOGS[0]
    newest = log.segments[-1]
    without = {path: content for path, content in log.older[-1].items() if not path.endswith("HEAD")}
    assert judge(log._replace(lines=log.lines[:-1]), log.files) == "an event was read that was never written"
    assert "lost in silence" in judge_truncation(log._replace(lines=[*log.lines, b"x"]), log.files)
    assert judge(log, without) == FOUND
    assert judge(log, {**log.files, newest: log.files[newest]}) == HARMLESS
