"""Other names for sessions."""

from __future__ import annotations

import pytest

from agentlog.alias import decide_remove, decide_set
from agentlog.errors import BadIdentifier, BadInput, WrongTenant
from eventlog.events import AliasRemoved, AliasSet
from projections.alias import Alias


def test_what_an_alias_stands_for_already_is_not_said_again():
    """A migration that is run twice must not grow the log."""
    assert decide_set("s", None) == [AliasSet("s")]
    assert decide_set("s", Alias("s")) == []
    assert decide_set("t", Alias("s")) == [AliasSet("t")]
    assert decide_remove(None, None) == decide_remove(None, Alias()) == []
    assert decide_remove("why", Alias("s")) == [AliasRemoved("why")]


async def test_an_alias_resolves_to_its_session_until_it_is_removed(store):
    """One lookup; a session of the same name is something else."""
    aliases = store.sessions.aliases
    await store.sessions.create("old")
    assert await aliases.resolve("old") is None

    await aliases.set("old", "new")
    assert (await aliases.resolve("old"), await aliases.set("old", "new")) == ("new", None)
    await aliases.set("old", "newer")
    assert await aliases.resolve("old") == "newer"
    await aliases.remove("old", "done")

    assert await aliases.resolve("old") is None
    assert await aliases.remove("old") is None
    assert (await store.sessions.get("old")).version == 1
    assert await store.verify() == []


async def test_a_batch_of_aliases_is_set_whole_and_listed_in_order(store):
    """All or none; and all of them come back, also over several pages."""
    aliases = store.sessions.aliases
    wanted = {"c": "s1", "a": "s1", "b": "s2", "a:b": "s2", "d": "s1"}

    receipt = await aliases.set_many(wanted)
    await aliases.set("theirs", "s1", tenant="acme")

    assert receipt.last_position == 5
    listed = await aliases.list(limit=2)
    assert list(listed) == ["a", "a:b"]
    listed |= await aliases.list(after="a:b")
    assert (listed, list(listed)) == (wanted, ["a", "a:b", "b", "c", "d"])
    assert await aliases.list(session="s2") == {"a:b": "s2", "b": "s2"}
    assert await aliases.set_many({}) is None


async def test_an_alias_that_cannot_be_is_refused_and_none_of_its_batch_is_set(store, open_store):
    """Bad names on either side, too many, and another's tenant."""
    aliases = store.sessions.aliases
    for error, call in [
        (BadIdentifier, lambda: aliases.set("", "s")),
        (BadIdentifier, lambda: aliases.set("a", "")),
        (BadIdentifier, lambda: aliases.set("a", "x" * 1025)),
        (BadIdentifier, lambda: aliases.set_many({"a": "s", "b\x00": "s"})),
        (BadInput, lambda: aliases.set_many({str(n): "s" for n in range(10_001)})),
        (BadIdentifier, lambda: aliases.resolve("")),
    ]:
        with pytest.raises(error):
            await call()
    async with open_store("other", tenant="acme") as other:
        with pytest.raises(WrongTenant):
            await other.sessions.aliases.set("a", "s", tenant="umbrella")
    assert (await store.log.head()).position == 0
