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

    await aliases.put("old", "new")
    assert (await aliases.resolve("old"), await aliases.put("old", "new")) == ("new", None)
    await aliases.put("old", "newer")
    assert await aliases.resolve("old") == "newer"
    await aliases.remove("old", "done")

    assert await aliases.resolve("old") is None
    assert await aliases.remove("old") is None
    assert (await store.sessions.get("old")).version == 1
    assert await store.verify() == []


async def test_a_batch_of_aliases_is_put_whole_and_loaded_in_order(store, monkeypatch):
    """All or none; and all of them come back, also over several pages."""
    monkeypatch.setattr("agentlog.alias.PAGE_ALIASES", 2)
    aliases = store.sessions.aliases
    wanted = {"c": "s1", "a": "s1", "b": "s2", "a:b": "s2", "d": "s1"}

    receipt = await aliases.put_many(wanted)
    await aliases.put("theirs", "s1", tenant="acme")

    assert receipt.last_position == 5
    loaded = await aliases.load_all()
    assert (loaded, list(loaded)) == (wanted, ["a", "a:b", "b", "c", "d"])
    assert await aliases.load_all("s2") == {"a:b": "s2", "b": "s2"}
    assert await aliases.put_many({}) is None


async def test_an_alias_that_cannot_be_is_refused_and_none_of_its_batch_is_put(store, open_store):
    """Bad names on either side, too many, and another's tenant."""
    aliases = store.sessions.aliases
    for error, call in [
        (BadIdentifier, lambda: aliases.put("", "s")),
        (BadIdentifier, lambda: aliases.put("a", "")),
        (BadIdentifier, lambda: aliases.put("a", "x" * 1025)),
        (BadIdentifier, lambda: aliases.put_many({"a": "s", "b\x00": "s"})),
        (BadInput, lambda: aliases.put_many({str(n): "s" for n in range(10_001)})),
        (BadIdentifier, lambda: aliases.resolve("")),
    ]:
        with pytest.raises(error):
            await call()
    async with open_store("other", tenant="acme") as other:
        with pytest.raises(WrongTenant):
            await other.sessions.aliases.put("a", "s", tenant="umbrella")
    assert (await store.log.head()).position == 0
