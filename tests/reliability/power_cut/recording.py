"""A disk as values: what was written and flushed in which order, and what a power cut leaves of it.

Pure: no file system, no FUSE, no clock. A disk owes its owner what was written before a flush that
has returned; of everything written since, any part may be there, in any order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import NamedTuple

PAGE_BYTES = 4096
SECTOR_BYTES = 512
_EMPTY = bytes(PAGE_BYTES)

# What became of the writes that no flush covered.
FATES = ("nothing", "everything", "pieces", "prefix", "torn", "all but one", "last only")


class Image:
    """The content of a disk: pages of its own over those of an image below, which it never changes."""

    def __init__(self, below: Image | None = None) -> None:
        self._pages: dict[int, bytes] = {}
        self._below = below

    def _page(self, number: int) -> bytes:
        image: Image | None = self
        while image is not None:
            if (page := image._pages.get(number)) is not None:
                return page
            image = image._below
        return _EMPTY

    def read(self, offset: int, length: int) -> bytes:
        first, last = offset // PAGE_BYTES, (offset + length - 1) // PAGE_BYTES
        whole = b"".join(map(self._page, range(first, last + 1)))
        start = offset - first * PAGE_BYTES
        return whole[start : start + length]

    def write(self, offset: int, data: bytes) -> None:
        for at, piece in pieces(offset, data, PAGE_BYTES):
            number, start = divmod(at, PAGE_BYTES)
            if len(piece) < PAGE_BYTES:
                page = self._page(number)
                piece = page[:start] + piece + page[start + len(piece) :]
            self._pages[number] = piece


class Write(NamedTuple):
    """One write that the disk has answered."""

    offset: int
    data: bytes


class Recording:
    """A disk that remembers every write and every flush since it was made from an image.

    Attributes:
        written: the content as whoever uses the disk sees it.
        operations: what was done, in order; None is a flush.
        moments_ns: when the disk answered each of them.
    """

    def __init__(self, start: Image | None = None) -> None:
        self.written = Image(start)
        self.operations: list[Write | None] = []
        self.moments_ns: list[int] = []
        self._durable = Image(start)
        self._durable_until = 0  # operations before it are in `_durable`

    def write(self, offset: int, data: bytes, *, at_ns: int) -> None:
        self.written.write(offset, data)
        self.operations.append(Write(offset, data))
        self.moments_ns.append(at_ns)

    def flush(self, *, at_ns: int) -> None:
        self.operations.append(None)
        self.moments_ns.append(at_ns)

    def cut(self, at: int, random: Random, atom_bytes: int) -> Image:
        """Return what the disk may hold when the power goes after `at` operations.

        `atom_bytes` is what the disk writes whole or not at all: SECTOR_BYTES or PAGE_BYTES.

        Cuts of one recording are taken in ascending order, and an image is valid until the next one:
        what is durable only grows, so each cut costs only what was written since the one before.
        """
        assert self._durable_until <= at <= len(self.operations), "cuts are taken in ascending order"
        flushed = next(
            (number for number in range(at, self._durable_until, -1) if self.operations[number - 1] is None),
            self._durable_until,
        )
        for operation in self.operations[self._durable_until : flushed]:
            if operation is not None:
                self._durable.write(*operation)
        self._durable_until = flushed
        image = Image(self._durable)
        volatile = [operation for operation in self.operations[flushed:at] if operation is not None]
        for offset, data in survivors(volatile, random, atom_bytes):
            image.write(offset, data)
        return image


def survivors(volatile: Sequence[Write], random: Random, atom_bytes: int) -> Iterator[tuple[int, bytes]]:
    """Yield which pieces of the writes since the last flush reached the disk."""
    if not volatile:
        return
    fate, odds = random.choice(FATES), random.random()
    chosen = random.randrange(len(volatile))
    for number, write in enumerate(volatile):
        match fate:
            case "everything":
                yield write
            case "pieces":
                yield from (piece for piece in pieces(*write, atom_bytes) if random.random() < odds)
            case "prefix" if number < chosen:
                yield write
            case "torn" if number < chosen:
                yield write
            case "torn" if number == chosen:
                torn = list(pieces(*write, atom_bytes))
                yield from torn[: random.randrange(len(torn) + 1)]
            case "all but one" if number != chosen:
                yield write
            case "last only" if number == len(volatile) - 1:
                yield write


def pieces(offset: int, data: bytes, size: int) -> Iterator[tuple[int, bytes]]:
    """Split a write where `size` divides the offset: what a disk may keep or lose by itself."""
    done = 0
    while done < len(data):
        length = min(size - (offset + done) % size, len(data) - done)
        yield offset + done, data[done : done + length]
        done += length
