"""Messages added up by session and by day: as the messages say, in files of every kind and in the tail."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from eventlog.errors import AgentlogError
from eventlog.events import GenerationStarted, MessageAppended, Usage, raw
from projections.archive import Archive, Connection, warm
from projections.archive.columns import SUMS as TABLES_OF_SUMS
from projections.archive.directory import ArchiveDirectory
from projections.archive.manifest import Manifest, decode, encode
from tests.projections.archive.history import LOG_ID, History, everything
from tests.projections.archive.test_archive import CrashingIo, parquet_files, some_history

TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
SUMS = ", ".join(f"try_cast(sum({name}) as bigint) as {name}" for name in TOKENS)
SAID = "coalesce(occurred_at, time)"
# What the views say, asked of every single message.
OF_MESSAGES = {
    "day_totals": (
        f"select tenant, day, model, count(*), sum(bytes)::bigint, {SUMS} from messages group by all"
    ),
    "session_totals": (
        "select tenant, session, arg_max(model, position), count(*), sum(bytes)::bigint, min(position),"
        f" max(position), min({SAID}), max({SAID}), {SUMS} from messages group by all"
    ),
    "sessions": (
        "select tenant, session, count(*), arg_max(model, position),"
        f" {', '.join(f'coalesce(try_cast(sum({name}) as bigint), 0) as {name}' for name in TOKENS)}"
        " from messages group by all"
    ),
    "generations": (
        "select tenant, session, generation, count(*), sum(bytes)::bigint, min(position), max(position),"
        f" min({SAID}), max({SAID}) from messages group by all"
    ),
}
OF_VIEWS = {
    "day_totals": f"select tenant, day, model, messages, bytes, {', '.join(TOKENS)} from day_totals",
    "session_totals": (
        "select tenant, session, model, messages, bytes, first_position, last_position, first_time,"
        f" last_time, {', '.join(TOKENS)} from session_totals"
    ),
    "sessions": (
        f"select tenant, session, messages, model, {', '.join(TOKENS)} from sessions where messages > 0"
    ),
    "generations": (
        "select tenant, session, generation, messages, bytes, first_position, last_position, first_time,"
        " last_time from generations where messages > 0"
    ),
}

counts = st.sampled_from((0, 1, -3, 900, 2**31 - 1, -(2**31)))
usages = st.none() | st.builds(Usage, counts, counts, counts, counts, counts)
spoken = st.tuples(
    st.sampled_from(("a", "a:b", "c")),
    st.sampled_from(("", "acme")),
    st.none() | st.sampled_from(("m1", "m2")),
    usages,
    st.none() | st.sampled_from(("2026-11-21T23:59:59.999999Z", "2026-11-23T00:00:00.000000Z")),
    st.booleans(),
)


def assert_adds_up(connection: Connection) -> None:
    for view, query in OF_MESSAGES.items():
        told = connection.sql(f"select * from ({OF_VIEWS[view]}) order by all").rows()
        assert told == connection.sql(f"select * from ({query}) order by all").rows(), view


@settings(max_examples=12, deadline=None)
@given(st.lists(spoken, min_size=1, max_size=20), st.integers(0, 20), st.integers(1, 9), st.booleans())
def test_what_is_added_up_is_what_the_messages_say(
    steps: list[tuple[Any, ...]], archived: int, range_events: int, compacted: bool
) -> None:
    """Also over midnight, generations, ranges and the tail, and with the largest counts there are."""
    history = History()
    for session, tenant, model, usage, occurred_at, starts in steps:
        if starts:
            history.say(session, GenerationStarted(1, 0), tenant=tenant)
        message = MessageAppended(
            "m", "assistant", raw("x"), model=model, usage=usage, response_id=f"r{history.head}"
        )
        history.say(session, message, tenant=tenant, occurred_at=occurred_at)
    with TemporaryDirectory() as directory:
        archive = history.archive(Path(directory), range_events=range_events, merged_events=100)
        archive.build(min(archived, history.head))
        if compacted:
            archive.compact()
        with archive.connect(history.head) as connection:
            assert_adds_up(connection)
        with archive.connect(history.head, tenant="acme") as connection:
            assert_adds_up(connection)
            assert set(connection.sql("select tenant from day_totals").rows()) <= {("acme",)}
        for head in sorted({1, min(archived, history.head), history.head}):
            with archive.ask(head) as connection:
                assert_adds_up(connection)
        assert archive.check(history.head, content=True) == []
        archive.close()


def test_sums_of_a_tail_that_grows_are_right_at_every_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept every few messages, the newest of them added up when they are asked for."""
    monkeypatch.setattr(warm, "NEWEST_MAX", 3)
    history = some_history(14)
    archive = history.archive(tmp_path)
    archive.build(4)
    for head in range(3, history.head + 1):
        with archive.ask(head) as connection:
            assert_adds_up(connection)
            kept = connection._open().execute("select coalesce(sum(messages), 0) from tail.kept_day_sums")
            assert head - 4 - 5 <= kept.fetchall()[0][0] <= max(0, head - 4)
    archive.close()


def as_format_2(directory: Path, manifest: Manifest) -> None:
    """Make an archive what a former release left: without files of sums."""
    former = replace(manifest, format=2, files=[f for f in manifest.files if f.table not in TABLES_OF_SUMS])
    for file in manifest.files:
        if file not in former.files:
            (directory / file.name).unlink()
    (directory / "manifest.json").write_bytes(encode(former))


def test_an_archive_of_format_2_is_read_as_it_is_and_completed_by_the_next_build(tmp_path: Path) -> None:
    """Nothing is made again of the log; only what lacks is added, also where a crash came between."""
    history = some_history(30)
    archive = history.archive(tmp_path, range_events=11, merged_events=22)
    archive.build(history.head)
    with archive.connect(history.head) as connection:
        before = everything(connection)
    complete = archive.manifest()
    as_format_2(tmp_path, complete)
    assert archive.check(history.head, content=True) == []
    with archive.connect(history.head) as connection:
        assert everything(connection) == before
        assert_adds_up(connection)
    crashing = Archive(tmp_path, history.read, LOG_ID, io=CrashingIo(3), range_events=11)
    with pytest.raises(OSError, match="crash"):
        crashing.build(history.head)
    with archive.connect(history.head) as connection:
        assert everything(connection) == before
    never = Archive(tmp_path, lambda after, until: pytest.fail("reads the log"), LOG_ID)
    assert never.build(1) == history.head
    assert archive.manifest() == complete
    assert b'"format": 3' in (tmp_path / "manifest.json").read_bytes()
    assert archive.check(history.head, content=True) == []


def test_an_archive_of_format_2_may_be_compacted_and_rebuilt_first(tmp_path: Path) -> None:
    history = some_history(30)
    archive = history.archive(tmp_path, range_events=6, merged_events=100)
    archive.build(history.head)
    with archive.connect(history.head) as connection:
        before = everything(connection)
    as_format_2(tmp_path, archive.manifest())
    (tmp_path / archive.manifest().of_table("messages")[1].name).unlink()
    assert [finding.code for finding in archive.check(history.head)] == ["missing"]
    assert archive.rebuild(history.head) == 1
    assert [len(archive.manifest().of_table(table)) for table in TABLES_OF_SUMS] == [1, 1]
    archive.compact()
    with archive.connect(history.head) as connection:
        assert everything(connection) == before
    archive.build(history.head)
    assert archive.check(history.head, content=True) == []


@pytest.mark.parametrize("table", TABLES_OF_SUMS)
def test_a_sum_that_was_edited_is_found_and_made_again(tmp_path: Path, table: str) -> None:
    """With a manifest written to fit: only the log can tell."""
    history = some_history()
    archive = history.archive(tmp_path)
    archive.build(history.head)
    manifest = archive.manifest()
    [file] = manifest.of_table(table)
    forged = tmp_path / "building" / "forged.parquet"
    duckdb.execute(
        f"copy (select * replace (output_tokens + 1 as output_tokens) from '{tmp_path / file.name}')"
        f" to '{forged}' (format parquet)"
    )
    files = ArchiveDirectory(tmp_path, LOG_ID, CrashingIo(9))
    kept = files.keep(forged, file.table, file.first_position, file.last_position, file.rows, 0)
    others = [other for other in manifest.files if other.table != file.table]
    files.replace_manifest(decode(encode(manifest), LOG_ID).with_range([*others, kept]))
    archive.build(history.head)
    assert archive.check(history.head) == []
    [finding] = archive.check(history.head, content=True)
    assert (finding.code, finding.file) == ("content", kept.name)
    assert archive.rebuild(history.head) == 1
    assert archive.check(history.head, content=True) == []
    assert file.name in [path.name for path in parquet_files(tmp_path)]


def test_a_file_of_sums_that_belongs_to_no_range_or_to_one_twice_is_refused(tmp_path: Path) -> None:
    """It would be counted though its messages are not there, or counted twice."""
    history = some_history()
    archive = history.archive(tmp_path, range_events=12)
    archive.build(history.head)
    manifest = archive.manifest()
    first, second = manifest.of_table("session_sums")[:2]
    for files in (
        [*manifest.files, first],
        [replace(f, last_position=f.last_position - 1) if f == second else f for f in manifest.files],
        [f for f in manifest.files if f.table in TABLES_OF_SUMS],
    ):
        with pytest.raises(AgentlogError):
            decode(encode(replace(manifest, files=sorted(files, key=lambda f: f.first_position))), LOG_ID)
