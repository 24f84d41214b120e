"""Verify in seconds, and the scrub that reads on in the background."""

from __future__ import annotations

import os

import pytest

import agentlog
from eventlog.errors import BadInput
from projections.catalog import INLINE, VIEWS_SQL
from replay.quick import verify_quick
from replay.scrub import Scrub
from replay.site import open_site, site_of
from tests.replay.support import SESSION, Spoiled, message


async def quick(spoiled: Spoiled) -> list[str]:
    """What a quick look at the closed store finds."""
    await spoiled.close()
    site = open_site(spoiled.data, spoiled.postgres, INLINE, [VIEWS_SQL], spoiled.settings)
    try:
        return [str(finding) for finding in await verify_quick(site)]
    finally:
        await site.reads.close()


async def test_a_healthy_store_has_no_finding_whatever_its_segments(spoiled: Spoiled):
    """Empty, of one file, of many."""
    log = await spoiled.log(segment_bytes_max=4096)
    assert await verify_quick(site_of(log, log.views_sql)) == []
    for n in range(8):
        await spoiled.append(SESSION, message(f"m{n}", os.urandom(600).hex()))
    await spoiled.fill()
    assert len(spoiled.segments()) > 1
    assert await verify_quick(site_of(log, log.views_sql)) == []
    assert await quick(spoiled) == []


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("DELETE FROM {schema}.events WHERE position = 7", "12 rows of events"),
        ("DELETE FROM {schema}.events WHERE position = 13", "12 stands as the last position"),
        ("UPDATE {schema}.head SET position = 12", "13 stands as the last position"),
        ("UPDATE {schema}.head SET chain = sha256(chain)", "the head keeps another chain"),
        ("UPDATE {schema}.head SET log_id = gen_random_uuid()", "the head belongs to log"),
        ("UPDATE {schema}.streams SET version = version + 1 WHERE key = 'a'", "add up to 14"),
        ("UPDATE {schema}.head SET projections = 'sessions:99'", "the store folds sessions:99"),
        ("UPDATE {schema}.events SET chain = sha256(chain) WHERE position = 13", "is not that in Postgres"),
    ],
)
async def test_what_heads_counts_and_boundaries_can_tell_is_told(spoiled: Spoiled, statement: str, told: str):
    """Without reading an event."""
    await spoiled.fill()
    await spoiled.close()
    await spoiled.behind_the_guards(statement)
    assert any(told in finding for finding in await quick(spoiled))


async def test_a_segment_that_is_missing_is_told(spoiled: Spoiled):
    """The next one does not begin where the one before it ends."""
    await spoiled.log(segment_bytes_max=4096)
    for n in range(12):
        await spoiled.append(SESSION, message(f"m{n}", os.urandom(600).hex()))
    await spoiled.close()
    first, second, *_ = spoiled.segments()
    second.rename(second.with_suffix(".away"))
    assert any("was to come" in finding for finding in await quick(spoiled))
    first.write_bytes(first.read_bytes()[:100])
    assert await quick(spoiled) != []


async def test_a_scrub_finds_in_a_round_what_differs_and_says_so_in_the_status(
    spoiled: Spoiled, monkeypatch: pytest.MonkeyPatch
):
    """Of an open store, while it is written to; what was mended is gone two rounds later."""
    await spoiled.fill()
    await spoiled.close()
    async with agentlog.open(
        spoiled.data, postgres=spoiled.postgres, settings=spoiled.settings, tenant=""
    ) as store:
        assert (await store.status()).scrub.events_per_s == 0
        scrub = store.start_scrub(100_000)
        assert await scrub.round() == []
        await spoiled.behind_the_guards(
            "UPDATE {schema}.events SET type = type || 'x' WHERE position = 5",
            "UPDATE {schema}.events SET chain = sha256(chain) WHERE position = 8",
        )
        await store.sessions.create("meanwhile")
        found = await scrub.round()
        assert [finding.first_position for finding in found] == [5]
        assert [str(one) for one in (await store.status()).scrub.findings] == [
            "copies: position 5: Postgres and the segments differ, or neither reads it"
        ]
        await spoiled.behind_the_guards("UPDATE {schema}.events SET type = left(type, -1) WHERE position = 5")
        assert [finding.first_position for finding in await scrub.round()] == [8]
        with pytest.raises(agentlog.errors.Refused, match="is running"):
            store.start_scrub(1)
        assert (await store.status()).scrub.events_per_s == 100_000
    assert scrub.state.events_per_s == 0


@pytest.mark.parametrize("rate", [0, -1, 1e7])
async def test_a_rate_that_cannot_be_is_refused(spoiled: Spoiled, rate: float):
    """0 is how a setting says that none runs; a scrub of no event would never end."""
    log = await spoiled.log()
    with pytest.raises(BadInput, match="cannot be"):
        Scrub(lambda: site_of(log, log.views_sql), log.clock, rate)
