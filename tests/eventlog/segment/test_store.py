"""SegmentStore: what is appended is read back, in order, exactly, by us and by everyday tools."""

from __future__ import annotations

import contextlib
import errno
import io as streams
import os
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest
import zstandard

from eventlog.errors import Closed, CopiesDisagree, Damaged, MirrorUnavailable
from eventlog.io import SystemIo
from eventlog.segment.format import BlockHeader, encode_block_header
from eventlog.segment.store import NotContiguous, SegmentStore
from tests.eventlog.segment.building import (
    DIRECTORY,
    FixedClock,
    History,
    filled,
    history_of,
    lines_of,
    machine,
    open_store,
)

BLOCK_IMAGE = encode_block_header(
    BlockHeader(bytes(16), 256, 1, 256, 0, 1, 10, 10, 0, 0, bytes(32), bytes(32))
)
HOSTILE: list[Any] = [
    {"binary": BLOCK_IMAGE.decode("latin-1"), "magic": "\x51\x2a\x4d\x18\x28\xb5\x2f\xfd"},
    "NUL \x00 and NEL \x85 and U+2028 \u2028 and U+2029 \u2029 and CR \r and LF \n",
    "\x00" * 5000,
    {"lone": "\ud800", "pair": "\U0001f600"},
    msgspec.Raw(b'{ "spaced" : 12345678901234567890123,\n "huge": 1e400 }'),
    ["[" * 500, {"a": [None, True, 1.5, -0.0]}],
    "y" * 1_048_576,
    "",
    None,
]


def test_hostile_content_comes_back_byte_for_byte() -> None:
    """In blocks of every grouping: whatever a payload holds, a line is one line."""
    history = history_of(*HOSTILE, *HOSTILE)
    io = filled(history, [1, 2, len(HOSTILE) - 3, len(HOSTILE)])
    store = open_store(io, witness=history.head)
    assert lines_of(store) == history.lines
    assert b"".join(lines for _, lines in store.read_raw()) == b"".join(history.lines)
    assert list(store.verify()) == []
    assert (store.head_position, store.head_chain) == (history.head, history.chains[-1])


def test_hostile_values_are_the_values_that_were_appended() -> None:
    """Lone surrogates and big integers travel encoded and come back as they were."""
    store = open_store(filled(history_of(*HOSTILE), [len(HOSTILE)]))
    values = [event.value for events in store.read() for event in events]
    assert values[0]["binary"].encode("latin-1") == BLOCK_IMAGE
    assert values[1] == HOSTILE[1]
    assert values[3] == HOSTILE[3]
    assert values[4]["spaced"] == 12345678901234567890123


def test_any_zstd_decoder_reads_the_lines() -> None:
    """The frames of our own are skippable: the file is NDJSON to everyone else, sealed or open."""
    history = History().commit_many(60, size=300)
    io = filled(history, [4] * 15, segment_bytes_max=4096)
    text = b""
    for path, content in sorted(io.files(DIRECTORY).items()):
        if path.endswith(".zst"):
            decoder = zstandard.ZstdDecompressor()
            text += decoder.stream_reader(streams.BytesIO(content), read_across_frames=True).read()
    assert text == b"".join(history.lines)


def test_duckdb_counts_the_same_events(tmp_path: Path) -> None:
    """The directory is a table to DuckDB; HEAD and LOCK do not disturb."""
    history = History().commit_many(200, size=400).commit("\x00 \u2028 \n", {"lone": "\udfff"})
    directory = str(tmp_path / "segments")
    store = open_store(SystemIo(), directory, segment_bytes_max=4096)
    for block in history.blocks(0, [2] * 101):
        store.append([block])
    store.close()
    assert len([name for name in os.listdir(directory) if name.endswith(".ndjson.zst")]) > 2
    found = duckdb.execute(
        "select count(*), min(position), max(position), count(distinct id) "
        "from read_json(?, format = 'newline_delimited')",
        [f"{directory}/*.ndjson.zst"],
    ).fetchone()
    assert found == (history.head, 1, history.head, history.head)


def test_files_are_private(tmp_path: Path) -> None:
    """0600 and 0700, whatever they hold: HEAD, LOCK, segments."""
    directory = tmp_path / "segments"
    store = open_store(SystemIo(), str(directory))
    store.append([history_of("secret").block(0, 1)])
    store.close()
    assert directory.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}


def test_a_read_begins_and_ends_at_any_position() -> None:
    """Across block and file borders, with the index of sealed segments and the table of the open one."""
    history = History().commit_many(90, size=400)
    io = filled(history, [1, 5, 9, 15, 30, 30], segment_bytes_max=4096)
    store = open_store(io)
    assert len(store.segments()) > 2
    for after in range(0, 92, 3):
        for until in (after + 1, after + 7, after + 40, None):
            assert lines_of(store, after, until) == history.lines[after:until]


def test_the_tail_is_read_without_decoding_what_precedes_it() -> None:
    """Damage in the beginning of a sealed segment does not reach a reader of its end."""
    history = History().commit_many(60, size=300)
    io = filled(history, [2] * 30, segment_bytes_max=4096)
    sealed = open_store(io).segments()[0]
    fd = io.open(sealed.path, os.O_RDWR)
    io.pwrite(fd, b"#", 256 + 170)
    store = open_store(io)
    assert sealed.last_position is not None
    assert lines_of(store, sealed.last_position - 1) == history.lines[sealed.last_position - 1 :]
    with pytest.raises(Damaged) as caught:
        lines_of(store)
    assert (caught.value.first_position, caught.value.last_position) == (1, 2)
    assert caught.value.where == sealed.path


def test_segments_roll_by_size_and_by_age() -> None:
    """Each sealed, each beginning where the one before ends; a closed log goes on in the same file."""
    history = History().commit_many(12, size=1500)
    io, clock = machine(), FixedClock()
    store = open_store(io, clock=clock, segment_bytes_max=4096, segment_age_max_s=60)
    for block in history.blocks(0, [1] * 10):
        store.append([block])
    by_size = store.segments()
    store.close()
    store = open_store(io, clock=clock, segment_age_max_s=60)
    store.append([history.block(10, 11)])
    assert len(store.segments()) == len(by_size)
    clock.us += 61_000_000
    store.append([history.block(11, 12)])
    segments = store.segments()
    assert len(segments) == len(by_size) + 1
    assert [info.sealed for info in segments] == [True] * (len(segments) - 1) + [False]
    assert [info.first_position for info in segments[1:]] == [
        (info.last_position or 0) + 1 for info in segments[:-1]
    ]
    assert [len(io.files(DIRECTORY)[info.path]) for info in segments] == [
        info.length_bytes for info in segments
    ]
    assert lines_of(store) == history.lines
    assert list(store.verify()) == []


def test_after_a_roll_everything_before_is_durable() -> None:
    """Rolling syncs the older file first: only the block after it waits for `sync`."""
    history = History().commit_many(12, size=1500)
    store = open_store(machine(), segment_bytes_max=4096)
    for block in history.blocks(0, [1] * 12):
        store.append([block])
    base = store.segments()[-1].first_position
    assert base > 1
    assert store.durable_position == base - 1
    assert store.sync() == store.durable_position == 12


def test_blocks_that_do_not_follow_are_refused_unwritten() -> None:
    """A gap or a repetition names the head; another chain is another story."""
    history = History().commit_many(9)
    io = filled(history, [3])
    store = open_store(io)
    before = io.files(DIRECTORY)
    for block in (history.block(0, 3), history.block(2, 4), history.block(4, 5)):
        with pytest.raises(NotContiguous) as caught:
            store.append([block])
        assert caught.value.head_position == 3
    with pytest.raises(CopiesDisagree):
        store.append([history.block(3, 4)._replace(chain_before=bytes(32))])
    assert io.files(DIRECTORY) == before
    store.append(history.blocks(3, [1, 5]))
    assert lines_of(store) == history.lines


def test_no_space_takes_all_blocks_of_the_append_back_and_stays_usable() -> None:
    """A part of a block, or the first of two, would be a tail nobody knows of."""
    history = History().commit_many(9, size=4)
    io = filled(history, [3])
    store = open_store(io)
    before = io.files(DIRECTORY)
    for space in (0, 1, 100, 500, 700):
        io.space_bytes = space
        with pytest.raises(OSError, match="No space"):
            store.append(history.blocks(3, [2, 2, 2]))
        assert io.files(DIRECTORY) == before
        assert store.head_position == 3
    io.space_bytes = None
    store.append(history.blocks(3, [2, 2, 2]))
    assert store.sync() == 9
    assert lines_of(store) == history.lines
    store.close()
    assert lines_of(open_store(io, witness=9)) == history.lines


def test_no_space_while_rolling_leaves_an_appendable_segment() -> None:
    """The index, the seal, the next segment's header or the block may be what does not fit."""
    history = History().commit_many(5, size=1500)
    refused = 0
    for space in range(0, 2000, 13):
        io, clock = filled(history, [4]), FixedClock()
        store = open_store(io, clock=clock)
        clock.us += 10**12  # the segment is too old
        io.space_bytes = space
        with contextlib.suppress(OSError):
            store.append([history.block(4, 5)])
        io.space_bytes = None
        if store.head_position == 4:
            refused += 1
            store.append([history.block(4, 5)])
        assert len(store.segments()) == 2
        store.close()
        again = open_store(io, witness=5)
        assert lines_of(again) == history.lines
        assert not again.recovery
        assert list(again.verify()) == []
    assert 50 < refused < 150, "both ends are in the range"


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_failed_sync_is_never_retried(number: int) -> None:
    """The second fdatasync would succeed over lost data: the store refuses, a new opening decides."""
    history = History().commit_many(4)
    io = machine()
    store = open_store(io)
    store.append([history.block(0, 2)])
    io.failures["fdatasync"] = number
    with pytest.raises(MirrorUnavailable):
        store.sync()
    io.failures.clear()
    for call in (store.sync, store.refresh, store.write_mark, lambda: store.append([history.block(2, 3)])):
        with pytest.raises(MirrorUnavailable):
            call()
    assert store.durable_position == 0
    assert lines_of(store) == history.lines[:2], "reading goes on"
    store.close()
    again = open_store(io)
    again.append([history.block(again.head_position, 4)])
    assert again.sync() == 4


def test_a_failed_write_that_is_not_about_space_refuses_from_then_on() -> None:
    """Nobody knows what the disk has; nothing of the block stays in the file."""
    history = History().commit_many(4)
    io = filled(history, [2])
    store = open_store(io)
    io.failures["pwrite"] = errno.EIO
    for _ in range(2):
        with pytest.raises(MirrorUnavailable):
            store.append([history.block(2, 3)])
        io.failures.clear()
    assert open_store(io, witness=2).head_position == 2


def test_an_unusable_directory_is_a_mirror_that_is_unavailable() -> None:
    """Opening says so with the path, whatever call the system refused."""
    for call in ("open", "mkdir", "fsync", "listdir"):
        io = machine()
        io.failures[call] = errno.EROFS
        with pytest.raises(MirrorUnavailable, match=DIRECTORY):
            open_store(io)


def test_a_closed_store_says_so() -> None:
    """Every call; closing twice is fine."""
    history = History().commit_many(2)
    store = open_store(machine())
    store.append([history.block(0, 1)])
    store.close()
    store.close()
    for call in (store.sync, store.read, store.segments, lambda: store.append([history.block(1, 2)])):
        with pytest.raises(Closed):
            call()


def test_a_fork_is_noticed(tmp_path: Path) -> None:
    """The lock of a forked child would be its parent's: the child must open its own store."""
    store = open_store(SystemIo(), str(tmp_path / "segments"))
    child = os.fork()
    if child == 0:
        try:
            store.append([History().commit_many(1).block(0, 1)])
        except Closed:
            os._exit(7)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    store.append([History().commit_many(1).block(0, 1)])


def test_an_empty_directory_reads_as_an_empty_log() -> None:
    """Opening, syncing, marking and closing it writes no segment."""
    io = machine()
    store: SegmentStore = open_store(io)
    assert (store.head_position, store.sync(), store.refresh(), lines_of(store)) == (0, 0, 0, [])
    assert store.segments() == []
    store.close()
    assert not open_store(io).recovery


def test_a_block_that_rotted_under_an_open_log_is_named_before_the_segment_is_sealed() -> None:
    """A seal says that all before it was whole; the disk may have changed since it was read at opening."""
    history = History().commit_many(5, size=3000)
    io = filled(history, [1, 2, 1], segment_bytes_max=1 << 20)
    store = open_store(io, segment_bytes_max=4096)
    files = io.files(DIRECTORY)
    path = next(path for path in files if path.endswith(".zst"))
    at = 256 + 160 + int.from_bytes(files[path][316:320], "little") + 200
    fd = io.open(path, os.O_RDWR)
    io.pwrite(fd, bytes([files[path][at] ^ 1]), at)
    spoilt = io.files(DIRECTORY)
    with pytest.raises(Damaged, match="CRC") as caught:
        store.append([history.block(4, 5)])
    assert (caught.value.first_position, caught.value.last_position) == (2, 3)
    assert io.files(DIRECTORY) == spoilt
