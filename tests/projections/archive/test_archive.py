"""Building, checking and rebuilding the archive; what a crash leaves behind."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import msgspec
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from eventlog.errors import AgentlogError, Damaged, FormatTooNew
from eventlog.events import (
    ConversationCompacted,
    GenerationStarted,
    SessionCreated,
    SessionDeleted,
    SessionEnded,
    SessionUpdated,
)
from eventlog.io import SystemIo
from projections.archive import Archive
from projections.archive.manifest import Manifest, decode, encode
from tests.projections.archive.history import LOG_ID, History, everything, tokens


def some_history(count: int = 20) -> History:
    history = History()
    history.say("a", SessionCreated(title="first", model="gpt-4o"), tenant="acme")
    for number in range(count):
        session = ("a", "a:b", "b")[number % 3]
        tenant = ("acme", "")[number % 2]
        history.message(session, f"text {number}", tenant=tenant, response_id=f"r{number // 4}",
                        model="gpt-4o", usage=tokens(number, 1))  # fmt: skip
        if number % 7 == 6:
            history.say(session, GenerationStarted(1 + number // 7, 0), tenant=tenant)
    return history


def parquet_files(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.parquet"))


steps = st.lists(
    st.tuples(
        st.sampled_from(("a", "a:b", "c")),
        st.sampled_from(("", "acme")),
        st.sampled_from(
            (
                None,
                None,
                None,
                "surrogate \udc00 and \x00",
                GenerationStarted(1, 0),
                GenerationStarted(3, 0),
                ConversationCompacted(),
                SessionCreated(title="t", agent="x"),
                SessionUpdated(title="u", state="paused"),
                SessionEnded(),
                SessionDeleted(),
            )
        ),
    ),
    min_size=1,
    max_size=24,
)


@settings(max_examples=12, deadline=None)
@given(steps=steps, cuts=st.sets(st.integers(0, 24), max_size=3), range_events=st.integers(1, 9))
def test_parquet_and_tail_together_are_what_the_tail_alone_would_be(
    steps: list[tuple[str, str, object]], cuts: set[int], range_events: int
) -> None:
    """Wherever the archive was cut, and into however many files, an answer is the same."""
    history = History()
    for session, tenant, event in steps:
        if event is None or isinstance(event, str):
            history.message(session, event or "x", tenant=tenant, usage=tokens(1, 2), response_id="r")
        else:
            history.say(session, event, tenant=tenant)
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        archive = history.archive(Path(one), range_events=range_events)
        for cut in sorted(cut for cut in cuts if cut <= history.head):
            assert archive.build(cut) >= cut
        with archive.connect(history.head) as archived, history.connect(Path(other)) as fresh:
            assert everything(archived) == everything(fresh)
        assert archive.check(history.head) == []


def test_building_goes_on_where_it_stopped_and_says_how_far_it_is(tmp_path: Path) -> None:
    """An interrupted build of a large log must not begin again."""
    history = some_history()
    heard: list[tuple[int, int]] = []
    archive = history.archive(tmp_path, range_events=6)
    assert archive.build(8) == 8
    assert archive.build(history.head, lambda *told: heard.append(told)) == history.head
    assert heard[-1] == (history.head, history.head)
    assert [told[0] for told in heard] == sorted(told[0] for told in heard)
    assert archive.build(3) == history.head
    manifest = archive.manifest()
    assert (manifest.archive_position, manifest.events, manifest.messages) == (history.head, history.head, 20)


def test_many_small_builds_leave_few_files(tmp_path: Path) -> None:
    """An archive that is built every minute must not end as a million files."""
    history = some_history()
    archive = history.archive(tmp_path, range_events=10)
    for position in range(1, history.head + 1):
        archive.build(position)
    assert len(archive.manifest().ranges()) <= -(-history.head // 5)
    assert len(parquet_files(tmp_path)) == len(archive.manifest().files)
    assert archive.check(history.head) == []


def test_a_range_that_is_large_in_bytes_is_closed_and_left_alone(tmp_path: Path) -> None:
    """Few but long events: made again on every build they would cost more and more."""
    history = History()
    for _ in range(6):
        history.message("s", "x" * 1000)
    archive = history.archive(tmp_path, range_bytes=2500, range_events=2)
    archive.build(6)
    first = archive.manifest().files[0]
    history.message("s", "y")
    archive.build(7)
    assert archive.manifest().files[0] == first


def test_duckdb_counts_the_segment_lines_as_the_archive_does(tmp_path: Path) -> None:
    """The segments are an open format: an independent reader must agree with us."""
    history = some_history()
    segment = tmp_path / "1.ndjson.zst"
    segment.write_bytes(zstandard.ZstdCompressor().compress(b"".join(history.lines)))
    counted = (
        duckdb.connect()
        .execute(
            f"select count(*), count(*) filter (type = 'message_appended') from read_json('{segment}',"
            " format='newline_delimited', columns={'position': 'BIGINT', 'type': 'VARCHAR'})"
        )
        .fetchone()
    )
    archive = history.archive(tmp_path / "archive")
    archive.build(history.head)
    assert counted == (archive.manifest().events, archive.manifest().messages)


def test_each_file_is_named_when_it_is_missing_or_altered_and_made_again(tmp_path: Path) -> None:
    """Missing, cut short, and one flipped bit: in every file of every range."""
    history = some_history()
    archive = history.archive(tmp_path, range_events=12)
    archive.build(history.head)
    with archive.connect(history.head) as connection:
        before = everything(connection)
    for number, file in enumerate(archive.manifest().files):
        path = tmp_path / file.name
        whole = path.read_bytes()
        if number % 3 == 0:
            path.unlink()
        elif number % 3 == 1:
            path.write_bytes(whole[:-1])
        else:
            path.write_bytes(whole[:40] + bytes([whole[40] ^ 1]) + whole[41:])
        [finding] = archive.check(history.head)
        assert finding.file == file.name
        assert finding.code == ("missing" if number % 3 == 0 else "altered")
        assert (finding.first_position, finding.last_position) == (file.first_position, file.last_position)
        assert file.name in str(finding)
        assert archive.rebuild(history.head) == 1
        assert archive.check(history.head) == []
    with archive.connect(history.head) as connection:
        assert everything(connection) == before


def test_a_connection_refuses_an_archive_whose_files_are_not_all_there(tmp_path: Path) -> None:
    """Half an answer looks like an answer."""
    history = some_history()
    archive = history.archive(tmp_path)
    archive.build(history.head)
    name = archive.manifest().files[0].name
    (tmp_path / name).unlink()
    with pytest.raises(Damaged, match=name):
        archive.connect(history.head)
    archive.rebuild(history.head)
    archive.connect(history.head).close()


def test_all_files_damaged_at_once_are_made_again_in_order(tmp_path: Path) -> None:
    """A later range takes generation and seq from the earlier ones, which are damaged as well."""
    history = some_history()
    archive = history.archive(tmp_path, range_events=6)
    archive.build(history.head)
    with archive.connect(history.head) as connection:
        before = everything(connection)
    ranges = len(archive.manifest().ranges())
    for path in parquet_files(tmp_path):
        path.write_bytes(b"PAR1")
    assert archive.rebuild(history.head) == ranges >= 3
    with archive.connect(history.head) as connection:
        assert everything(connection) == before


def test_whatever_a_damaged_file_makes_of_a_query_is_explained(tmp_path: Path) -> None:
    """DuckDB quotes the bytes that it cannot read, and they need not be text."""
    history = some_history()
    archive = history.archive(tmp_path)
    archive.build(history.head)
    for path in parquet_files(tmp_path):
        whole = path.read_bytes()
        for at in range(8, len(whole), len(whole) // 12):
            path.write_bytes(whole[:at] + bytes(255 - byte for byte in whole[at : at + 4]) + whole[at + 4 :])
            with suppress(AgentlogError), archive.connect(history.head) as connection:
                everything(connection)
        path.write_bytes(whole)


def test_a_file_that_is_not_in_the_manifest_is_named_not_read_and_swept(tmp_path: Path) -> None:
    """What a crash left behind, or somebody put there, is no data."""
    history = some_history()
    archive = history.archive(tmp_path)
    archive.build(history.head)
    stray = tmp_path / "messages-copy.parquet"
    stray.write_bytes(parquet_files(tmp_path)[1].read_bytes())
    [finding] = archive.check(history.head)
    assert (finding.code, finding.file) == ("extra", stray.name)
    with archive.connect(history.head) as connection:
        assert connection.sql("select count(*) from messages").rows() == [(20,)]
        archive.build(history.head)
        assert stray.exists(), "files go only while nobody reads"
    archive.build(history.head)
    assert not stray.exists()
    assert archive.check(history.head) == []


class CrashingIo(SystemIo):
    """Stops at the n-th rename, as a crash does: nothing is cleaned up by it."""

    def __init__(self, renames: int) -> None:
        self.left = renames

    def rename(self, source: str, target: str) -> None:
        if self.left == 0:
            raise OSError("crash")
        self.left -= 1
        super().rename(source, target)


@pytest.mark.parametrize("renames", range(12))
def test_a_crash_at_any_rename_leaves_the_archive_as_it_was_before_or_after(
    tmp_path: Path, renames: int
) -> None:
    """Between the Parquet files and the manifest the new files are not data yet."""
    history = some_history()
    archive = history.archive(tmp_path, range_events=11)
    archive.build(5)
    crashing = Archive(tmp_path, history.read, LOG_ID, io=CrashingIo(renames), range_events=11)
    with pytest.raises(OSError, match="crash"):
        crashing.build(history.head)
    with archive.connect(history.head) as connection:
        assert connection.sql("select count(*) from messages").rows() == [(20,)]
    assert {finding.code for finding in archive.check(history.head)} <= {"extra"}
    assert archive.build(history.head) == history.head
    assert archive.check(history.head) == []
    assert list((tmp_path / "building").iterdir()) == []


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"[1]", b"\xff\xfe", b'{"format":2,"log_id":7}', b'{"format":0,"files":null}']
)
def test_a_manifest_that_is_none_is_reported_and_the_archive_made_again(tmp_path: Path, text: bytes) -> None:
    """The table of contents is small and can be lost; the log has everything."""
    history = some_history()
    archive = history.archive(tmp_path, range_events=12)
    archive.build(history.head)
    (tmp_path / "manifest.json").write_bytes(text)
    with pytest.raises(Damaged):
        archive.connect(history.head)
    [finding] = archive.check(history.head)
    assert finding.code == "manifest"
    assert archive.rebuild(history.head) == 2
    assert archive.check(history.head) == []


def test_a_manifest_with_a_gap_or_other_counts_is_refused(tmp_path: Path) -> None:
    """A file taken out of the manifest would be rows taken out of every answer."""
    history = some_history()
    archive = history.archive(tmp_path, range_events=7)
    archive.build(history.head)
    manifest = archive.manifest()
    for altered in (
        msgspec.structs.replace(manifest, files=manifest.files[3:]),
        msgspec.structs.replace(manifest, files=manifest.files[:-2]),
        msgspec.structs.replace(manifest, messages=manifest.messages + 1),
        msgspec.structs.replace(manifest, archive_position=manifest.archive_position + 1),
    ):
        with pytest.raises(Damaged):
            decode(encode(altered), LOG_ID)


def test_an_archive_of_another_log_is_refused(tmp_path: Path) -> None:
    """Two data directories mixed up give answers about neither."""
    history = some_history()
    history.archive(tmp_path).build(5)
    other = Archive(tmp_path, history.read, "another")
    with pytest.raises(Damaged, match="another"):
        other.connect(5)
    assert [finding.code for finding in other.check(5)] == ["manifest"]


def test_an_archive_of_a_newer_format_is_left_alone(tmp_path: Path) -> None:
    """An older release must not rebuild over what a newer one made."""
    history = some_history()
    archive = history.archive(tmp_path)
    (tmp_path / "manifest.json").write_bytes(b'{"format":4,"anything":[]}')
    for attempt in (archive.manifest, lambda: archive.check(1), lambda: archive.rebuild(1)):
        with pytest.raises(FormatTooNew) as refused:
            attempt()
        assert "newer agentlog" in str(refused.value.hint)


def test_an_archive_that_is_ahead_of_the_log_or_disagrees_with_it_is_found(tmp_path: Path) -> None:
    """After a restore of an old backup the archive remembers what the log does not."""
    history = some_history()
    archive = history.archive(tmp_path)
    archive.build(history.head)
    assert [finding.code for finding in archive.check(history.head - 3)] == ["ahead"]
    other = History()
    for number in range(history.head):
        if number % 2:
            other.message("s")
        else:
            other.say("s", SessionEnded())
    disagreeing = Archive(tmp_path, other.read, LOG_ID)
    [finding] = disagreeing.check(history.head)
    assert finding.code == "count"
    assert disagreeing.rebuild(history.head) == 1
    assert disagreeing.check(history.head) == []
    assert disagreeing.rebuild(4) == 1, "ahead: made again as a whole"
    assert disagreeing.manifest().archive_position == 4


def test_a_log_that_ends_too_early_or_has_a_gap_is_never_archived(tmp_path: Path) -> None:
    """A range must hold every position, or the archive would say that nothing was there."""
    history = some_history()
    archive = history.archive(tmp_path)
    with pytest.raises(Damaged, match="ends at position"):
        archive.build(history.head + 1)
    gap = Archive(tmp_path, lambda after, until: [history.events()[:3], history.events()[4:]], LOG_ID)
    with pytest.raises(Damaged) as caught:
        gap.build(10)
    assert (caught.value.first_position, caught.value.last_position) == (4, 4)
    with pytest.raises(Damaged):
        gap.connect(10)
    assert archive.manifest() == Manifest(
        format=3, log_id=LOG_ID, archive_position=0, events=0, messages=0, files=[]
    )
    assert parquet_files(tmp_path) == []


def test_files_are_private_and_nothing_temporary_stays(tmp_path: Path) -> None:
    """Conversations are nobody else's business, spilled ones included."""
    history = some_history()
    archive = history.archive(tmp_path / "archive")
    archive.build(history.head - 2)
    with archive.connect(history.head) as connection:
        connection.sql("select * from messages").rows()
    for root, folders, files in os.walk(tmp_path / "archive"):
        for name in folders:
            assert stat.S_IMODE(os.stat(Path(root, name)).st_mode) == 0o700
        for name in files:
            assert stat.S_IMODE(os.stat(Path(root, name)).st_mode) == 0o600
    assert list((tmp_path / "archive" / "spill").iterdir()) == []
    assert list((tmp_path / "archive" / "building").iterdir()) == []


def test_a_directory_with_an_odd_name_works(tmp_path: Path) -> None:
    """Quotes and what DuckDB takes for patterns are ordinary characters in a path."""
    history = some_history()
    archive = history.archive(tmp_path / "it's [a] *{dir}? café")
    archive.build(history.head - 2)
    with archive.connect(history.head) as connection:
        assert connection.sql("select count(*) from events").rows() == [(history.head,)]
