"""Torn or damaged? Bytes nobody was promised are cut with a copy kept; anything else refuses."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from eventlog.errors import AgentlogError, Damaged
from eventlog.io import SystemIo
from eventlog.segment.directory import SegmentDirectory
from eventlog.segment.format import decode_block_header, encode_block_header
from eventlog.segment.recovery import Findings, Verdict, Witness, judge
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

TORN = Findings(offset=900, last_good=4, problem="the block's frame is cut off")


def unmarked(history: History, counts: list[int], **options: object) -> dict[str, bytes]:
    """Return the files of a log without its HEAD, as after a kill."""
    files = filled(history, counts, **options).files(DIRECTORY)
    del files[f"{DIRECTORY}/HEAD"]
    return files


@pytest.mark.parametrize(
    ("findings", "verdict"),
    [
        (TORN._replace(problem=""), Verdict(False, "")),
        (TORN, Verdict(True, "")),
        (TORN._replace(witnesses=(Witness("HEAD", 4),)), Verdict(True, "")),
        (TORN._replace(promised_offset=900), Verdict(True, "")),
    ],
)
def test_what_nobody_was_promised_is_no_damage(findings: Findings, verdict: Verdict) -> None:
    """A clean end, a torn one, a witness that saw no more, a promise that ends where the tail begins."""
    assert judge(findings) == verdict


@pytest.mark.parametrize(
    "change",
    [
        {"newer_segment": True},
        {"seal_follows": True},
        {"promised_offset": 901},
        {"witnesses": (Witness("HEAD", 3), Witness("Postgres", 5))},
        {"problem": "", "witnesses": (Witness("HEAD", 5),)},
    ],
)
def test_one_promise_of_the_missing_bytes_makes_it_damage(change: dict[str, object]) -> None:
    """Each alone is enough."""
    verdict = judge(TORN._replace(**change))  # type: ignore[arg-type]
    assert verdict.damage
    assert not verdict.torn


def test_a_torn_tail_is_copied_and_cut_and_the_log_goes_on() -> None:
    """Nothing is thrown away; the report says what and where; the next opening is clean."""
    history = History().commit_many(6)
    files = unmarked(history, [2, 2])
    tail = b"\x51\x2a\x4d\x18 half of a block \x00\xff"
    files[FIRST] += tail
    io = machine(files)
    store = open_store(io, witness=4)
    (cut,) = store.recovery.cuts
    assert (cut.segment, cut.offset, cut.length_bytes) == (FIRST, len(files[FIRST]) - len(tail), len(tail))
    assert io.files("/data/quarantine") == {cut.copy: tail}
    store.append([history.block(4, 6)])
    store.close()
    again = open_store(io, witness=6)
    assert not again.recovery
    assert lines_of(again) == history.lines


def test_zeros_behind_the_last_block_are_a_torn_tail() -> None:
    """Some file systems leave the new length and no data."""
    files = unmarked(History().commit_many(2), [2])
    files[FIRST] += bytes(5000)
    store = open_store(machine(files))
    assert store.recovery.cuts[0].length_bytes == 5000
    assert store.head_position == 2


def test_a_filler_is_skipped_and_overwritten() -> None:
    """A later release may keep space behind the last block; zero, to the end of the file, or torn."""
    history = History().commit_many(4)
    files = unmarked(history, [2])
    filler = bytes.fromhex("5f2a4d18") + (500).to_bytes(4, "little") + bytes(500)
    plain = files[FIRST]
    files[FIRST] = plain + filler
    store = open_store(machine(files), witness=2)
    assert not store.recovery
    assert list(store.verify()) == []
    assert lines_of(store) == history.lines[:2]
    store.append([history.block(2, 4)])
    assert lines_of(store) == history.lines
    assert list(store.verify()) == []
    for bad in (filler[:-1], filler + b"\0", filler[:-9] + b"x" + filler[-8:]):
        files[FIRST] = plain + bad
        assert open_store(machine(files)).recovery.cuts[0].length_bytes == len(bad)


def test_a_later_promise_makes_it_damage_with_the_positions() -> None:
    """A flipped bit in the middle: nothing is cut, the positions of the block are named."""
    history = History().commit_many(9)
    files = unmarked(history, [2, 3, 4])
    content = bytearray(files[FIRST])
    second = 256 + 160 + int.from_bytes(content[316:320], "little")
    for offset in (second + 30, second + 170):
        files[FIRST] = bytes(content[:offset]) + bytes([content[offset] ^ 1]) + bytes(content[offset + 1 :])
        io = machine(files)
        with pytest.raises(Damaged) as caught:
            open_store(io)
        assert (caught.value.first_position, caught.value.last_position) == (3, 5)
        assert caught.value.where == FIRST
        assert io.files(DIRECTORY) == files
        assert not io.exists("/data/quarantine")


FORGED: list[tuple[str, Any, str]] = [
    ("salt", bytes(16), "another file or place"),
    ("offset", 9999, "another file or place"),
    ("first_position", 4, "begins at position 4, not at 3"),
    ("link", 7, "does not follow"),
    ("chain_before", b"x" * 32, "chain"),
]


@pytest.mark.parametrize(("field", "value", "problem"), FORGED)
def test_a_block_that_belongs_elsewhere_does_not_join(field: str, value: Any, problem: str) -> None:
    """A ghost of an earlier life of the file, a misdirected write: whole in itself, CRC right."""
    files = unmarked(History().commit_many(6), [2, 2, 2])
    content = files[FIRST]
    second = 256 + 160 + int.from_bytes(content[316:320], "little")
    header = decode_block_header(content[second:])
    forged = encode_block_header(header._replace(**{field: value}))
    files[FIRST] = content[:second] + forged + content[second + 160 : header.end]
    store = open_store(machine(files))
    (cut,) = store.recovery.cuts
    assert cut.offset == second
    assert problem in cut.problem
    assert store.head_position == 2


def test_a_segment_extended_to_a_terabyte_is_refused_soon_and_named(tmp_path: Path) -> None:
    """Reading it to its end, or copying it to quarantine, would take for ever and fill the disk."""
    directory = str(tmp_path / "segments")
    store = open_store(SystemIo(), directory)
    store.append([History().commit_many(2).block(0, 2)])
    store.close()
    path = f"{directory}/00000000000000000001.ndjson.zst"
    os.truncate(path, 2**40)
    with pytest.raises(Damaged, match="more than a crash leaves") as caught:
        open_store(SystemIo(), directory)
    assert caught.value.first_position == 3
    (found,) = verify_segments(SystemIo(), SegmentDirectory(directory, SystemIo()), LOG_ID)
    assert (found.first_position, found.where) == (3, path)
    assert os.path.getsize(path) == 2**40
    assert not (tmp_path / "quarantine").exists()


def test_a_missing_segment_is_damage_with_its_positions() -> None:
    """The first, one in the middle, the last with a witness, all of them."""
    history = History().commit_many(12, size=3000)
    files = filled(history, [1] * 12, segment_bytes_max=4096).files(DIRECTORY)
    names = sorted(name for name in files if name.endswith(".zst"))
    bases = [int(name[-31:-11]) for name in names]
    assert len(names) > 4
    for at, name in enumerate(names):
        io = machine({other: content for other, content in files.items() if other != name})
        with pytest.raises(Damaged) as caught:
            open_store(io)
        assert caught.value.first_position == bases[at]
        assert caught.value.last_position == (bases[at + 1] - 1 if at + 1 < len(bases) else 12)
    with pytest.raises(Damaged):
        open_store(machine(), witness=1)


def test_a_shortened_or_swapped_older_segment_is_damage() -> None:
    """The header after it says how long it was and what chain it had."""
    files = filled(History().commit_many(12, size=3000), [1] * 12, segment_bytes_max=4096).files(DIRECTORY)
    other = filled(History().commit_many(12, size=3001), [1] * 12, segment_bytes_max=4096).files(DIRECTORY)
    names = sorted(name for name in files if name.endswith(".zst"))
    for change in (files[names[1]][:-1], files[names[1]][:-160], other[names[1]]):
        with pytest.raises(Damaged) as caught:
            open_store(machine({**files, names[1]: change}))
        assert caught.value.where in names[:3]


def test_truncation_at_every_byte_is_noticed_through_the_witness() -> None:
    """A file cannot prove its own truncation: the mark in HEAD can, and what Postgres remembers can."""
    history = History().commit_many(5)
    io = filled(history, [1, 3, 1])
    files = io.files(DIRECTORY)
    head = files.pop(f"{DIRECTORY}/HEAD")
    for length in range(len(files[FIRST])):
        cut = {**files, FIRST: files[FIRST][:length]}
        with pytest.raises(Damaged):
            open_store(machine(cut), witness=5)
        with pytest.raises(Damaged):
            open_store(machine({**cut, f"{DIRECTORY}/HEAD": head}))
    assert open_store(machine(files), witness=5).head_position == 5


def test_a_spoilt_slot_of_the_mark_is_forgiven_two_are_damage() -> None:
    """A crash can spoil the slot being written; the other one still speaks."""
    history = History().commit_many(4)
    io = machine()
    store = open_store(io)
    for position in range(4):
        store.append([history.block(position, position + 1)])
        store.sync()
        store.write_mark()
    store.write_mark()
    files = io.files(DIRECTORY)
    head = files[f"{DIRECTORY}/HEAD"]
    assert len(head) == 512 + 68
    for spoilt, lost in ((head[:30] + b"#" + head[31:], 3), (head[:530], 2)):
        short = {**files, f"{DIRECTORY}/HEAD": spoilt}
        assert open_store(machine(short)).head_position == 4
        del short[FIRST]
        with pytest.raises(Damaged) as caught:
            open_store(machine(short))
        assert caught.value.last_position == lost + 1 if spoilt == head[:530] else 4
    with pytest.raises(Damaged, match="HEAD"):
        open_store(machine({**files, f"{DIRECTORY}/HEAD": head[:30] + b"#" + head[31:530]}))


def test_every_single_bit_flip_is_noticed() -> None:
    """In the open segment: refused, or reported with every event still there. Never silence."""
    history = History().commit_many(3)
    files = filled(history, [2, 1]).files(DIRECTORY)
    content = files[FIRST]
    for bit in range(len(content) * 8):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(AgentlogError):
            open_store(machine({**files, FIRST: bytes(flipped)}))


def test_every_single_bit_flip_of_a_sealed_segment_is_found_by_verify() -> None:
    """Header, blocks, index and seal: opening looks at the ends, verify at every bit."""
    files = filled(History().commit_many(2), [2]).files(DIRECTORY)
    io, clock = machine(files), FixedClock()
    clock.us += 10**12  # the segment is too old: the next append seals it
    store = open_store(io, clock=clock)
    store.append([History().commit_many(3).block(2, 3)])
    store.close()
    files = io.files(DIRECTORY)
    content = files[FIRST]
    assert len(files) == 4, "two segments, HEAD, LOCK"
    for bit in range(len(content) * 8):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        io = machine({**files, FIRST: bytes(flipped)})
        assert list(verify_segments(io, SegmentDirectory(DIRECTORY, io), LOG_ID)), f"bit {bit}"
