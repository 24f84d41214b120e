"""verify: says exactly what is wrong and where, goes on behind it, and finds nothing in a good log."""

from __future__ import annotations

import os

import pytest

from eventlog.io import write_all
from eventlog.segment.directory import SegmentDirectory
from eventlog.segment.format import (
    BLOCK_HEADER_BYTES,
    FILE_HEADER_BYTES,
    BlockHeader,
    crc32c,
    decode_block_header,
    decode_file_header,
    encode_block_header,
)
from eventlog.segment.frames import compress
from eventlog.segment.index import IndexBuilder, contents_of, decode_index, encode_index
from eventlog.segment.scanner import Place, Window, first_place, index_and_seal, index_body, scan
from eventlog.segment.store import Finding, SegmentStore
from eventlog.segment.verify import verify_segments
from tests.eventlog.segment.building import (
    DIRECTORY,
    FIRST,
    LOG_ID,
    STREAM,
    FixedClock,
    History,
    filled,
    history_of,
    machine,
    open_store,
)


def with_block(file: bytes, history: History, lines: bytes, count: int) -> bytes:
    """Return a segment that holds one block of these lines, its CRCs right, whatever the lines say."""
    header = decode_file_header(file)
    frame = compress(lines, 1)
    block = BlockHeader(
        header.segment_id, FILE_HEADER_BYTES, 1, FILE_HEADER_BYTES, 0, count, len(frame), len(lines),
        crc32c(frame), header.crc, history.chains[0], history.chains[count],
    )  # fmt: skip
    return file[:FILE_HEADER_BYTES] + encode_block_header(block) + frame


def verified(files: dict[str, bytes]) -> list[Finding]:
    return list(open_store(machine(files)).verify())


FORGED = [
    ("a line is not an event", lambda lines: [b"{}\n", *lines[1:]]),
    ("has 2 events; its header says 3", lambda lines: lines[:2]),
    ("position 3 stands where 2 belongs", lambda lines: [lines[0], lines[2], lines[1]]),
    ("is version 7 of", lambda lines: [*lines[:2], lines[2].replace(b'ion":3,"ty', b'ion":7,"ty')]),
    ("is not how that event is written", lambda lines: [lines[0][:-1], *lines[1:]]),
    ("bytes between the events", lambda lines: [*lines, b"\n"]),
    ("runs backwards", lambda lines: [lines[0].replace(b'"time":"20', b'"time":"21'), *lines[1:]]),
    ("is not how that event is written", lambda lines: [lines[0].replace(b":", b": ", 1), *lines[1:]]),
    ("the chain recomputed", lambda lines: [lines[0].replace(b'"data":1', b'"data":7'), *lines[1:]]),
    ("cannot be encoded again", lambda lines: [lines[0].replace(b'"time":"20', b'"time":"x'), *lines[1:]]),
]  # fmt: skip


@pytest.mark.parametrize(("problem", "forge"), FORGED, ids=[problem for problem, _ in FORGED])
def test_lines_that_were_altered_with_all_checksums_right_are_found(problem: str, forge: object) -> None:
    """Checksums are for accidents; hashes, versions and the chain are for the rest."""
    history = history_of(1, 2, 3)
    files = filled(history, [3]).files(DIRECTORY)
    assert callable(forge)
    lines = forge(history.lines)
    files[FIRST] = with_block(files[FIRST], history, b"".join(lines), 3)
    found = verified(files)
    assert any(problem in finding.problem for finding in found), found
    assert {(finding.first_position, finding.last_position, finding.where) for finding in found} == {
        (1, 3, FIRST)
    }
    files[FIRST] = with_block(files[FIRST], history, b"".join(history.lines), 3)
    assert verified(files) == [], "the forger's tool makes a good block of good lines"


def test_a_good_log_has_no_findings_and_progress_reaches_the_head() -> None:
    """Open, sealed and empty segments; progress ascends."""
    history = History().commit_many(12, size=1500)
    store = open_store(filled(history, [1] * 12, segment_bytes_max=4096))
    seen: list[int] = []
    assert list(store.verify(seen.append)) == []
    assert seen == list(range(1, 13))


def test_verify_goes_on_behind_damage_and_names_each_place() -> None:
    """Two damaged blocks in one segment, one in another: three findings, their own positions each."""
    history = History().commit_many(40, size=300)
    io = filled(history, [2] * 20, segment_bytes_max=4096)
    store = open_store(io)
    starts = {header.first_position: header.offset for header, _ in store.read_raw()}
    segments = store.segments()
    assert segments[1].last_position is not None
    broken = [3, 7, segments[1].last_position - 1]
    for first, inside in zip(broken, (BLOCK_HEADER_BYTES + 20, 40, 90), strict=True):
        info = next(i for i in segments if i.first_position <= first <= (i.last_position or 0))
        _flip(store, info.path, starts[first] + inside)
    found = list(store.verify())
    assert [(f.first_position, f.last_position) for f in found] == [(first, first + 1) for first in broken]
    assert [f.offset for f in found] == [starts[first] for first in broken]


def test_a_directory_that_cannot_be_opened_can_be_verified() -> None:
    """That is when one needs it: missing file, mark beyond the end."""
    history = History().commit_many(12, size=3000)
    io = filled(history, [1] * 12, segment_bytes_max=4096)
    store = open_store(io)
    segments = store.segments()
    io.unlink(segments[1].path)
    io.unlink(segments[-1].path)
    found = list(store.verify())
    first, last = segments[1].first_position, segments[1].last_position
    assert (found[0].first_position, found[0].last_position) == (first, last)
    assert found[-1].last_position == 12
    assert found[-1].first_position == segments[-1].first_position
    assert "durable mark" in found[-1].problem


def test_a_block_that_is_being_written_is_no_finding() -> None:
    """Behind the head anything may stand: another process has not finished."""
    history = History().commit_many(4)
    io = filled(history, [2])
    whole = filled(history, [2, 2]).files(DIRECTORY)[FIRST]
    reader, writer = open_store(io), open_store(io)
    length = len(io.files(DIRECTORY)[FIRST])
    writer.append([history.block(2, 4)])
    fd = io.open(FIRST, os.O_RDWR)
    for end in range(length + 1, len(whole) - 1, 7):
        io.ftruncate(fd, end)
        assert list(reader.verify()) == []
        assert sum(map(len, reader.read())) == 2


def test_a_seal_that_is_being_written_is_no_finding() -> None:
    """Index and seal hold no event. Of a store that nobody has open, half of them is damage."""
    history = History().commit_many(5)
    files = filled(history, [2, 2]).files(DIRECTORY)
    length, io, sealed = len(files[FIRST]), machine(files), machine(files)
    reader, clock = open_store(io), FixedClock()
    clock.us += 10**12  # the segment is too old: the next append seals it
    open_store(sealed, clock=clock).append([history.block(4, 5)])
    whole = sealed.files(DIRECTORY)[FIRST]
    fd = io.open(FIRST, os.O_RDWR)
    for end in range(length + 1, len(whole), 3):
        write_all(io, fd, whole[length:end], length)
        assert list(reader.verify()) == []
        assert list(verify_segments(io, SegmentDirectory(DIRECTORY, io), LOG_ID)) != []
        assert sum(map(len, reader.read())) == 4


def test_the_index_says_which_blocks_hold_a_stream() -> None:
    """And where each block begins, and from when to when."""
    history = History()
    for number in range(6):
        history.commit({"n": number}, "b" * 9, stream=STREAM._replace(key=f"s{number % 2}"))
    io = filled(history, [2] * 6)
    clock = FixedClock()
    store = open_store(io, clock=clock)
    clock.us += 10**12  # the segment is too old: the next append seals it
    history.commit("next")
    store.append([history.block(12, 13)])
    fd = io.open(FIRST, os.O_RDONLY)
    window = Window(io, fd)
    header = decode_file_header(window.read(0, 256))
    found = scan(window, header, first_place(header), frames=True)
    index_header, seal = index_and_seal(window, header.segment_id, found.place)
    index = decode_index(index_header, index_body(window, index_header))
    assert index.streams == [("acme", "session", "s0", [0, 2, 4]), ("acme", "session", "s1", [1, 3, 5])]
    assert [block.first_position for block in index.blocks] == [1, 3, 5, 7, 9, 11]
    assert [block.offset for block in index.blocks] == list(found.blocks.offsets)
    assert (seal.last_position, seal.count, seal.blocks) == (12, 12, 6)
    assert seal.chain_after == history.chains[12]
    assert list(store.verify()) == []


def test_an_index_too_large_for_the_format_leaves_the_streams_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its blocks always fit: 65 bytes each in a file of 64 MiB. Readers then look into every block."""
    monkeypatch.setattr("eventlog.segment.index.MAX_RAW_BYTES", 80)
    history = history_of(1, 2)
    builder = IndexBuilder()
    block = decode_block_header(filled(history, [2]).files(DIRECTORY)[FIRST][256:])
    builder.add(block, contents_of(b"".join(history.lines)))
    header, frame = encode_index(builder.build(), salt=bytes(16), offset=900, link=1)
    index = decode_index(header, frame[56:])
    assert index.streams is None
    assert index.table().place_of(2) == Place(256, 1, None, None)


def _flip(store: SegmentStore, path: str, offset: int) -> None:
    fd = store._io.open(path, os.O_RDWR)
    byte = store._io.pread(fd, 1, offset)
    store._io.pwrite(fd, bytes([byte[0] ^ 0x10]), offset)
    store._io.close(fd)
