"""Kinds of damage to the segments of a log: a part of the table in kinds.py."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from eventlog.errors import Damaged
from eventlog.segment.format import FILE_HEADER_BYTES, SEAL_BYTES, Mark, decode_seal, encode_mark
from tests.reliability.damage.kinds import Kind, Positions
from tests.reliability.damage.place import Place

A_TERABYTE = 2**40


def segment_kinds(place: Place) -> Iterator[Kind]:
    """Kinds of damage in the segments."""
    files = place.segments()
    bases = [int(path.name[:20]) for path in files]
    ends = [*[base - 1 for base in bases[1:]], place.head_position]
    end = place.head_position
    newest = files[-1]

    def kind(name: str, do: Callable[[Place], object], positions: Positions | None = None, *,
             finds: str = "segments", keeps: bool = True) -> Kind:  # fmt: skip
        async def damage(place: Place) -> None:
            do(place)

        return Kind(name, damage, finds, positions, keeps=keeps)

    def flip(path: Path, offset: int) -> Callable[[Place], object]:
        return lambda place: place.change(path, lambda content: _flip(content, offset))

    for where, position in (("the first segment", 3), ("a later segment", bases[1] + 1), ("the last", end)):
        path, header = place.block(position)
        reach = (header.first_position, header.last_position)
        yield kind(f"a frame in {where}", flip(path, header.end - 9), reach)
        yield kind(f"a block header in {where}", flip(path, header.offset + 20), reach)
        yield kind(
            f"a frame in {where} zeroed", _over(path, header.offset + 160, bytes(header.stored_length)), reach
        )
        yield kind(
            f"a block in {where} zeroed", _over(path, header.offset, bytes(header.end - header.offset)), reach
        )
        # What followed is no longer where it says it is.
        behind = ends[files.index(path)]
        yield kind(
            f"a block in {where} cut out", _cut_out(path, header.offset, header.end), (reach[0], behind)
        )
    for number, path in enumerate(files):
        last = ends[number] if number + 1 < len(files) else None
        name = f"segment {number + 1}"
        yield kind(f"{name}: file header", flip(path, 40), (bases[number], last))
        yield kind(f"{name}: emptied", _over(path, 0, b"", length=0), (bases[number], last))
        yield kind(f"{name}: garbage", _over(path, 0, os.urandom(5000), length=5000), (bases[number], last))
        yield kind(f"{name}: lost", _lose(path), (bases[number], ends[number]))
        yield kind(f"{name}: a directory in its place", _directory(path), (bases[number], last))
        yield kind(f"{name}: half of it lost", _truncate(path, path.stat().st_size // 2))
        if number + 1 < len(files):
            seal = decode_seal(path.read_bytes()[-SEAL_BYTES:])
            behind = (ends[number] + 1, ends[number])
            yield kind(f"{name}: index", flip(path, seal.index_offset + 60), behind)
            yield kind(f"{name}: seal", flip(path, seal.offset + 60), behind)
            yield kind(f"{name}: seal lost", _truncate(path, seal.offset), behind)
            yield kind(
                f"{name}: swapped with the next",
                _swap(path, files[number + 1]),
                (bases[number], ends[number]),
            )
    yield kind("every segment lost", lambda place: [path.unlink() for path in place.segments()], (1, end))
    yield kind(
        "the directory lost", lambda place: shutil.rmtree(place.data / "segments"), (1, end), keeps=False
    )
    yield kind("a tail lost", _truncate(newest, place.block(end)[1].offset), (end, end))
    yield kind("a torn tail", _truncate(newest, newest.stat().st_size - 5), place_of(place, end))
    yield kind("bytes behind the end", _over(newest, newest.stat().st_size, os.urandom(700)), (end + 1, None))
    yield kind("a terabyte of nothing behind the end", _truncate(newest, A_TERABYTE), (end + 1, None))
    again = files[0].with_name(f"{2:020d}.ndjson.zst")
    yield kind("a segment again under another name", lambda place: shutil.copy(files[0], again),
               (2, bases[1] - 1))  # fmt: skip
    yield kind(
        "a segment renamed",
        lambda place: files[1].rename(files[1].with_name(f"{bases[1] + 1:020d}.ndjson.zst")),
    )
    earlier = (place.older_position + 1, end)
    yield kind("the segments as they were earlier", _older, earlier, keeps=False)
    for path in place.older:
        if path in files and path.read_bytes() != place.older[path]:
            yield kind(f"{path.name[15:20]} as it was earlier", _back(path))
    head = place.data / "segments" / "HEAD"
    yield kind("HEAD: both slots", lambda place: head.write_bytes(os.urandom(580)), (1, None))
    yield kind("HEAD: one slot", lambda place: place.change(head, _spoil_older_slot), (end + 1, end))
    yield kind("HEAD: a directory in its place", _directory(head), (1, None))
    yield kind("HEAD: of another log", _foreign_mark(head), (1, None))
    yield kind("HEAD lost", _lose(head), finds="", keeps=False)
    yield kind(
        "HEAD as it was earlier", lambda place: head.write_bytes(place.older[head]), finds="", keeps=False
    )
    notes = place.data / "segments" / "notes.txt"
    yield kind("a stranger's file", lambda place: notes.write_text("x"), finds="", keeps=False)


async def _both(place: Place) -> None:
    path, header = place.block(9)
    place.change(path, lambda content: _flip(content, header.end - 9))
    await place.behind_the_guards("DELETE FROM {schema}.events WHERE position IN (3, 9)")


async def _both_apart(place: Place) -> None:
    path, header = place.block(7)
    place.change(path, lambda content: _flip(content, header.end - 9))
    await place.behind_the_guards("DELETE FROM {schema}.events WHERE position IN (3, 9, 20)")


def both_kinds(place: Place) -> Iterator[Kind]:
    """Damage in both copies: elsewhere it is mended; in the same place it is refused and named."""
    yield Kind("both copies, at different positions", _both_apart, "postgres", (3, 3))
    yield Kind("both copies, at the same position", _both, "copies", (9, 9), mends="", refused=Damaged)


def place_of(place: Place, position: int) -> Positions:
    header = place.block(position)[1]
    return header.first_position, header.last_position


def _flip(content: bytearray, offset: int) -> None:
    content[offset] ^= 0x10


def _over(path: Path, offset: int, data: bytes, length: int | None = None) -> Callable[[Place], object]:
    """Write over bytes of a file, which then ends where it did, or at `length`."""

    def do(place: Place) -> None:
        content = bytearray(path.read_bytes())
        content[offset : offset + len(data)] = data
        path.write_bytes(content if length is None else content[:length])

    return do


def _cut_out(path: Path, begin: int, end: int) -> Callable[[Place], object]:
    return lambda place: path.write_bytes(path.read_bytes()[:begin] + path.read_bytes()[end:])


def _truncate(path: Path, length: int) -> Callable[[Place], object]:
    return lambda place: os.truncate(path, length)


def _lose(path: Path) -> Callable[[Place], object]:
    return lambda place: path.unlink()


def _directory(path: Path) -> Callable[[Place], object]:
    def do(place: Place) -> None:
        path.unlink()
        path.mkdir()

    return do


def _swap(one: Path, two: Path) -> Callable[[Place], object]:
    def do(place: Place) -> None:
        first, second = one.read_bytes(), two.read_bytes()
        one.write_bytes(second)
        two.write_bytes(first)

    return do


def _back(path: Path) -> Callable[[Place], object]:
    return lambda place: path.write_bytes(place.older[path])


def _older(place: Place) -> None:
    for path in place.all_files():
        path.unlink()
    for path, content in place.older.items():
        path.write_bytes(content)


def _spoil_older_slot(content: bytearray) -> None:
    content[FILE_HEADER_BYTES // 8] ^= 1


def _foreign_mark(head: Path) -> Callable[[Place], object]:
    import uuid

    return lambda place: head.write_bytes(encode_mark(Mark(uuid.uuid4(), 3, bytes(32))))
