"""Opening and closing a store, and what it says of itself."""

from __future__ import annotations

import subprocess
import sys
from copy import copy

import msgspec
import pytest

import agentlog
from agentlog.errors import BadInput, Closed, ProjectionMismatch, Refused, SchemaMismatch
from agentlog.servers import _is_upgrade, bring_up_to_date
from projections.catalog import INLINE


def user(text):
    return {"role": "user", "content": text}


async def test_a_store_can_be_awaited_or_entered(open_store):
    """Scripts enter it; programs with a life of their own await it and close it."""
    store = await open_store()
    await store.conversation.append("main", user("a"))
    await store.close()
    await store.close()
    with pytest.raises(Closed):
        await store.conversation.append("main", user("b"))

    async with open_store() as again:
        assert [message.content for message in await again.conversation.load("main")] == ["a"]


async def test_a_url_of_ones_own_database_is_never_migrated_unasked(open_store):
    """Invariant of section 6: connecting never changes a schema unless asked."""
    with pytest.raises(SchemaMismatch, match="migrate"):
        await open_store(migrate=None)
    with pytest.raises(SchemaMismatch):
        await open_store(migrate=False)
    async with open_store(migrate=True):
        pass
    async with open_store(migrate=None) as store:
        assert (await store.log.head()).position == 0


async def test_without_a_url_the_store_brings_its_own_postgres(tmp_path):
    """The whole of `agentlog.open("./data")`: server, schema, segments, and again after closing."""
    (tmp_path / "parent").mkdir(mode=0o755)
    data = tmp_path / "parent" / "data"
    told = []
    async with agentlog.open(data, progress=told.append) as store:
        await store.conversation.append("main", user("hello"))
        assert await store.verify() == []
        assert (await store.status()).postgres == "embedded"
    async with agentlog.open(data) as store:
        assert [message.content for message in await store.conversation.load("main")] == ["hello"]
    assert told, "starting a server takes time, and somebody waits"


def mismatch(stored):
    return ProjectionMismatch("x", stored=stored)


def test_only_a_newer_release_changes_the_folds_of_an_embedded_store():
    """An older one would fold its tables back, and the newer one beside it would not know."""
    ours = INLINE[:2]
    names = [f"{fold.name}:{fold.version}" for fold in ours]

    assert _is_upgrade(mismatch(""), ours)
    assert _is_upgrade(mismatch(names[0]), ours)
    assert _is_upgrade(mismatch(f"{ours[0].name}:0,{names[1]}"), ours)
    assert _is_upgrade(mismatch(f"{ours[0].name}:-{ours[0].version},{names[1]}"), ours)
    assert not _is_upgrade(mismatch(f"{ours[0].name}:99"), ours)
    assert not _is_upgrade(mismatch(f"{ours[0].name}:-99"), ours)
    assert not _is_upgrade(mismatch(f"{names[0]},table_of_tomorrow:1"), ours)


async def test_an_upgrade_that_was_killed_before_its_rebuild_is_ended_by_the_next_open(
    open_store, store, monkeypatch
):
    """Invariant 6: what an upgrade has yet to fold is older only for whoever is refused."""
    await store.conversation.append("main", user("a"))
    before = await store.sessions.list()
    newer = [copy(fold) for fold in INLINE]
    for fold in newer:
        fold.version += 1
    monkeypatch.setattr("agentlog.folds.INLINE", tuple(newer))
    await bring_up_to_date(store.log.reads.target, store.configuration, True)
    # And here it is killed.

    with pytest.raises(ProjectionMismatch):
        await store.conversation.append("main", user("from the release before"))
    with pytest.raises(ProjectionMismatch, match="have yet to be folded anew"):
        await open_store(migrate=None)
    async with open_store(migrate=True) as upgraded:
        assert await upgraded.sessions.list() == before
        await upgraded.conversation.append("main", user("b"))
        assert await upgraded.verify() == []
    async with open_store(migrate=None) as again:
        assert [message.content for message in await again.conversation.load("main")] == ["a", "b"]


async def test_asking_to_migrate_makes_views_again_that_somebody_dropped(open_store, store):
    """What errors advise has to help."""
    await store.conversation.append("main", user("a"))
    await store.log.reads.fetch("DROP VIEW {schema}.session_overview CASCADE")
    async with open_store(migrate=True) as migrated:
        assert len(await migrated.sessions.list()) == 1
        assert await migrated.verify() == []


async def test_status_says_how_the_store_is(open_store, store):
    """Head, copies, counts: what one looks at first."""
    await store.conversation.append_many("main", [user("a"), user("b")])
    await store.archive.new_generation("main")
    await store.queue.enqueue("main", 1)

    status = await store.status()

    head = await store.log.head()
    assert (status.position, status.segments_position, status.mirror_lag_events) == (4, 4, 0)
    assert (status.sessions, status.messages, status.generations) == (1, 2, 2)
    assert status.queue == {"pending": 1}
    assert (status.chain, status.archive_position) == (head.chain.hex(), 0)
    assert status.free_bytes > 0
    assert msgspec.json.encode(status)


async def test_import_verify_and_rebuild_are_methods_of_the_store(open_store, store, tmp_path):
    """What the command line does, a program can do."""
    transcript = tmp_path / "s.jsonl"
    transcript.write_text(
        '{"type":"user","uuid":"u1","sessionId":"s","isSidechain":false,"timestamp":"2026-01-01T00:00:00.000Z",'
        '"message":{"role":"user","content":"imported"}}\n'
    )
    summary = await store.import_transcripts([transcript])
    again = await store.import_transcripts([transcript])
    report = await store.rebuild()
    await store.rebuild(["sessions"])

    assert (summary.messages, again.events_new) == (1, 0)
    assert [message.content for message in await store.conversation.load("s")] == ["imported"]
    assert (report.differences, report.position) == ([], (await store.log.head()).position)
    assert await store.verify() == []
    with pytest.raises(BadInput, match="format"):
        await store.import_transcripts([transcript], format="latin")
    async with open_store("other", tenant="acme") as theirs:
        for call in (theirs.verify, theirs.rebuild):
            with pytest.raises(Refused, match="whole log"):
                await call()


async def test_a_table_that_somebody_changed_is_found_and_put_right(open_store, store):
    """Invariant 6: the live tables equal a rebuild. The store that was open goes on working."""
    await store.conversation.append("main", user("a"))
    await store.log.reads.fetch("UPDATE {schema}.conversations SET message_count = 7")

    found = await store.verify()
    report = await store.rebuild()
    await store.conversation.append("main", user("b"))

    assert [finding.area for finding in found] == ["projections"]
    assert len(report.differences) == 1
    assert (await store.conversation.status("main")).message_count == 2
    assert await store.verify() == []


def test_names_are_public_sorted_and_importable():
    """About ten names; everything else is found from them."""
    assert agentlog.__all__ == sorted(agentlog.__all__)
    for name in agentlog.__all__:
        assert getattr(agentlog, name) is not None
    with pytest.raises(AttributeError, match="nothing_of_that_name"):
        agentlog.nothing_of_that_name  # noqa: B018


def test_importing_agentlog_imports_no_database():
    """`agentlog --help` and a program that may not need a log should not wait for DuckDB."""
    code = (
        "import sys, agentlog; print([name for name in ('duckdb', 'asyncpg', 'rich') if name in sys.modules])"
    )

    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "use",
    [
        "agentlog.open(data)",
        "agentlog.Store",
        "sys.exit(main(['doctor']))",
        "sys.exit(main(['demo', '--data', data]))",
    ],
)
def test_a_platform_without_file_locks_is_told_so_in_one_error(use, tmp_path):
    """Windows: not a missing module somewhere below. Errors and settings can be imported there."""
    code = f"""
import sys
sys.modules["fcntl"] = None  # as where there is none
import agentlog
from agentlog.cli import main
agentlog.Settings, agentlog.errors
data = {str(tmp_path / "data")!r}
try:
    {use}
except agentlog.AgentlogError as error:
    print(error, file=sys.stderr)
    sys.exit(1)
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert answer.returncode == 1
    assert "has no flock" in answer.stderr
    assert "on Windows use WSL" in answer.stderr
    assert "Traceback" not in answer.stderr
