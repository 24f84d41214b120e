"""Keys and values: what was set last is what is there, until it expires or is deleted."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

import agentlog
from agentlog.errors import BadIdentifier, BadInput, BadPayload, Conflict, EventTooLarge, Refused
from agentlog.keyvalue import _end_of
from eventlog.command import Command
from eventlog.envelope import StreamId, new_event
from eventlog.events import KEY
from eventlog.payload import exact_json
from tests.support.queries import plan_of

PAST = datetime(2020, 1, 1, tzinfo=UTC)
FUTURE = datetime(2100, 1, 1, tzinfo=UTC)


async def keys(store, *arguments, **more):
    return [entry.key for entry in await store.keyvalue.list(*arguments, **more)]


async def test_a_value_comes_back_exactly(store):
    """Any JSON: NUL, lone surrogates, long numbers, null."""
    for value in (
        {"text": "a\x00b\ud800", "n": 123456789012345678901234567890, "deep": [[["x"]]]},
        None, "", [], 0, False, "my_value", 0.1,
    ):  # fmt: skip
        receipt = await store.keyvalue.set("k", value)
        entry = await store.keyvalue.get("k")
        assert (entry.value, type(entry.value)) == (value, type(value))
        assert (entry.key, entry.namespace, entry.tenant) == ("k", "", "")
        assert entry.position == receipt.first_position

    await store.keyvalue.set("k", msgspec.Raw(b'{"price": 0.10}'))
    [event] = await store.log.read_stream(StreamId("", KEY, ":k"), after=entry.version)
    assert b'{"price":0.10}' in exact_json(bytes(event.data), event.encoding)


async def test_what_was_never_set_or_was_deleted_has_no_entry(store):
    """null is a value and is not the same."""
    assert await store.keyvalue.get("k") is None
    assert await store.keyvalue.delete("k") is None
    await store.keyvalue.set("k", None)
    assert (await store.keyvalue.get("k")).value is None
    assert await store.keyvalue.delete("k", "no need") is not None
    assert await store.keyvalue.get("k") is None
    assert await store.keyvalue.delete("k") is None
    assert (await store.log.head()).position == 2


async def test_a_key_and_its_prefix_never_touch_s2_shared_a_prefix(store):
    """S2 wrote `a` and `a:b` under one prefix: deleting the one reached the other."""
    places = [
        ("a", "", "b:c"), ("a:b", "", "c"), ("a", "b", "c"), ("", "a:b", "c"), ("", "a", "b:c"),
        ("", "a%3Ab", "c"), ("", "", "a"), ("", "", "a:b"),
    ]  # fmt: skip
    for tenant, namespace, key in places:
        await store.keyvalue.set(key, [tenant, namespace, key], namespace=namespace, tenant=tenant)
    await store.keyvalue.delete("a")

    for tenant, namespace, key in places:
        entry = await store.keyvalue.get(key, namespace=namespace, tenant=tenant)
        expected = None if (tenant, namespace, key) == ("", "", "a") else [tenant, namespace, key]
        assert (entry and entry.value) == expected
        if expected:
            assert key in await keys(store, namespace=namespace, tenant=tenant)


async def test_an_expired_value_is_gone_for_every_reader(store):
    """Without anything having run: expiry is honoured when it is read."""
    await store.keyvalue.set("gone", 1, ttl_s=0)
    await store.keyvalue.set("past", 1, expires_at=PAST)
    await store.keyvalue.set("kept", 1, ttl_s=3600)
    await store.keyvalue.set("always", 1)

    assert [await store.keyvalue.get(key) for key in ("gone", "past")] == [None, None]
    assert await keys(store) == await keys(store, values=False) == ["always", "kept"]
    assert (await store.keyvalue.get("kept")).expires_at > datetime.now(UTC)
    await store.keyvalue.compare_and_set("past", agentlog.ABSENT, 2)
    assert (await store.keyvalue.get("past")).value == 2
    assert (await store.keyvalue.get("past")).expires_at is None


async def test_a_set_that_expects_a_version_conflicts_when_somebody_was_faster(store):
    """The caller decided on a value that is not there any more."""
    await store.keyvalue.set("k", 1, expected_version=0)
    seen = (await store.keyvalue.get("k")).version
    await store.keyvalue.set("k", 2, expected_version=seen)

    with pytest.raises(Conflict) as conflict:
        await store.keyvalue.set("k", 3, expected_version=seen)
    assert (conflict.value.expected_version, conflict.value.actual_version) == (seen, seen + 1)
    with pytest.raises(Conflict):
        await store.keyvalue.set("k", 3, expected_version=0)
    with pytest.raises(Conflict):
        await store.keyvalue.delete("k", expected_version=seen)
    assert (await store.keyvalue.get("k")).value == 2


async def test_a_value_is_compared_as_json_and_not_as_text(store):
    """Members in any order; but 1, 1.0 and true are three values, which Python calls equal."""
    await store.keyvalue.set("k", {"a": 1, "b": [True, None]})
    await store.keyvalue.compare_and_set("k", {"b": [True, None], "a": 1}, 1)
    for other in (1.0, True, "1", agentlog.ABSENT, None, [1]):
        with pytest.raises(Refused) as refused:
            await store.keyvalue.compare_and_set("k", other, 2)
        assert (refused.value.key, refused.value.version) == ("k", 2)
    with pytest.raises(Refused, match="has no value, and that one was expected"):
        await store.keyvalue.compare_and_set("none", None, 2)
    assert (await store.log.head()).position == 2


async def test_of_many_that_compare_and_set_at_once_each_counts(open_store, store):
    """Two hosts count up together: nobody's step is lost."""
    await store.keyvalue.set("n", 0)

    async def count_up(place):
        for _ in range(5):
            while True:
                entry = await place.keyvalue.get("n")
                try:
                    await place.keyvalue.compare_and_set("n", entry.value, entry.value + 1)
                    break
                except (Refused, Conflict):
                    continue

    async with open_store("other") as other:
        await asyncio.gather(*map(count_up, (store, other, store)))
    assert (await store.keyvalue.get("n")).value == 15


async def test_keys_are_listed_by_prefix_page_by_page(store):
    """In order of their bytes, each once; a prefix is no pattern."""
    names = ["a", "a%", "a:b", "aa", "ab", "a\U0010ffff", "b", "é", "_", "a\ud7ff", "a\ue000"]
    for name in names:
        await store.keyvalue.set(name, name)
    await store.keyvalue.set("a", "elsewhere", namespace="other")
    await store.keyvalue.set("a:gone", 1)
    await store.keyvalue.delete("a:gone")

    def by_bytes(prefix):
        return sorted((name for name in names if name.startswith(prefix)), key=str.encode)

    for prefix in ("", "a", "a:", "a%", "%", "a\U0010ffff", "a\ud7ff", "é", "zz"):
        assert await keys(store, prefix) == await keys(store, prefix, values=False) == by_bytes(prefix)
    first = await store.keyvalue.list("a", limit=3)
    rest = await store.keyvalue.list("a", limit=100, after=first[-1].key)
    assert [entry.key for entry in first + rest] == by_bytes("a")
    assert [entry.value for entry in first] == by_bytes("a")[:3]
    [bare] = await store.keyvalue.list("b", values=False)
    assert bare == msgspec.structs.replace(await store.keyvalue.get("b"), value=None)


def test_what_begins_with_a_prefix_stands_before_its_end():
    """Also where the last character has no successor."""
    for prefix in ("", "a", "\U0010ffff", "a\U0010ffff\U0010ffff", "\ud7ff"):
        end = _end_of(prefix)
        assert prefix.encode() < (prefix + "\U0010ffff" * 256)[:256].encode() < end.encode()
    assert _end_of("ab") == "ac"
    assert _end_of("a\ud7ff") == "a\ue000"


async def test_listing_keys_walks_its_own_index(store):
    """A namespace is not found by looking at every key there is."""
    for query in ("keys", "key_values"):
        plan = await plan_of(store.log, query, "", "", "a", "b", "", 10)
        assert "using key_values_by_name" in plan
        assert "Sort" not in plan


async def test_a_value_as_of_a_position_or_a_time_is_what_was_there_then(store):
    """The log has both; deleted and expired then is nothing."""
    assert await store.keyvalue.get("k", at=0) is None
    one = await store.keyvalue.set("k", 1)
    await store.keyvalue.set("other", 0)
    two = await store.keyvalue.set("k", 2, expires_at=FUTURE)
    await store.keyvalue.delete("k")
    three = await store.keyvalue.set("k", 3)

    async def at(moment):
        entry = await store.keyvalue.get("k", at=moment)
        return entry and entry.value

    assert [await at(position) for position in range(6)] == [None, 1, 1, 2, None, 3]
    first, last = (datetime.fromisoformat(receipt.time) for receipt in (one, three))
    assert await at(first - timedelta(microseconds=1)) is None
    assert await at(first) == 1
    assert await at(datetime.fromisoformat(two.time)) == 2
    assert await at(last) == await at(FUTURE) == 3
    assert (await store.keyvalue.get("k", at=3)).expires_at == FUTURE
    await store.keyvalue.set("k", 4, ttl_s=3600)
    assert await at(6) == 4
    assert await at(datetime.now(UTC) + timedelta(hours=2)) is None
    await store.keyvalue.set("k", 5, expires_at=PAST)
    assert await at(7) is None
    # What no fold can read is no value either: the one before still counts.
    await store.keyvalue.set("k", 6)
    stream = StreamId("", KEY, ":k")
    later = new_event(stream, "key_set", {"name": "k", "worth": 7}, id=store.log.ids.next(), schema=2)
    await store.log.append(Command([later]))
    assert await at(9) == (await store.keyvalue.get("k")).value == 6


@pytest.mark.parametrize("at", [-1, 2, True, 0.5, "1", datetime(2026, 1, 1)])
async def test_a_moment_that_is_none_is_refused_by_its_name(store, at):
    """A position that does not exist yet could still become anything."""
    await store.keyvalue.set("k", 1)
    with pytest.raises(BadInput, match=r"-1|2|True|0\.5|'1'|2026-01-01"):
        await store.keyvalue.get("k", at=at)


async def test_invalid_input_is_refused_by_its_name_and_changes_nothing(store):
    """At each entry point."""
    await store.keyvalue.set("k", 1)
    calls = [
        (lambda: store.keyvalue.set("", 1), BadIdentifier, "key is empty"),
        (lambda: store.keyvalue.set(7, 1), BadIdentifier, "key must be str, not int"),
        (lambda: store.keyvalue.set("a\x00", 1), BadIdentifier, r"key 'a\\x00' holds a NUL"),
        (lambda: store.keyvalue.set("\ud800", 1), BadIdentifier, "lone surrogate"),
        (lambda: store.keyvalue.set("k", 1, namespace=None), BadIdentifier, "namespace must be str"),
        (lambda: store.keyvalue.set("é" * 600, 1), BadIdentifier, "1200 bytes"),
        (lambda: store.keyvalue.set("k", 1, namespace="x" * 1023), BadIdentifier, "1025 bytes"),
        (lambda: store.keyvalue.set("k", float("nan")), BadPayload, "nan"),
        (lambda: store.keyvalue.set("k", object()), BadPayload, "object"),
        (lambda: store.keyvalue.set("k", msgspec.Raw(b"{")), BadPayload, "not JSON"),
        (lambda: store.keyvalue.set("k", "x" * (16 << 20)), EventTooLarge, "16,777,216"),
        (lambda: store.keyvalue.set("k", 1, ttl_s=-1), BadInput, "-1"),
        (lambda: store.keyvalue.set("k", 1, expected_version=-1), BadInput, "-1"),
        (lambda: store.keyvalue.set("k", 1, meta={"idempotency": 1}), BadPayload, "idempotency"),
        (lambda: store.keyvalue.compare_and_set("k", float("inf"), 1), BadPayload, "inf"),
        (lambda: store.keyvalue.delete(""), BadIdentifier, "key is empty"),
        (lambda: store.keyvalue.delete("k", 7), BadPayload, "reason"),
        (lambda: store.keyvalue.get(None), BadIdentifier, "NoneType"),
        (lambda: store.keyvalue.list(limit=0), BadInput, "limit 0"),
        (lambda: store.keyvalue.list(limit=1001), BadInput, "1001"),
        (lambda: store.keyvalue.list("a\x00"), BadIdentifier, "prefix"),
        (lambda: store.keyvalue.list(after="x" * 1025), BadIdentifier, "after"),
    ]
    for call, error, named in calls:
        with pytest.raises(error, match=named):
            await call()
    assert (await store.log.head()).position == 1
    assert (await store.keyvalue.get("k")).value == 1


async def test_who_set_a_value_stands_in_the_log(store):
    """`meta` is the caller's own, as everywhere."""
    await store.keyvalue.set("k", 1, meta={"actor": "agent:main"})
    [event] = await store.log.read_stream(StreamId("", KEY, ":k"))
    assert event.metadata["actor"] == "agent:main"
