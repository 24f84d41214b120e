"""Schedules: each tick once over any number of hosts, and nothing brings back what was paused or deleted."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from agentlog.errors import BadIdentifier, BadInput, BadPayload, Conflict, NotFound
from agentlog.schedule_definition import Definition
from agentlog.schedule_firing import Firing, body_of
from eventlog.envelope import StreamId
from eventlog.events import QUEUE_ITEM, SCHEDULE
from tests.support.queries import plan_of

T0 = datetime(2026, 12, 1, tzinfo=UTC)


def at(minutes):
    return T0 + timedelta(minutes=minutes)


@pytest.fixture
def schedules(store):
    return store.schedule


async def hourly(schedules, id="s", **more):
    return await schedules.set(id, "0 * * * *", {"do": id}, now=T0, **more)


async def test_a_tick_puts_its_work_into_the_queue(store, schedules):
    """With the body to the digit, and where it came from in the item's meta."""
    body = {"text": "a\x00", "n": 12345678901234567890}
    await schedules.set("s", "0 * * * *", body, session="main", priority=7, now=T0)
    assert await schedules.fire(now=at(59)) == []
    [fired] = await schedules.fire(now=at(60))
    assert (fired.schedule, fired.tick) == ("s", at(60))
    assert await schedules.fire(now=at(61)) == []

    [event] = await store.log.read_stream(StreamId("", QUEUE_ITEM, fired.item))
    assert event.value == {"body": body, "session": "main", "priority": 7}
    assert event.metadata == {"schedule": "s", "tick": "2026-12-01T01:00:00+00:00"}
    one = await schedules.get("s")
    assert (one.next_tick, one.last_tick, one.last_item, one.fired) == (at(120), at(60), fired.item, 1)
    assert one.body == body


async def test_each_tick_fires_once_over_many_hosts_without_a_leader(open_store, store):
    """Three hosts fire six schedules through ten hours, all at once: 60 ticks, 60 items."""
    for n in range(6):
        await hourly(store.schedule, f"s{n}")
    fired = []
    async with open_store("second") as second, open_store("third") as third:
        for hour in range(1, 11):
            answers = await asyncio.gather(
                *(host.schedule.fire(now=at(60 * hour)) for host in (store, second, third, store))
            )
            fired += [(one.schedule, one.tick) for answer in answers for one in answer]
    assert sorted(fired) == sorted((f"s{n}", at(60 * hour)) for n in range(6) for hour in range(1, 11))
    assert (await store.queue.status())["pending"] == 60
    assert await store.verify() == []


async def test_a_run_in_flight_never_brings_back_a_job_that_was_just_disabled_s2_did(store, schedules):
    """S2's run wrote the job back as it had read it. Here the run was decided on a version that is gone."""
    for id, disable in (("paused", schedules.pause), ("deleted", schedules.delete)):
        await hourly(schedules, id)
        [row] = await store._scope.fetch("schedules_due", "", at(60), 10)
        bodies = await schedules._bodies("", [row])
        await disable(id)
        before = (await store.log.head()).position
        assert await schedules._fire(row, bodies[id], None) is None
        assert (await store.log.head()).position == before
        assert await schedules.fire(now=at(10**6)) == []
    assert (await schedules.get("paused")).paused
    assert await schedules.get("deleted") is None
    assert (await store.queue.status())["pending"] == 0


async def test_overlap_looks_at_the_work_of_the_tick_before(store, schedules):
    """Skip and replace until it is done; what replaced work was is cancelled in the same command."""
    await hourly(schedules, "skip", overlap="skip")
    await hourly(schedules, "replace", overlap="replace")
    first = {one.schedule: one.item for one in await schedules.fire(now=at(60))}
    [second] = await schedules.fire(now=at(120))
    assert second.schedule == "replace"
    statuses = {item.id: item.status for item in await store.queue.list()}
    assert statuses == {first["skip"]: "pending", first["replace"]: "cancelled", second.item: "pending"}
    assert ((await schedules.get("skip")).skipped, (await schedules.get("skip")).last_tick) == (1, at(120))

    await store.queue.cancel(first["skip"])
    assert {one.schedule for one in await schedules.fire(now=at(180))} == {"skip", "replace"}


async def test_what_was_missed_is_caught_up_with(schedules):
    """A day without a host, by each policy; then everything is on time again."""
    for policy in ("skip", "once", "all"):
        await hourly(schedules, policy, catch_up=policy, catch_up_max=5)
    fired = await schedules.fire(now=at(24 * 60 + 30))
    count = {policy: sum(one.schedule == policy for one in fired) for policy in ("skip", "once", "all")}
    assert count == {"skip": 0, "once": 1, "all": 5}
    assert len({one.tick for one in fired if one.schedule == "all"}) == 5
    assert len(await schedules.fire(now=at(25 * 60))) == 3


async def test_setting_a_schedule_keeps_a_tick_that_is_due(schedules):
    """Unless its times are others. And paused it stays, unless the call says otherwise."""
    await hourly(schedules)
    await schedules.set("s", "0 * * * *", "new", now=at(60.5))
    [fired] = await schedules.fire(now=at(60.9))
    assert fired.tick == at(60)
    await schedules.set("s", "30 * * * *", "new", now=at(120.5))
    assert (await schedules.get("s")).next_tick == at(150)
    await schedules.pause("s")
    assert await schedules.pause("s") is None
    await schedules.set("s", "* * * * *", "newer", now=at(121))
    assert (await schedules.get("s")).paused
    assert await schedules.upcoming("s", 2, now=at(0)) == [at(1), at(2)]
    await schedules.resume("s", now=at(200))
    assert await schedules.resume("s") is None
    assert (await schedules.get("s")).next_tick == at(201)
    await schedules.set("s", "* * * * *", paused=True)
    assert (await schedules.get("s")).next_tick is None
    await schedules.set("s", "* * * * *", paused=False, now=at(0))
    assert (await schedules.get("s")).next_tick == at(1)


async def test_work_can_be_had_out_of_turn(store, schedules):
    """Also of what is paused; its ticks stay where they are."""
    await hourly(schedules, session="main")
    await schedules.pause("s")
    item = await schedules.trigger("s", meta={"actor": "ada"})
    [event] = await store.log.read_stream(StreamId("", QUEUE_ITEM, item))
    assert event.metadata == {"schedule": "s", "actor": "ada"}
    assert ((await schedules.get("s")).fired, (await schedules.get("s")).last_tick) == (1, None)
    await schedules.delete("s")
    assert await schedules.delete("s") is None
    with pytest.raises(NotFound, match="it was deleted"):
        await schedules.trigger("s")


async def test_a_whole_set_is_replaced_at_once_or_not_at_all(store, schedules):
    """What is equal is left alone, so that a tick that is due stays so."""
    for id in ("kept", "changed", "gone"):
        await hourly(schedules, id)
    kept = Definition(cron="0 * * * *", body={"do": "kept"})
    changed = Definition(cron="30 * * * *", body=1)
    before = (await store.log.head()).position
    for bad in (Definition(cron="nonsense"), Definition(cron="@daily", priority="high")):
        with pytest.raises((BadInput, BadPayload), match="schedule 'bad'"):
            await schedules.replace({"kept": kept, "bad": bad})
    assert (await store.log.head()).position == before

    receipt = await schedules.replace({"kept": kept, "changed": changed, "new": changed}, now=T0)
    assert receipt.last_position - receipt.first_position == 3  # changed, new, gone, and the list
    assert [one.id for one in await schedules.list()] == ["changed", "kept", "new"]
    assert (await schedules.get("changed")).next_tick == at(30)
    assert [one.schedule for one in await schedules.fire(now=at(60.5))] == ["changed", "new", "kept"]
    await schedules.replace({})
    assert await schedules.list() == []


async def test_of_two_sets_that_are_put_in_place_at_once_one_remains_whole(open_store, store):
    """Never a mix: each decides on the list as it stands, and is decided again when it moved."""
    sets = [{f"{name}{n}": Definition(cron="@daily", body=name) for n in range(3)} for name in "abcd"]
    async with open_store("other") as other:
        await asyncio.gather(
            *(
                host.schedule.replace(one)
                for host, one in zip((store, other, store, other), sets, strict=True)
            )
        )
    left = {one.id for one in await store.schedule.list()}
    assert left in [set(one) for one in sets]
    with pytest.raises(NotFound, match="'z'"):
        await store.schedule.change({}, ["z"])


async def test_schedules_are_listed_page_by_page(schedules):
    """In order of their ids."""
    for id in ("b", "a", "c:d", "a:b"):
        await hourly(schedules, id)
    assert [one.id for one in await schedules.list()] == ["a", "a:b", "b", "c:d"]
    assert [one.id for one in await schedules.list(limit=2, after="a")] == ["a:b", "b"]
    await schedules.pause("a")
    await schedules.fire(now=at(60))
    assert (await schedules.status()) == {"schedules": 4, "paused": 1, "due": 0, "fired": 3, "skipped": 0}


async def test_what_is_due_is_found_by_its_index(store):
    """Among however many schedules that are not."""
    plan = await plan_of(store.log, "schedules_due", "", "2026-12-01 00:00:00+00", 10)
    assert "using schedules_due" in plan


async def test_a_store_that_runs_fires_what_is_due(schedules):
    """By Postgres' clock: a tick of before that is caught up with comes at once."""
    await schedules.set("s", "* * * * *", 1, now=datetime.now(UTC) - timedelta(hours=1))
    async for fired in schedules.run(interval_s=0.01):
        assert fired.schedule == "s"
        break
    assert (await schedules.get("s")).fired == 1


async def test_a_body_that_this_release_cannot_read_is_fired_by_none_of_its_hosts(store, schedules):
    """A later release set it; its own hosts fire it."""
    await hourly(schedules)
    [event] = await store.log.read_stream(StreamId("", SCHEDULE, "s"))
    assert bytes(body_of(event)) == b'{"do":"s"}'
    assert (
        await Firing._fire(
            schedules, (await store._scope.fetch("schedules_due", "", at(60), 1))[0], None, None
        )
        == []
    )
    assert (await schedules.get("s")).fired == 0


async def test_invalid_input_is_refused_by_its_name_and_changes_nothing(store, schedules):
    """At each entry point."""
    await hourly(schedules)
    set_ = schedules.set
    naive = datetime(2026, 12, 1)
    calls = [
        (lambda: set_("", "@daily"), BadIdentifier, "id is empty"),
        (lambda: set_("s", "nonsense"), BadInput, "nonsense"),
        (lambda: set_("s", "@daily", time_zone="Mars"), BadInput, "Mars"),
        (lambda: set_("s", "@daily", catch_up="never"), BadInput, "catch_up 'never'"),
        (lambda: set_("s", "@daily", catch_up_max=0), BadInput, "catch_up_max 0"),
        (lambda: set_("s", "@daily", catch_up_max=101), BadInput, "catch_up_max 101"),
        (lambda: set_("s", "@daily", overlap="maybe"), BadInput, "overlap 'maybe'"),
        (lambda: set_("s", "@daily", late_s=-1), BadInput, "late_s -1"),
        (lambda: set_("s", "@daily", jitter_s=True), BadInput, "jitter_s True"),
        (lambda: set_("s", "@daily", priority=2**31), BadPayload, "priority"),
        (lambda: set_("s", "@daily", paused="yes"), BadInput, "paused 'yes'"),
        (lambda: set_("s", "@daily", float("nan")), BadPayload, "nan"),
        (lambda: set_("s", "@daily", session=7), BadPayload, "session"),
        (lambda: set_("s", "@daily", now=naive), BadInput, "2026"),
        (lambda: schedules.delete("none"), NotFound, "none"),
        (lambda: schedules.pause("none"), NotFound, "none"),
        (lambda: schedules.resume("none"), NotFound, "none"),
        (lambda: schedules.trigger("none"), NotFound, "none"),
        (lambda: schedules.upcoming("none"), NotFound, "none"),
        (lambda: schedules.upcoming("s", 0), BadInput, "limit 0"),
        (lambda: schedules.get(""), BadIdentifier, "id is empty"),
        (lambda: schedules.list(limit=0), BadInput, "limit 0"),
        (lambda: schedules.list(after="a\x00"), BadIdentifier, "after"),
        (lambda: schedules.fire(limit=0), BadInput, "limit 0"),
        (lambda: schedules.fire(now="now"), BadInput, "now 'now'"),
        (lambda: anext(schedules.run(interval_s=0)), BadInput, "interval_s 0"),
        (lambda: schedules.replace({"": Definition(cron="@daily")}), BadIdentifier, "id is empty"),
        (
            lambda: schedules.replace({str(n): Definition(cron="@daily") for n in range(1001)}),
            BadInput, "1,001 schedules",
        ),
    ]  # fmt: skip
    before = (await store.log.head()).position
    for call, error, named in calls:
        with pytest.raises(error, match=named):
            await call()
    assert (await store.log.head()).position == before
    with pytest.raises(Conflict):
        await schedules._change("", {"s": Definition(cron="@daily")}, [], {}, T0, None)
