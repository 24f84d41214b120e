"""Every damaged state of the files that is tried: bits, truncations, sectors, pages, blocks, files, bursts.

Each function yields (what was done, the files afterwards). Deterministic, but for `bursts`, which
draws from a generator that is handed in. What must come of it is said in oracle.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from random import Random

from eventlog.segment.format import FILE_HEADER_BYTES, INDEX_MAGIC, Invalid, decode_block_header, magic_at
from tests.eventlog.segment.building import DIRECTORY
from tests.reliability.damage.reference import Reference

State = tuple[str, Mapping[str, bytes]]
BURST_BYTES_MAX = 64
PAIRS_MAX = 200  # of sectors that change places, in one file


def damaged(log: Reference, path: str, content: bytes) -> Mapping[str, bytes]:
    return {**log.files, path: content}


def bits(log: Reference, first: int, last: int) -> Iterator[State]:
    """Each bit of all files, numbered through; bits first to last - 1."""
    begin = 0
    for path, content in sorted(log.files.items()):
        end = begin + 8 * len(content)
        for bit in range(max(first, begin) - begin, min(last, end) - begin):
            flipped = bytearray(content)
            flipped[bit // 8] ^= 1 << bit % 8
            yield f"bit {bit % 8} of byte {bit // 8} of {path}", damaged(log, path, bytes(flipped))
        begin = end


def blocks_end(log: Reference, path: str) -> int:
    """Return the offset after the last block of a segment."""
    return max(end for _, end in _blocks_of(log.files[path]))


def bit_count(log: Reference) -> int:
    return 8 * sum(map(len, log.files.values()))


def truncations(log: Reference) -> Iterator[State]:
    """Each segment cut at every byte."""
    for path in log.segments:
        for length in range(len(log.files[path])):
            yield f"{path} cut at byte {length}", damaged(log, path, log.files[path][:length])


def sectors(log: Reference, random: Random, size: int) -> Iterator[State]:
    """Each sector zeroed, filled with garbage, doubled onto the next; pairs of them swapped."""
    for path in log.segments:
        content = log.files[path]
        places = range(0, len(content), size)
        for at in places:
            piece = content[at : at + size]
            for name, new in (
                ("zeroed", bytes(len(piece))),
                ("filled with garbage", random.randbytes(len(piece))),
                ("lost, what follows moved up", b""),
                ("doubled", piece + piece),
            ):
                changed = content[:at] + new + content[at + len(piece) :]
                yield f"{size} bytes at {at} of {path} {name}", damaged(log, path, changed)
        pairs = list(combinations(places[:-1], 2))
        for one, other in random.sample(pairs, min(PAIRS_MAX, len(pairs))):
            swapped = bytearray(content)
            swapped[one : one + size], swapped[other : other + size] = (
                content[other : other + size],
                content[one : one + size],
            )
            yield f"{size} bytes at {one} and {other} of {path} swapped", damaged(log, path, bytes(swapped))
            misdirected = content[:other] + content[one : one + size] + content[other + size :]
            yield f"{size} bytes at {one} of {path} written to {other}", damaged(log, path, misdirected)


def blocks(log: Reference) -> Iterator[State]:
    """Whole blocks lost, doubled, swapped with the next, and written over by each other block."""
    every = {path: list(_blocks_of(log.files[path])) for path in log.segments}
    for path, places in every.items():
        content = log.files[path]
        for number, (begin, end) in enumerate(places):
            block = content[begin:end]
            where = f"block {number} of {path}"
            yield f"{where} lost", damaged(log, path, content[:begin] + content[end:])
            yield f"{where} doubled", damaged(log, path, content[:end] + block + content[end:])
            if number + 1 < len(places):
                behind = places[number + 1][1]
                swapped = content[:begin] + content[end:behind] + block + content[behind:]
                yield f"{where} and the next swapped", damaged(log, path, swapped)
            for other, elsewhere in every.items():
                for at, (first, last) in enumerate(elsewhere):
                    if (other, at) != (path, number):
                        foreign = log.files[other][first:last]
                        changed = content[:begin] + foreign + content[end:]
                        yield f"{where} replaced by block {at} of {other}", damaged(log, path, changed)


def files(log: Reference, other: Reference) -> Iterator[State]:
    """Files lost, emptied, swapped, renamed, doubled, of another log, and as they were earlier."""
    for path in log.segments:
        yield f"{path} lost", {name: content for name, content in log.files.items() if name != path}
        yield f"{path} emptied", damaged(log, path, b"")
        yield f"{path} of another log", damaged(log, path, other.files[other.segments[0]])
        for base in (1, len(log.lines), len(log.lines) + 1, 10**6):
            name = f"{DIRECTORY}/{base:020d}.ndjson.zst"
            if name not in log.files:
                yield f"{path} again as {name}", damaged(log, name, log.files[path])
                renamed = {**log.files, name: log.files[path]}
                del renamed[path]
                yield f"{path} renamed to {name}", renamed
    for one, two in combinations(log.segments, 2):
        yield f"{one} and {two} swapped", {**log.files, one: log.files[two], two: log.files[one]}
        yield f"{one} copied over {two}", damaged(log, two, log.files[one])
    for number, older in enumerate(log.older):
        for path, content in older.items():
            yield f"{path} as it was after append {number + 1}", damaged(log, path, content)
        yield f"the directory as it was after append {number + 1}", older
    yield "every segment lost", {path: c for path, c in log.files.items() if path not in log.segments}


def bursts(log: Reference, random: Random, count: int) -> Iterator[State]:
    """Runs of 1 to 64 random bytes anywhere."""
    for number in range(count):
        path = random.choice(log.segments)
        content = bytearray(log.files[path])
        length = random.randint(1, min(BURST_BYTES_MAX, len(content)))
        at = random.randint(0, len(content) - length)
        content[at : at + length] = random.randbytes(length)
        yield f"burst {number}: {length} bytes at {at} of {path}", damaged(log, path, bytes(content))


def _blocks_of(content: bytes) -> Iterator[tuple[int, int]]:
    """Yield begin and end of each block of a whole segment."""
    at = FILE_HEADER_BYTES
    while at < len(content) and magic_at(content[at : at + 8]) != INDEX_MAGIC:
        try:
            header = decode_block_header(content[at:])
        except Invalid:
            return  # a filler
        yield at, header.end
        at = header.end
