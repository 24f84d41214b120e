"""A read gives what was written or names the positions it cannot give; it never gives less in silence."""

from __future__ import annotations

import errno
import os
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from eventlog.errors import CopiesDisagree, Damaged, MirrorUnavailable
from eventlog.segment.appender import check_block
from eventlog.segment.directory import SegmentDirectory
from eventlog.segment.format import (
    MAX_LINE_BYTES,
    SEAL_BYTES,
    Mark,
    decode_block_header,
    decode_seal,
    encode_block_header,
    encode_mark,
    encode_seal,
)
from eventlog.segment.store import Block, SegmentStore
from eventlog.segment.verify import verify_segments
from tests.eventlog.segment.building import (
    DIRECTORY,
    FIRST,
    LOG_ID,
    FixedClock,
    History,
    filled,
    lines_of,
    machine,
    open_store,
)
from tests.eventlog.segment.test_verify import with_block
from tests.support.lossy_io import LossyIo


def several() -> tuple[History, LossyIo, list[str]]:
    """Return a log of twelve events in several segments, closed, and the segments' paths."""
    history = History().commit_many(12, size=3000)
    io = filled(history, [1] * 12, segment_bytes_max=4096)
    return history, io, sorted(path for path in io.files(DIRECTORY) if path.endswith(".zst"))


def overwrite(io: LossyIo, path: str, offset: int, data: bytes) -> None:
    fd = io.open(path, os.O_RDWR)
    io.pwrite(fd, data, offset)
    io.close(fd)


def refused(store: SegmentStore, after: int = 0) -> tuple[int | None, int | None]:
    """Return the positions that a read names as lost."""
    with pytest.raises(Damaged) as caught:
        list(store.read(after))
    return caught.value.first_position, caught.value.last_position


@pytest.mark.parametrize(
    "lines",
    [b"nope\n" * 3, b"{}\n" * 3, b"\xff\n" * 3],
    ids=["no JSON", "no event", "no UTF-8"],
)
def test_a_block_whose_lines_are_no_events_is_named_by_its_positions(lines: bytes) -> None:
    """Its CRCs are right, so opening takes it; what is read from it must not be made up."""
    history = History().commit("a", "b", "c")
    files = {FIRST: with_block(filled(history, [3]).files(DIRECTORY)[FIRST], history, lines, 3)}
    assert refused(open_store(machine(files))) == (1, 3)


@pytest.mark.parametrize("kept", [[0, 1], [1, 2, 0], [0, 1, 1], [2, 1, 0]])
def test_a_block_of_other_events_than_its_header_counts_is_named(kept: list[int]) -> None:
    """One too few, another first or last one: a reader would skip or repeat events without noticing."""
    history = History().commit("a", "b", "c")
    lines = b"".join(history.lines[number] for number in kept)
    files = {FIRST: with_block(filled(history, [3]).files(DIRECTORY)[FIRST], history, lines, 3)}
    assert refused(open_store(machine(files))) == (1, 3)


def test_a_segment_that_vanished_is_named_with_all_that_was_promised() -> None:
    """Under an open store: what lies behind is promised too, and nobody skips to it."""
    _, io, paths = several()
    store = open_store(io)
    io.unlink(paths[2])
    lost = int(paths[2][-31:-11])
    assert refused(store) == (lost, 12)
    assert refused(store, after=lost - 1) == (lost, 12)


def test_a_header_that_does_not_read_takes_the_positions_up_to_the_next_one() -> None:
    """And where nothing valid follows in the file, up to what was promised."""
    history = History().commit_many(6)
    io = filled(history, [1, 2, 3])
    files = io.files(DIRECTORY)
    store = open_store(io)
    ends = list(store._tail.table(1).offsets)  # type: ignore[union-attr]
    for at, lost in ((ends[1], (2, 3)), (ends[2], (4, 6))):
        overwrite(io, FIRST, at + 30, b"\xff")
        assert refused(store) == lost
        overwrite(io, FIRST, 0, files[FIRST])
    assert lines_of(store) == history.lines


def test_a_disk_that_does_not_read_is_damage_and_a_file_we_may_not_read_is_not() -> None:
    """The one is mended from Postgres; the other by whoever may."""
    _, io, _ = several()
    store = open_store(io)
    for call in ("open", "pread"):
        io.failures = {call: errno.EIO}
        assert refused(store, after=3) == (4, 4)
        findings = verify_segments(io, SegmentDirectory(DIRECTORY, io), LOG_ID)
        assert any("cannot be read" in f.problem or "Errno" in f.problem for f in findings)
        io.failures = {call: errno.EACCES}
        with pytest.raises(MirrorUnavailable, match="cannot be read"):
            list(store.read())


def test_more_segments_than_tables_are_kept_are_read_at_any_position() -> None:
    """Tables of sealed segments are dropped and read again."""
    history = History().commit_many(210, size=3000)
    store = open_store(filled(history, [1] * 210, segment_bytes_max=4096))
    ends = [info.last_position for info in store.segments() if info.last_position != info.first_position]
    assert len(ends) > 64
    for last in (*ends, ends[0]):
        assert last is not None
        assert lines_of(store, last - 1, last) == history.lines[last - 1 : last]


def test_an_index_of_another_file_is_not_sought_by() -> None:
    """Its offsets would lead to the middle of somewhere; the segment is walked instead."""
    history, io, paths = several()
    content = io.files(DIRECTORY)[paths[1]]
    seal = decode_seal(content[-SEAL_BYTES:])
    store = open_store(io)
    overwrite(io, paths[1], seal.offset, encode_seal(seal._replace(salt=bytes(16))))
    first = seal.first_position
    assert lines_of(store, first, first + 1) == history.lines[first : first + 1]


def test_an_older_segment_whose_seal_is_gone_or_of_another_file_is_damage() -> None:
    """A newer one exists, so this one was complete; verify says so as well."""
    _, io, paths = several()
    content = io.files(DIRECTORY)[paths[1]]
    seal = decode_seal(content[-SEAL_BYTES:])
    for end in (b"", encode_seal(seal._replace(salt=bytes(16)))):
        with pytest.raises(Damaged, match="a newer segment exists"):
            open_store(machine({**io.files(DIRECTORY), paths[1]: content[:-SEAL_BYTES] + end}))
    files = {**io.files(DIRECTORY), paths[1]: content[: seal.index_offset]}
    found = list(verify_segments(machine(files), SegmentDirectory(DIRECTORY, machine(files)), LOG_ID))
    assert any("no seal" in finding.problem for finding in found)


def test_segments_that_do_not_follow_each_other_are_named_by_verify() -> None:
    """Each whole in itself, of two histories of one length."""
    _, io, paths = several()
    other = filled(History().commit_many(12, size=3001), [1] * 12, segment_bytes_max=4096).files(DIRECTORY)
    files = {**io.files(DIRECTORY), paths[0]: other[paths[0]]}
    changed = machine(files)
    found = list(verify_segments(changed, SegmentDirectory(DIRECTORY, changed), LOG_ID))
    assert any("does not follow" in finding.problem for finding in found)


def test_a_mark_of_another_log_is_no_mark() -> None:
    """HEAD of another directory, copied here by accident: named, not believed."""
    history = History().commit("a")
    files = filled(history, [1]).files(DIRECTORY)
    files[f"{DIRECTORY}/HEAD"] = encode_mark(Mark(uuid.UUID(int=5), 9, bytes(32)))
    with pytest.raises(CopiesDisagree, match="belongs to log"):
        open_store(machine(files))


def test_another_processs_damage_is_not_cut_by_the_next_append() -> None:
    """What it promised behind an invalid block makes that block damage, not a torn tail."""
    history = History().commit_many(6)
    io = filled(history, [2])
    store, other = open_store(io), open_store(io)
    for block in history.blocks(2, [1, 1]):
        other.append([block])
        other.sync()
    length = store.segments()[0].length_bytes
    overwrite(io, FIRST, length + 20, b"\xff")
    before = io.files(DIRECTORY)
    with pytest.raises(Damaged) as caught:
        store.append([history.block(4, 5)])
    assert caught.value.first_position == 3
    assert io.files(DIRECTORY) == before


def test_half_a_frame_of_a_killed_process_is_cut_by_the_next_append() -> None:
    """Its header is whole: what the walk by headers sees is that the file ends too early."""
    history = History().commit_many(4)
    io = filled(history, [2])
    store, killed = open_store(io), open_store(io)
    length = store.segments()[0].length_bytes
    killed.append([history.block(2, 3)])
    fd = io.open(FIRST, os.O_RDWR)
    io.ftruncate(fd, length + 170)
    store.append([history.block(2, 4)])
    assert store.recovery.cuts[0].problem == "the block's frame is cut off"
    assert lines_of(store) == history.lines


def test_what_cannot_be_taken_back_lets_nothing_more_be_written() -> None:
    """A full disk, and then a file that does not shrink: what stands at its end is not known any more."""
    history = History().commit_many(4)
    io = filled(history, [2])
    store = open_store(io)
    io.space_bytes = 100
    io.failures = {"ftruncate": errno.EIO}
    with pytest.raises(OSError, match="No space"):
        store.append([history.block(2, 3)])
    io.space_bytes, io.failures = None, {}
    with pytest.raises(MirrorUnavailable, match="taking back"):
        store.append([history.block(2, 3)])
    assert lines_of(open_store(io)) == history.lines[:2]


def test_a_lock_that_fails_otherwise_than_by_being_held_is_an_unusable_directory() -> None:
    """Not a platform without locks, and not another process."""
    io = machine()
    io.failures = {"lock": errno.EIO}
    with pytest.raises(MirrorUnavailable, match="cannot be opened"):
        open_store(io)


def test_nothing_to_append_is_nothing() -> None:
    """No segment is made, none is rolled."""
    io, clock = filled(History().commit("a"), [1]), FixedClock()
    clock.us += 10**12
    store = open_store(io, clock=clock)
    before = io.files(DIRECTORY)
    store.append([])
    assert io.files(DIRECTORY) == before


def test_a_block_over_the_formats_limits_is_our_own_mistake() -> None:
    """A line longer than any event; whoever made the block should have known."""
    line = b"x" * (MAX_LINE_BYTES - 1) + b"\n"
    check_block(Block(1, 2, line + line, bytes(32), bytes(32)))
    with pytest.raises(AssertionError):
        check_block(Block(1, 2, line + b"x" + line, bytes(32), bytes(32)))


def test_one_thread_writes_at_a_time_and_may_do_so_within_what_it_does() -> None:
    """flock is held by the descriptor, so that threads of one store need a lock of their own."""
    directory = SegmentDirectory(DIRECTORY, machine())
    directory.make()
    with ThreadPoolExecutor(1) as another, directory.locked():
        with directory.locked(wait=False):
            pass

        def take() -> None:
            with directory.locked(wait=False):
                pass

        with pytest.raises(BlockingIOError, match="another thread"):
            another.submit(take).result()


def test_a_ghost_behind_damage_is_not_gone_on_with() -> None:
    """A header of an earlier life of the file, right in itself, of positions that were read already."""
    history = History().commit_many(6)
    files = filled(history, [1, 1, 1]).files(DIRECTORY)
    content = files[FIRST]
    second = decode_block_header(content[256:]).end
    ghost_at = len(content) + 64
    ghost = decode_block_header(content[256:])._replace(offset=ghost_at, durable_offset=0)
    spoilt = content[: second + 30] + b"\xff" + content[second + 31 :]
    third = decode_block_header(content[second:]).end
    files[FIRST] = spoilt[:third] + bytes(ghost_at - third) + encode_block_header(ghost)
    io = machine(files)
    found = list(verify_segments(io, SegmentDirectory(DIRECTORY, io), LOG_ID))
    assert found[0].first_position == 2
    assert found[-1].first_position >= 2
    store = open_store(machine({**files, FIRST: content}))
    overwrite(store._io, FIRST, 0, files[FIRST])  # type: ignore[arg-type]
    assert refused(store) == (2, 3)
