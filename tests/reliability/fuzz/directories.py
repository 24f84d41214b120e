"""Whole directories of segments, altered in any way: opened, read, verified, gone on with.

Each target takes any bytes as a list of alterations of a reference log and raises AssertionError, or
whatever else escaped, when one of these does not hold: opening ends in a clean log, in a torn tail
that was cut with a copy of it kept, or in a refusal that changed nothing; what is read is a prefix of
what was written; what a witness remembers is never missing in silence; verify sees what opening sees.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from contextlib import suppress

from eventlog.errors import CopiesDisagree, Damaged, FormatTooNew
from eventlog.segment.directory import SegmentDirectory
from eventlog.segment.format import BLOCK_HEADER_BYTES, Invalid, crc32c, decode_mark
from eventlog.segment.store import SegmentStore
from eventlog.segment.verify import verify_segments
from replay.blocks import readable_blocks
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
from tests.reliability.fuzz.drawing import Drawing

HEAD, LOCK = f"{DIRECTORY}/HEAD", f"{DIRECTORY}/LOCK"
REFUSALS = (Damaged, CopiesDisagree, FormatTooNew)
ALTERATIONS_MAX = 6

HISTORY = History().commit("a").commit_many(9, size=1600).commit({"image": "QQ", "n": None}, "b")
Files = dict[str, bytes]


def _references() -> list[Files]:
    """An open segment; several; the newest one sealed; and the first two as a killed writer leaves them."""
    counts = [1, 2, 1, 3, 1, 1]
    alone, several = (
        filled(HISTORY, counts, segment_bytes_max=length).files(DIRECTORY) for length in (1 << 20, 4096)
    )
    io, clock = machine(several), FixedClock()
    clock.us += 10**12  # the segment is too old: the next append seals it
    open_store(io, clock=clock).append([HISTORY.block(9, 10)])
    closed = io.files(DIRECTORY)
    del closed[max(path for path in closed if path.endswith(".zst"))]
    unmarked = [{path: data for path, data in files.items() if path != HEAD} for files in (alone, several)]
    return [alone, several, closed, *unmarked]


REFERENCES = _references()


def directory(data: bytes) -> None:
    """No fuzzer guesses a CRC-32C: what is altered is never read as an event."""
    drawing = Drawing(data)
    original = REFERENCES[drawing.number(len(REFERENCES))]
    witness = drawing.number(16)
    files = altered(original, drawing)
    io = machine(files)
    findings = list(verify_segments(io, SegmentDirectory(DIRECTORY, io), LOG_ID))
    whole = not findings
    salvaged = b"".join(line for block in _readable(files) for line in block)
    assert is_subsequence(salvaged.splitlines(keepends=True), HISTORY.lines)
    store = opened(files, witness)
    if store is None:
        assert not whole or witness > last_position(files)
        return
    assert not (whole and store.recovery)
    # Older segments are looked at by their ends alone; of the newest one nothing escapes an opening.
    newest = store.segments()[-1].path if files.keys() - {HEAD, LOCK} else ""
    assert store.recovery or newest not in {finding.where for finding in findings}
    assert store.head_position >= max(witness, remembered(files))
    read, is_complete = read_lines(store)
    assert read == HISTORY.lines[: len(read)]
    assert len(read) <= store.head_position
    assert is_complete or list(store.verify())
    if is_complete:
        assert len(read) == store.head_position
        goes_on(store, whole)


def forged(data: bytes) -> None:
    """Altered by somebody who computes CRCs: documented errors alone, and verify sees what is wrong."""
    drawing = Drawing(data)
    files = altered(REFERENCES[drawing.number(3)], drawing)
    content = bytearray(files.get(FIRST, b""))
    offset = forge(content, drawing)
    files[FIRST] = bytes(content)
    io = machine(files)
    found = list(verify_segments(io, SegmentDirectory(DIRECTORY, io), LOG_ID))
    for block in _readable(files):
        assert all(line.endswith(b"\n") for line in block)
    store = opened(files, 0)
    if store is None:
        return
    read, is_complete = read_lines(store)
    assert found or (is_complete and read == HISTORY.lines[: len(read)]), f"forged at {offset}"


def altered(original: Mapping[str, bytes], drawing: Drawing) -> Files:
    """Return the files after the alterations that were drawn: what disks, tools and people do to bytes."""
    files = dict(original)
    for _ in range(ALTERATIONS_MAX):
        names = sorted(set(files) - {LOCK})
        if drawing.is_empty or not names:
            break
        path = names[drawing.number(len(names))]
        content = files[path]
        kind, at, length = drawing.number(11), drawing.number(len(content) + 1), drawing.number(1 << 12)
        end = min(len(content), at + length)
        match kind:
            case 0:
                fresh = drawing.bytes(length % 256)
                files[path] = content[:at] + fresh + content[at + len(fresh) :]
            case 1:
                files[path] = content[:at] + drawing.bytes(length % 256) + content[at:]
            case 2:
                files[path] = content[:at] + content[end:]
            case 3:
                files[path] = content[:at]
            case 4:
                files[path] = content[:at] + bytes(end - at) + content[end:]
            case 5 if content:
                bit = drawing.number(len(content) * 8)
                spoilt = bytearray(content)
                spoilt[bit // 8] ^= 1 << bit % 8
                files[path] = bytes(spoilt)
            case 6:  # a misdirected write, a ghost of an earlier life
                other = files[sorted(files)[drawing.number(len(files))]]
                source = drawing.number(len(other) + 1)
                piece = other[source : source + length]
                files[path] = content[:at] + piece + content[at + len(piece) :]
            case 7:
                files[path] = content + content[at:end]
            case 8:
                files[path] = content + bytes(length)
            case 9:
                del files[path]
            case 10 if path != HEAD:
                files[path.replace(path[-31:-11], f"{1 + at % 12:020d}")] = content
    return files


def forge(content: bytearray, drawing: Drawing) -> int:
    """Change a frame and make its CRCs right; return where it begins."""
    magic = b"\x50\x51\x52\x53"[drawing.number(4)]
    found = [at for at in range(len(content)) if content[at : at + 4] == bytes([magic, 0x2A, 0x4D, 0x18])]
    if not found:
        return -1
    offset = found[drawing.number(len(found))]
    size = {0x50: 256, 0x51: 160, 0x52: 56, 0x53: 160}[magic]
    if len(content) < offset + size:
        return -1
    if magic in (0x51, 0x52):
        _forge_body(content, offset, magic, drawing)
    for _ in range(drawing.number(3)):
        at = offset + 8 + drawing.number(size - 12)
        fresh = drawing.bytes(1 + drawing.number(8))
        content[at : at + len(fresh)] = fresh
    content[offset + size - 4 : offset + size] = struct.pack(
        "<I", crc32c(bytes(content[offset : offset + size - 4]))
    )
    return offset


def _forge_body(content: bytearray, offset: int, magic: int, drawing: Drawing) -> None:
    """Change the lines of a block, or the body of an index, in place; its CRC follows."""
    from eventlog.segment.frames import compress, decompress

    stored_at, raw_at, crc_at = (64, 68, 72) if magic == 0x51 else (32, 36, 40)
    head = BLOCK_HEADER_BYTES if magic == 0x51 else 56
    (stored,) = struct.unpack_from("<I", content, offset + stored_at)
    (raw,) = struct.unpack_from("<I", content, offset + raw_at)
    body_at = offset + head
    try:
        text = bytearray(decompress(bytes(content[body_at : body_at + stored]), raw))
    except Invalid:
        return
    for _ in range(drawing.number(4)):
        at = drawing.number(len(text) + 1)
        fresh = drawing.bytes(drawing.number(24))
        text[at : at + (len(fresh) if drawing.number(2) else 0)] = fresh
    body = compress(bytes(text), 1)
    content[body_at : body_at + stored] = body
    struct.pack_into("<I", content, offset + stored_at, len(body))
    struct.pack_into("<I", content, offset + raw_at, len(text))
    struct.pack_into("<I", content, offset + crc_at, crc32c(body))
    if magic == 0x52:
        struct.pack_into("<I", content, offset + 4, head - 8 + len(body))


def opened(files: Files, witness: int) -> SegmentStore | None:
    """Open; None when it was refused, nothing changed. What was cut is in quarantine, byte for byte."""
    io = machine(files)
    try:
        store = open_store(io, witness=witness)
    except REFUSALS:
        after = io.files(DIRECTORY)
        assert {**after, f"{DIRECTORY}/LOCK": b""} == {
            **files,
            f"{DIRECTORY}/LOCK": after[f"{DIRECTORY}/LOCK"],
        }
        assert not io.exists("/data/quarantine")
        return None
    after = io.files(DIRECTORY)
    copies = {cut.segment: io.files("/data/quarantine")[cut.copy] for cut in store.recovery.cuts}
    for path in set(files) | set(after):
        if path not in (HEAD, LOCK):
            assert after[path] + copies.get(path, b"") == files[path]
    return store


def read_lines(store: SegmentStore) -> tuple[list[bytes], bool]:
    """Return what a store reads, and whether it read to its end."""
    read: list[bytes] = []
    try:
        for header, text in store.read_raw():
            assert header.first_position == len(read) + 1
            read += text.splitlines(keepends=True)
        assert lines_of(store) == read
    except Damaged:
        return read, False
    return read, True


def goes_on(store: SegmentStore, whole: bool) -> None:
    """Append what Postgres has beyond the head; another opening finds everything."""
    head = store.head_position
    if head < HISTORY.head:
        store.append([HISTORY.block(head, HISTORY.head)])
    store.close()
    again = open_store(store._io)
    assert not again.recovery
    assert lines_of(again) == HISTORY.lines
    assert not (whole and list(again.verify()))


def last_position(files: Files) -> int:
    """Return the last position of a directory in which nothing is wrong."""
    store = open_store(machine(files))
    return store.head_position


def remembered(files: Files) -> int:
    """Return the greatest position that a readable slot of HEAD remembers."""
    marks = []
    for slot in (0, 512):
        with suppress(Invalid):
            marks.append(decode_mark(files.get(HEAD, b"")[slot : slot + 68]))
    return max((mark.position for mark in marks if mark is not None), default=0)


def is_subsequence(some: list[bytes], whole: list[bytes]) -> bool:
    remaining = iter(whole)
    return all(line in remaining for line in some)


def _readable(files: Files) -> list[list[bytes]]:
    io = machine(files)
    return [
        list(block.lines) for block in readable_blocks(io, SegmentDirectory(DIRECTORY, io), LOG_ID, 1 << 40)
    ]
