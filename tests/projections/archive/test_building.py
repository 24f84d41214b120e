"""Ranges are written, merged and compared with the log; what is kept between questions stays fresh."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from eventlog.errors import BadInput, Damaged
from eventlog.events import GenerationStarted, SessionUpdated
from projections.archive import Archive, Stop
from projections.archive.columns import TABLES
from projections.archive.directory import ArchiveDirectory
from projections.archive.manifest import decode, encode
from projections.archive.warm import Warm
from tests.projections.archive.history import LOG_ID, History, everything, tokens
from tests.projections.archive.test_archive import CrashingIo, parquet_files, some_history


def test_compacting_makes_few_files_of_many_and_answers_stay_the_same(tmp_path: Path) -> None:
    """Large files by session: one session is in few of them. Verified against the files they replace."""
    history = some_history(30)
    archive = history.archive(tmp_path, range_events=4, merged_events=20)
    archive.build(history.head)
    with archive.connect(history.head) as connection:
        before = everything(connection)
    small = archive.status()
    heard: list[tuple[int, int]] = []
    assert archive.compact(lambda *told: heard.append(told)) == small.ranges - archive.status().ranges > 3
    assert heard[-1] == (len(heard), len(heard))
    assert archive.check(history.head, content=True) == []
    assert len(parquet_files(tmp_path)) == archive.status().files < small.files
    with archive.connect(history.head) as connection:
        assert everything(connection) == before
    assert archive.compact() == 0
    history.message("a", "more", tenant="acme")
    archive.build(history.head)
    assert archive.check(history.head, content=True) == []


@pytest.mark.parametrize("renames", range(7))
def test_a_crash_while_compacting_leaves_the_archive_as_it_was_before_or_after(
    tmp_path: Path, renames: int
) -> None:
    history = some_history()
    history.archive(tmp_path, range_events=6).build(history.head)
    io = CrashingIo(renames)
    crashing = Archive(tmp_path, history.read, LOG_ID, io=io, range_events=6, merged_events=100)
    if renames < 6:
        with pytest.raises(OSError, match="crash"):
            crashing.compact()
    else:
        assert crashing.compact() > 0
    archive = history.archive(tmp_path, range_events=6, merged_events=100)
    with archive.connect(history.head) as connection:
        assert connection.sql("select count(*) from messages").rows() == [(20,)]
    assert {finding.code for finding in archive.check(history.head, content=True)} <= {"extra"}
    archive.compact()
    assert archive.status().ranges == 1
    assert archive.check(history.head, content=True) == []


def test_a_row_that_differs_from_the_log_is_found_and_made_again(tmp_path: Path) -> None:
    """With the right counts, and a manifest that was written to fit: only the log can tell."""
    history = some_history()
    archive = history.archive(tmp_path)
    archive.build(history.head)
    manifest = archive.manifest()
    [file] = manifest.of_table("messages")
    forged = tmp_path / "building" / "messages.parquet"
    duckdb.execute(
        f"copy (select * replace (if(seq = 1, 'never said', text) as text) from '{tmp_path / file.name}')"
        f" to '{forged}' (format parquet)"
    )
    files = ArchiveDirectory(tmp_path, LOG_ID, CrashingIo(9))
    kept = files.keep(forged, "messages", file.first_position, file.last_position, file.rows, 0)
    files.replace_manifest(
        decode(encode(manifest), LOG_ID).with_range(
            [*(f for f in manifest.files if f.table != "messages"), kept]
        )
    )
    archive.build(history.head)
    assert archive.check(history.head) == []
    [finding] = archive.check(history.head, content=True)
    assert (finding.code, finding.file) == ("content", kept.name)
    assert archive.rebuild(history.head) == 1
    assert archive.check(history.head, content=True) == []


def test_an_archive_of_an_older_format_is_not_read_and_made_again(tmp_path: Path) -> None:
    """Its files have other columns; the log has everything."""
    history = some_history()
    (tmp_path / "manifest.json").write_bytes(b'{"format":1,"log_id":"x","files":[]}')
    stray = tmp_path / "events-old.parquet"
    stray.write_bytes(b"PAR1")
    archive = history.archive(tmp_path)
    with archive.connect(history.head) as connection:
        assert connection.sql("select count(*) from messages").rows() == [(20,)]
    archive.build(history.head)
    assert not stray.exists()
    assert archive.check(history.head) == []


def test_a_question_sees_what_was_appended_since_the_one_before(tmp_path: Path) -> None:
    """What is kept open is brought level, also over builds, merges and generations."""
    history = some_history()
    archive = history.archive(tmp_path, range_events=8, merged_events=100)
    for step in range(4):
        history.message("a", f"step {step}", tenant="acme", usage=tokens(1, 1))
        with archive.ask(history.head) as kept, archive.connect(history.head) as opened:
            assert kept.position == history.head
            assert everything(kept) == everything(opened)
        if step == 1:
            archive.build(history.head)
        if step == 2:
            archive.compact()
    with archive.ask(history.head, tenant="acme") as one, archive.ask(history.head, tenant="") as other:
        assert len(one.sql("from messages").rows()) + len(other.sql("from messages").rows()) == 24
    archive.close()
    assert list((tmp_path / "spill").iterdir()) == []


def test_a_question_that_is_being_asked_is_not_disturbed_by_a_build(tmp_path: Path) -> None:
    """Its files stay until it is answered; the next question reads the new ones."""
    history = some_history()
    archive = history.archive(tmp_path, range_events=8, merged_events=100)
    archive.build(history.head)
    with archive.ask(history.head) as asked:
        archive.compact()
        with archive.ask(history.head) as other:
            assert everything(other) == everything(asked)
    archive.build(history.head)
    assert len(parquet_files(tmp_path)) == archive.status().files
    archive.close()


def test_what_is_kept_goes_with_its_last_user_and_is_of_no_use_in_a_child(tmp_path: Path) -> None:
    """No temporary file outlives its process, and no child waits for threads it does not have."""
    history = some_history()
    files = ArchiveDirectory(tmp_path, LOG_ID, CrashingIo(0))
    prices = tmp_path / "none.csv"
    prices.write_text("model_pattern,input_usd,output_usd,cache_read_usd,cache_write_usd\n")
    warm = Warm(files, files.manifest(), None, prices, memory_limit="256MB", threads=1)
    warm.advance(history.read, history.head, Stop())
    assert warm.cursor().execute("select count(*) from messages").fetchall() == [(20,)]
    warm._pid = os.getpid() + 1
    assert not warm.usable
    del warm
    assert list((tmp_path / "spill").iterdir()) == []


def test_a_spill_directory_of_a_process_that_is_gone_is_swept(tmp_path: Path) -> None:
    history = some_history()
    archive = history.archive(tmp_path)
    files = ArchiveDirectory(tmp_path, LOG_ID, CrashingIo(0))
    path, lock = files.new_spill()
    gone, gone_lock = files.new_spill()
    files.unlock(gone_lock)
    archive.build(history.head)
    assert path.exists()
    assert not gone.exists()
    files.unlock(lock)


def test_prices_of_ones_own_replace_the_bundled_ones(tmp_path: Path) -> None:
    """At once, also for what is kept open; a table that is none says which line is wrong."""
    history = History()
    history.message("s", model="my-model", usage=tokens(1_000_000, 0))
    archive = history.archive(tmp_path / "archive")

    def cost() -> object:
        with archive.ask(history.head) as connection:
            return connection.sql("select cost from usage").rows()[0][0]

    assert cost() is None
    table = tmp_path / "prices.csv"
    head = "model_pattern,input_usd,output_usd,cache_read_usd,cache_write_usd\n"
    table.write_text(head + "my-*,3,1,1,1\n")
    assert cost() == 3
    for wrong in ("my-*,3\n", "my-*,x,1,1,1\n", "my-*,-1,1,1,1\n", "my-*,nan,1,1,1\n"):
        table.write_text(head + wrong)
        with pytest.raises(BadInput, match="line 2"):
            cost()
    archive.close()


def test_nothing_is_drawn_where_python_was_started_without_a_script(tmp_path: Path) -> None:
    """DuckDB takes that for a person's session: its progress bar would stand among what a program prints."""
    code = (
        "import sys; from pathlib import Path; from projections.archive.duck import open_duckdb;"
        " connection = open_duckdb(Path(sys.argv[1]), memory_limit='100MB', threads=1);"
        " query = \"select value from duckdb_settings() where name = 'enable_progress_bar'\";"
        " print([one.execute(query).fetchone()[0] for one in (connection, connection.cursor())])"
    )
    run = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert run.stdout == "['false', 'false']\n"


@pytest.mark.parametrize("asked", [True, False], ids=["asked", "built"])
def test_a_change_of_an_archived_session_does_not_begin_its_messages_anew(
    tmp_path: Path, asked: bool
) -> None:
    """The change needs no place among the messages, so none was looked up; the message behind it does."""
    history = History()
    history.message("a")
    history.say("a", GenerationStarted(1, 0))
    history.message("a")
    archive = history.archive(tmp_path, range_events=1)
    archive.build(history.head)
    history.say("a", SessionUpdated(title="changed"))
    if asked:
        with archive.ask(history.head):
            pass
    history.message("a")
    if not asked:
        archive.build(history.head)
    with archive.ask(history.head) as connection:
        assert connection.sql("select generation, seq from messages order by position").rows() == [
            (0, 0), (1, 0), (1, 1),
        ]  # fmt: skip
    assert archive.check(history.head, content=True) == []
    archive.close()


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("text", [b"", b"PAR1" + b"\xff" * 400 + b"PAR1"], ids=["empty", "garbage"])
def test_a_file_that_does_not_read_though_the_manifest_fits_is_found_and_made_again(
    tmp_path: Path, table: str, text: bytes
) -> None:
    history = some_history()
    archive = history.archive(tmp_path, range_events=12)
    archive.build(history.head)
    current = archive.manifest()
    last = current.of_table(table)[-1]
    forged = tmp_path / "building" / "forged.parquet"
    forged.write_bytes(text)
    files = ArchiveDirectory(tmp_path, LOG_ID, CrashingIo(9))
    kept = files.keep(forged, table, last.first_position, last.last_position, last.rows, last.source_bytes)
    range_files = [kept if file == last else file for file in current.files_of(last.first_position)]
    files.replace_manifest(current.with_range(range_files))
    assert [finding.code for finding in archive.check(history.head)] == ["extra"]
    found = [(f.code, f.file) for f in archive.check(history.head, content=True)]
    assert ("content", kept.name) in found
    assert archive.rebuild(history.head) == 1
    assert archive.manifest() == current
    assert archive.check(history.head, content=True) == []


@pytest.mark.parametrize("name", ["messages-*.parquet", "day_sums-*.parquet", "manifest.json", "read.lock"])
def test_a_directory_in_the_place_of_a_file_is_told_and_left_as_it_is(tmp_path: Path, name: str) -> None:
    """Somebody's files may be in it. Once it is moved away, what it says to do makes all of it again."""
    history = some_history()
    archive = history.archive(tmp_path)
    archive.build(history.head)
    [place] = tmp_path.glob(name)
    place.unlink()
    (place / "theirs").mkdir(parents=True)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert [finding.file for finding in archive.check(history.head)] == [place.name] * ("lock" not in name)
    with pytest.raises(Damaged, match=rf"{place.name} is a directory, .* expected; move it away") as told:
        archive.rebuild(history.head)
    assert told.value.where == place.name
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    place.rename(tmp_path / "moved")
    archive.rebuild(history.head)
    assert archive.build(history.head) == history.head
    assert archive.check(history.head) == []


def test_a_directory_that_no_manifest_names_hinders_no_build(tmp_path: Path) -> None:
    history = some_history()
    archive = history.archive(tmp_path)
    (tmp_path / "theirs.parquet").mkdir()
    assert archive.build(history.head) == history.head
    [finding] = archive.check(history.head)
    assert (finding.code, finding.file) == ("extra", "theirs.parquet")
    assert "move it away" in str(finding)
