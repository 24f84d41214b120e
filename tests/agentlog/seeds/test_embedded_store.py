"""A program written for the embedded store runs here, and hears what the store would have said."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

import agentlog
from tests.agentlog.seeds.embedded_store import EmbeddedStore, Meant, OnAgentlog

# Names that share prefixes, and one that looks like a key of the archive.
SESSIONS = ("a", "a:b", "archive:a:gen1", "agent:main:telegram:direct:u1")


def said(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


async def test_a_program_of_the_embedded_store_runs_as_its_user_wrote_it(store: agentlog.Store):
    """Messages, twelve generations, deletion and return, keys, pairings, permissions, aliases."""
    heard = {name: await a_day(kind) for name, kind in (("meant", Meant()), ("here", OnAgentlog(store)))}
    assert heard["here"] == heard["meant"]
    assert await store.verify() == []


async def a_day(store: EmbeddedStore) -> list[object]:
    """The program: everything it is answered, in order."""
    heard: list[object] = [await store.load_messages("a"), await store.get_session_meta("a")]
    heard += [await store.append_message("a", said(text)) for text in ("one", "two")]
    heard += [await store.append_message("a:b", said("beside")), await store.load_messages("a")]
    for number in range(11):
        heard += [await store.new_generation("a"), await store.append_message("a", said(f"g{number}"))]
    heard += [await store.archive_load("a", None), await store.archive_load("a", 10)]
    heard += [
        await store.archive_stat("a"),
        await store.archive_stat("nobody"),
        await store.load_messages("a"),
    ]
    await store.delete_session("a")
    heard += [await store.load_messages("a"), await store.list_sessions(), await store.load_messages("a:b")]
    heard += [await store.append_message("a", said("back")), await store.get_session_meta("a")]
    heard += [await store.load_messages("a"), len(await store.archive_load("a", None))]
    for key, value in (("k", "v"), ("k:x", ""), ("k", "w")):
        await store.kv_set(key, value)
    await store.kv_delete("k:x")
    heard += [await store.kv_get(key) for key in ("k", "k:x", "none")]
    await store.put_pairing("telegram", "u:1", "1234")
    heard += [await store.get_pairing("telegram", "u:1"), await store.list_pairings("telegram")]
    await store.put_pairing("telegram", "u:1", None)
    await store.put_pairing("telegram:u", "1", None)
    heard += [await store.get_pairing("telegram", "u:1"), await store.list_pairings("telegram")]
    await store.delete_pairing("telegram", "u:1")
    heard += [await store.get_pairing("telegram", "u:1"), await store.list_pairings("telegram:u")]
    for agent, app in (("main", "Safari"), ("main", "Mail"), ("other", "Safari")):
        await store.permission_put(agent, app, "AllowAlways")
    await store.permission_delete("main", "Mail")
    heard += [await store.permission_get("main", app) for app in ("Safari", "Mail")]
    heard.append(await store.permission_list_all())
    await store.put_session_aliases({"old": "a", "older": "a:b"})
    await store.put_session_aliases({})
    heard += [await store.resolve_session_alias(alias) for alias in ("old", "none")]
    heard.append(await store.load_all_aliases())
    return heard


@pytest.mark.parametrize("seed", range(2))
async def test_random_programs_of_the_embedded_store_hear_the_same(store: agentlog.Store, seed: int):
    """Appends, new generations and deletions of sessions whose names share prefixes, in any order."""
    meant, here = Meant(), OnAgentlog(store)
    random = Random(seed)
    for number in range(25):
        key = random.choice(SESSIONS)
        match random.choice(("append", "append", "append", "generation", "delete")):
            case "append":
                message = said(f"message {number}")
                assert await here.append_message(key, message) == await meant.append_message(key, message)
            case "generation":
                assert await here.new_generation(key) == await meant.new_generation(key)
            case "delete":
                await here.delete_session(key)
                await meant.delete_session(key)
        assert await here.load_messages(key) == await meant.load_messages(key)
        assert await here.list_sessions() == await meant.list_sessions()
    for key in SESSIONS:
        assert await here.archive_load(key, None) == await meant.archive_load(key, None)
        assert await here.get_session_meta(key) == await meant.get_session_meta(key)
    assert await store.verify() == []


async def test_s2_fault_a_deleted_and_recreated_session_restarts_at_generation_1(store: agentlog.Store):
    """It goes on where it was, and what its archive has is not overwritten."""
    here = OnAgentlog(store)
    await here.append_message("a", said("before"))
    assert await here.new_generation("a") == 2
    await here.delete_session("a")
    assert await here.append_message("a", said("after")) == 0
    assert await here.archive_load("a", None) == [(0, 1, said("before")), (0, 2, said("after"))]
