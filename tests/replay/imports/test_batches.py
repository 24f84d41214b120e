"""Every byte of a file ends up in an event, in a finding, or is white space between the two."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.imports.batches import BATCH_BYTES_MAX, BATCH_EVENTS_MAX, Batch, read_batches
from replay.imports.lines import LINE_BYTES_MAX
from replay.imports.original import original_record
from replay.imports.quarantine import Quarantined
from replay.imports.thread import Thread
from tests.replay.imports.transcripts import SAMPLE, SESSION_ID, answered, dump, said, write

MAIN = Thread(SESSION_ID, SESSION_ID, None, None)


def batches(path: Path) -> list[Batch]:
    return list(read_batches(path, MAIN, "", path.parent / "quarantine"))


def findings(path: Path) -> list[Quarantined]:
    return [finding for batch in batches(path) for finding in batch.quarantined]


def originals(found: list[Batch]) -> list[Any]:
    """The records that events were read from; a line may be just `null`, and is kept as it is."""
    events = [event for batch in found for event in batch.events]
    made = [(event.type, original_record(event, session=SESSION_ID)) for event in events]
    return [record for type, record in made if record is not None or type == "record_kept"]


@contextmanager
def transcript(text: bytes) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "a.jsonl")
        path.write_bytes(text)
        yield path


def accounted(path: Path, text: bytes) -> None:
    """Check that events and findings together are the file, in order and to the byte."""
    found = batches(path)
    assert found[-1].end_offset == len(text)
    spans = {f.offset: f for batch in found for f in batch.quarantined}
    left = originals(found)
    offset = 0
    assert b"\r" not in text, "splitlines would split there"
    for line in text.splitlines(keepends=True):
        finding = spans.pop(offset, None)
        if finding is not None:
            assert Path(finding.copy).read_bytes() == line == text[offset : offset + finding.length_bytes]
        elif line.strip():
            assert left.pop(0) == json.loads(line)
        offset += len(line)
    assert not spans
    assert not left


whole = st.sampled_from(
    [dump(said("a")), dump(answered()), b'{"type":"progress"}', b"42", b"null", b'{"a":"\\ud800"}']
)
broken = st.sampled_from(
    [b'{"a":', b"}", b"\xff\xfe", b"NaN", b'{"type":"user"', b"\x00", b"\x89PNG"]
) | st.binary(max_size=9).map(lambda text: text.replace(b"\n", b"").replace(b"\r", b""))
blank = st.sampled_from([b"", b"  ", b"\t"])


@settings(deadline=None)
@given(st.lists(whole | broken | blank, max_size=8), st.booleans())
def test_nothing_of_a_file_is_dropped_silently(lines: list[bytes], ended: bool) -> None:
    """Whatever stands between the good lines, they are imported and it is copied."""
    text = b"\n".join(lines) + (b"\n" if ended else b"")
    with transcript(text) as path:
        accounted(path, text)


SAMPLE_TEXT = max(SAMPLE.glob("*.jsonl"), key=lambda path: path.stat().st_size).read_bytes()


@settings(deadline=None)  # writes a file each time
@given(st.integers(0, len(SAMPLE_TEXT)))
def test_a_file_cut_anywhere_gives_its_whole_lines_and_one_finding(cut: int) -> None:
    """A torn tail is the ordinary damage of a file that was being written."""
    text = SAMPLE_TEXT[:cut]
    with transcript(text) as path:
        accounted(path, text)
        torn = text.rpartition(b"\n")[2]
        whole_tail = torn and SAMPLE_TEXT[cut : cut + 1] == b"\n"
        assert [f.length_bytes for f in findings(path)] == ([len(torn)] if torn and not whole_tail else [])


@settings(deadline=None)
@given(st.data())
def test_a_flipped_byte_costs_its_own_line_at_most(data: st.DataObject) -> None:
    """Or two, where an LF came or went."""
    offset = data.draw(st.integers(0, len(SAMPLE_TEXT) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda byte: byte != 0x0D))
    text = SAMPLE_TEXT[:offset] + bytes([value]) + SAMPLE_TEXT[offset + 1 :]
    with transcript(text) as path:
        accounted(path, text)
        assert sum(len(batch.lines) for batch in batches(path)) >= SAMPLE_TEXT.count(b"\n") - 2


def test_a_finding_says_where_and_why(tmp_path: Path) -> None:
    """File, line, offset, length, reason, and the bytes themselves."""
    first = dump(said("a")) + b"\n"
    path = tmp_path / "a.jsonl"
    path.write_bytes(first + b'{"type":\xff}\r\n' + first)
    (finding,) = findings(path)
    assert finding.file == str(path)
    assert (finding.line, finding.offset, finding.length_bytes) == (2, len(first), 12)
    assert "not UTF-8" in finding.reason
    assert Path(finding.copy).read_bytes() == b'{"type":\xff}\r\n'
    assert Path(finding.copy).stat().st_mode & 0o777 == 0o600


def test_a_complete_object_without_a_final_newline_is_imported(tmp_path: Path) -> None:
    """Only the ending is missing."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(dump(said("a")))
    (batch,) = batches(path)
    assert not batch.quarantined
    assert len(batch.lines) == 1


@pytest.mark.parametrize("tail", [b"4", b'"a"', b"[1]", b'{"type":"us', b"tru", b"null"])
def test_any_other_end_without_a_newline_is_torn(tmp_path: Path, tail: bytes) -> None:
    """`4` may have been meant to become 42; an object's last brace ends it for good."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(dump(said("a")) + b"\n" + tail)
    (finding,) = findings(path)
    assert finding.reason.startswith("torn")


def test_a_line_over_the_limit_is_copied_without_being_held(tmp_path: Path) -> None:
    """The rest of the file is imported."""
    path = tmp_path / "a.jsonl"
    good = dump(said("a")) + b"\n"
    path.write_bytes(good + b'{"a":"' + b"x" * LINE_BYTES_MAX + b'"}\n' + good)
    (finding,) = findings(path)
    assert "longer than" in finding.reason
    assert Path(finding.copy).stat().st_size == finding.length_bytes == LINE_BYTES_MAX + 9
    assert sum(len(batch.lines) for batch in batches(path)) == 2


def test_files_of_one_name_do_not_overwrite_each_others_copies(tmp_path: Path) -> None:
    """Every project has its own `agent-….jsonl`."""
    copies = set()
    for folder in ("one", "two"):
        path = tmp_path / folder / "a.jsonl"
        path.parent.mkdir()
        path.write_bytes(f"broken {folder}\n".encode())
        (batch,) = read_batches(path, MAIN, "", tmp_path / "quarantine")
        copies.add(batch.quarantined[0].copy)
    assert {Path(copy).read_bytes() for copy in copies} == {b"broken one\n", b"broken two\n"}


def test_batches_are_bounded_in_events_and_bytes(tmp_path: Path) -> None:
    """A batch holds the gate of the log while it is appended."""
    small = write(tmp_path / "small.jsonl", [said("a", number) for number in range(300)])
    assert [len(batch.events) for batch in batches(small)] == [64, 64, 64, 64, 45]
    large = write(tmp_path / "large.jsonl", [said("x" * 1_500_000, number) for number in range(5)])
    sizes = [sum(len(event.data) for event in batch.events) for batch in batches(large)]
    assert len(sizes) == 3
    assert max(sizes) <= BATCH_BYTES_MAX
    assert BATCH_EVENTS_MAX == 64
