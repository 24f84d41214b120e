"""A dump of rsclaw into the log: every table, exactly, once; and what is no row is named and kept."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import agentlog
from agentlog.errors import BadInput
from replay.imports.rsclaw import Place, place_of
from tests.support.rsclaw_dump import Dump

A, AB = "a", "a:b"


def message(text: str, role: str = "user", **more: Any) -> dict[str, Any]:
    return {"role": role, "content": text, **more}


@pytest.fixture
def dump(tmp_path: Path) -> Dump:
    return Dump(tmp_path / "dump.jsonl")


async def texts(store: agentlog.Store, session: str) -> list[Any]:
    return [said.content for said in await store.conversation.load(session)]


async def test_generations_come_over_in_the_order_of_numbers(store: agentlog.Store, dump: Dump):
    """Twelve of them: as texts, gen10 would come before gen2. The window is the last one's."""
    for generation in range(1, 13):
        dump.archived(A, generation, 0, message(f"said in {generation}"))
    dump.rows.sort(key=lambda row: row[1])
    dump.active(A, 0, message("said in 12")).meta(A, 1, generation=12)
    summary = await store.import_rsclaw(dump.write())
    assert summary.rejected == []
    rows = (await store.archive.sql("select generation, seq, text from messages order by position")).rows
    assert rows == [(generation - 1, 0, f"said in {generation}") for generation in range(1, 13)]
    assert await texts(store, A) == ["said in 12"]
    session = await store.sessions.get(A)
    assert session is not None
    assert (session.generation, session.message_count) == (11, 12)
    assert session.created_time == datetime.fromtimestamp(1_699_000_000, UTC)


async def test_what_a_compaction_hid_is_in_the_archive_alone(store: agentlog.Store, dump: Dump):
    dump.meta(A, 3)
    for seq in range(3):
        dump.archived(A, 1, seq, message(f"m{seq}"))
    dump.active(A, 2, message("m2"))
    await store.import_rsclaw(dump.write())
    assert await texts(store, A) == ["m2"]
    rows = (await store.archive.sql("select text from messages order by seq")).rows
    assert rows == [("m0",), ("m1",), ("m2",)]


async def test_a_session_from_before_the_archive_has_one_now(store: agentlog.Store, dump: Dump):
    dump.meta(A, 2).active(A, 0, message("old")).active(A, 1, message("older still"))
    await store.import_rsclaw(dump.write())
    assert await texts(store, A) == ["old", "older still"]
    assert len((await store.archive.sql("select * from messages")).rows) == 2


async def test_a_deleted_session_keeps_its_archive(store: agentlog.Store, dump: Dump):
    dump.archived(A, 1, 0, message("kept"))
    await store.import_rsclaw(dump.write())
    assert await store.sessions.get(A) is None
    assert (await store.sessions.get(A, deleted=True)) is not None
    assert (await store.archive.sql("select text from messages")).rows == [("kept",)]


async def test_messages_come_back_whole(store: agentlog.Store, dump: Dump):
    """Members that we have no name for, blocks, numbers to the digit, content of any shape."""
    said = [
        {"role": "assistant", "content": [{"type": "text", "text": "x"}], "id": "m-7", "n": 10**20},
        {"role": "tool", "content": {"a": None}, "tool_call_id": "t"},
        {"role": "user", "content": "\0 nul"},
    ]
    dump.meta(A, len(said))
    for seq, each in enumerate(said):
        dump.append(A, 1, seq, each)
    await store.import_rsclaw(dump.write())
    found = await store.conversation.load(A)
    assert [each.message for each in found] == said
    assert [each.message_id for each in found] == ["m-7", "1:1", "1:2"]


async def test_sessions_whose_names_share_a_prefix_stay_apart(store: agentlog.Store, dump: Dump):
    dump.meta(A, 1).append(A, 1, 0, message("of a")).meta(AB, 1).append(AB, 1, 0, message("of a:b"))
    await store.import_rsclaw(dump.write())
    assert (await texts(store, A), await texts(store, AB)) == (["of a"], ["of a:b"])


@pytest.mark.parametrize(
    ("key", "place"),
    [
        ("a:b:0000000000000007", Place("a:b", None, 7)),
        ("archive:a:b:gen10:0000000000000007", Place("a:b", 10, 7)),
        ("archive:x:0000000000000007", Place("archive:x", None, 7)),
        ("archive:known:gen1:0000000000000000", Place("archive:known:gen1", None, 0)),
        ("a:gen2:0000000000000007", Place("a:gen2", None, 7)),
    ],
)
def test_a_key_names_a_session_and_a_place(key: str, place: Place):
    assert place_of(key, {"archive:known:gen1"}) == place


@pytest.mark.parametrize("key", ["", "a", "a:7", ":0000000000000007", "a:000000000000000x"])
def test_a_key_that_names_no_message_is_refused(key: str):
    with pytest.raises(BadInput):
        place_of(key, set())


async def test_the_other_tables_come_over(store: agentlog.Store, dump: Dump):
    dump.row("kv", "color:of:sky", "blue").row("kv", "empty", "")
    dump.row("session_aliases", "old:name", A)
    dump.row("pairing", "telegram:u:1", '"Approved"')
    dump.row("pairing", "telegram:u2", '{"Pending":{"code":"1234","expires_at":4000000000}}')
    dump.row("computer_permissions", "main\0Safari", '{"decision":"AllowAlways","granted_at":1700000000}')
    summary = await store.import_rsclaw(dump.write())
    assert (summary.rejected, summary.notes) == ([], [])
    assert summary.rows == {"kv": 2, "session_aliases": 1, "pairing": 2, "computer_permissions": 1}
    entry = await store.keyvalue.get("color:of:sky")
    assert entry is not None
    assert entry.value == "blue"
    assert await store.sessions.aliases.resolve("old:name") == A
    assert [pairing.peer for pairing in await store.access.pairings("telegram")] == ["u:1"]
    (pending,) = await store.access.pairings("telegram", status="pending")
    assert (pending.peer, pending.code) == ("u2", "1234")
    assert pending.expires_at == datetime.fromtimestamp(4_000_000_000, UTC)
    grant = await store.access.permission("main", "Safari")
    assert grant is not None
    assert (grant.decision, grant.details["granted_at"]) == ("AllowAlways", 1_700_000_000)


def kept(path: str) -> bytes:
    """The bytes of a line, as the quarantine has them."""
    return Path(path).read_bytes().rstrip(b"\n")


async def test_delivered_keys_come_over(store: agentlog.Store, dump: Dump):
    """And count for what is appended here; importing again says nothing new."""
    dump.row("idem_keys", "turn:7", 1_700_000_000).row("idem_keys", "turn:8", 1_700_000_001)
    summary = await store.import_rsclaw(dump.write())
    assert (summary.rejected, summary.events_new) == ([], 2)
    assert await store.delivery.is_delivered("turn:7")
    assert not await store.delivery.is_delivered("turn")
    assert (await store.delivery.mark("turn:8")).duplicate
    assert (await store.import_rsclaw(dump.path)).events_new == 0


BAD = [
    (b'{"table": "idem_keys", "key": "k", "value": "now"}', "idem_keys", "must be a Unix time"),
    (b'{"table": "external_jobs", "key": "j", "value": "{}"}', "external_jobs", "missing required field"),
    (b'{"table": "task_queue", "key": "t", "value": "[]"}', "task_queue", "none of this table's"),
    (b'{"table": "cron_jobs", "key": "c", "value": "{}"}', "cron_jobs", "missing required field"),
    (b"not json", "", "no row of a dump"),
    (b'{"table": "kv", "key": "k"}', "", "missing required field"),
    (b'{"table": "kv", "key": "k", "value": 7}', "kv", "must be a text"),
    (b'{"table": "kv", "key": "", "value": "x"}', "kv", "empty"),
    (b'{"table": "nothing", "key": "k", "value": "x"}', "nothing", "none that can be imported"),
    (b'{"table": "messages", "key": "k", "value": "{}"}', "messages", "neither"),
    (b'{"table": "messages", "key": "s:0000000000000001", "value": "[]"}', "messages", "no JSON object"),
    (b'{"table": "session_meta", "key": "s2", "value": "{"}', "session_meta", "truncated"),
    (b'{"table": "pairing", "key": "x", "value": "\\"Approved\\""}', "pairing", "<channel>:<peer>"),
    (b'{"table": "pairing", "key": "c:p", "value": "\\"Maybe\\""}', "pairing", "neither Approved nor"),
    (b'{"table": "computer_permissions", "key": "a", "value": "{}"}', "computer_permissions", "NUL"),
    (b'{"table": "kv", "key": "\xff", "value": "x"}', "", "no row of a dump"),
]


async def test_s2_fault_corrupt_entries_are_filtered_out_silently(store: agentlog.Store, dump: Dump):
    """Each is listed with its reason, its bytes are kept, and what is right beside it comes over."""
    dump.meta("s", 1).append("s", 1, 0, message("fine")).row("kv", "right", "yes")
    path = dump.write(*(line for line, _, _ in BAD))
    summary = await store.import_rsclaw(path)
    told = {kept(row.copy): row for row in summary.rejected}
    assert set(told) == {line for line, _, _ in BAD}
    for line, table, reason in BAD:
        assert told[line].table == table
        assert reason in told[line].reason
    assert await texts(store, "s") == ["fine"]
    assert await store.keyvalue.get("right") is not None
    assert await store.verify() == []


async def test_another_message_in_the_window_than_in_the_archive_is_told(store: agentlog.Store, dump: Dump):
    dump.meta(A, 1).active(A, 0, message("window")).archived(A, 1, 0, message("archive"))
    summary = await store.import_rsclaw(dump.write())
    (row,) = summary.rejected
    assert "another message" in row.reason
    assert await texts(store, A) == ["archive"]


async def test_importing_again_changes_nothing_and_what_is_new_is_appended(
    store: agentlog.Store,
    dump: Dump,
):
    dump.meta(A, 1).append(A, 1, 0, message("one")).row("kv", "k", "v")
    first = await store.import_rsclaw(dump.write())
    head = (await store.log.head()).position
    again = await store.import_rsclaw(dump.path)
    assert (again.events_new, again.events_present) == (0, first.events_new)
    assert (await store.log.head()).position == head
    dump.append(A, 1, 1, message("two")).row("kv", "k2", "v2")
    more = await store.import_rsclaw(dump.write())
    assert more.events_new == 2
    assert await texts(store, A) == ["one", "two"]


async def test_a_long_session_comes_over_in_several_commands(store: agentlog.Store, dump: Dump):
    """And an import hears how far it is."""
    dump.meta(A, 150)
    for seq in range(150):
        dump.append(A, 1, seq, message(f"m{seq}"))
    heard: list[tuple[int, int]] = []
    await store.import_rsclaw(dump.write(), progress=lambda done, total: heard.append((done, total)))
    assert await texts(store, A) == [f"m{seq}" for seq in range(150)]
    assert heard
    assert all(0 <= done <= total for done, total in heard)


async def test_a_dump_that_is_not_there_is_bad_input(store: agentlog.Store, tmp_path: Path):
    with pytest.raises(BadInput, match="nowhere"):
        await store.import_rsclaw(tmp_path / "nowhere.jsonl")
