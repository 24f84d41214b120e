"""Files and directories in memory that remember what was not synced, and what a power cut leaves of it.

A reader sees what was written, as with a page cache. `after_crash` gives the disk after a power cut:
of the writes and truncations since a file's last sync, and of the names since a directory's last sync,
each one is kept, dropped, torn at sectors or spoilt, as the random generator says. Nothing here
knows paths, descriptors or segments; lossy_io.py does.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from random import Random

SECTOR_BYTES = 512

_inodes = itertools.count(2)


def restart_inodes(first: int = 2) -> None:
    """Count inodes from `first` again: for whoever makes the same disks a second time."""
    global _inodes
    _inodes = itertools.count(first)


Change = tuple[int, bytes | None]  # (offset, data), or (length, None): truncated


class File:
    """One file: what a reader sees, what is on disk, and what happened in between.

    Attributes:
        content: what a reader sees.
        durable: what a power cut certainly leaves.
        pending: changes since the last sync.
        inode: its number on the disk, which a power cut does not change.
        failed_syncs: how many syncs failed; each descriptor open then reports each once.
    """

    __slots__ = ("_cache_lies", "content", "durable", "failed_syncs", "inode", "locks", "pending")

    def __init__(self, durable: bytes = b"", inode: int | None = None) -> None:
        self.inode = next(_inodes) if inode is None else inode
        self.content: bytes | bytearray = durable
        self.durable = durable
        self.pending: list[Change] = []
        self.locks: dict[int, bool] = {}  # descriptor -> exclusive
        self.failed_syncs = 0
        self._cache_lies = False

    def apply(self, offset: int, data: bytes | None) -> None:
        if type(self.content) is bytes:
            self.content = bytearray(self.content)
        _apply(self.content, offset, data)
        self.pending.append((offset, data))

    def sync(self) -> None:
        if self._cache_lies:
            self.durable = self._on_disk()
        elif self.pending:
            self.durable = bytes(self.content)
        self.pending = []

    def fail_sync(self, random: Random) -> None:
        """A sync that failed: what did not reach the disk counts as written, and the cache still shows it."""
        self.durable = self._survivor(random)
        self.pending = []
        self.failed_syncs += 1
        self._cache_lies = True

    def drop_cache(self) -> None:
        """Forget what is clean, so that the next read shows what the disk has."""
        if self._cache_lies:
            self.content = bytearray(self._on_disk())
            self._cache_lies = False

    def copy(self) -> File:
        """Return the file as it is now, locks apart: for a machine that goes on from here."""
        copy = File(self.durable, self.inode)
        copy.content = bytes(self.content)
        copy.pending = list(self.pending)
        copy.failed_syncs, copy._cache_lies = self.failed_syncs, self._cache_lies
        return copy

    def after_crash(self, random: Random) -> File:
        return File(self._survivor(random) if self.pending else self.durable, self.inode)

    def _on_disk(self) -> bytes:
        content = bytearray(self.durable)
        for offset, data in self.pending:
            _apply(content, offset, data)
        return bytes(content)

    def _survivor(self, random: Random) -> bytes:
        content = bytearray(self.durable)
        for offset, data in self.pending:
            fate = random.random()
            if fate < 0.3 or (data is None and fate < 0.6):
                _apply(content, offset, data)
            elif fate < 0.75 and data is not None:
                for at, piece in _torn(offset, data, random):
                    _apply(content, at, piece)
        return bytes(content)


class Directory:
    """Names on disk, and what was done to names since: each entry of `pending` is {name: node or None}."""

    __slots__ = ("durable", "names", "pending")

    def __init__(self, durable: dict[str, Node] | None = None) -> None:
        self.names: dict[str, Node] = dict(durable or {})
        self.durable = dict(durable or {})
        self.pending: list[dict[str, Node | None]] = []

    def change(self, entry: dict[str, Node | None]) -> None:
        _change(self.names, entry)
        self.pending.append(entry)

    def sync(self) -> None:
        if self.pending:
            self.durable, self.pending = dict(self.names), []

    def copy(self, known: dict[int, Node] | None = None) -> Directory:
        """Return the tree as it is now, locks apart; a file with two names stays one file."""
        known = {} if known is None else known

        def copied(node: Node) -> Node:
            made = known.get(id(node))
            if made is None:
                made = known[id(node)] = node.copy(known) if isinstance(node, Directory) else node.copy()
            return made

        copy = Directory()
        copy.names = {name: copied(node) for name, node in self.names.items()}
        copy.durable = {name: copied(node) for name, node in self.durable.items()}
        copy.pending = [
            {name: None if node is None else copied(node) for name, node in entry.items()}
            for entry in self.pending
        ]
        return copy

    def after_crash(self, random: Random, known: dict[int, Node] | None = None) -> Directory:
        known = {} if known is None else known
        names = self.durable
        if self.pending:
            names = dict(names)
            # Half of the time as a journal does it, in order up to some point; otherwise at will.
            if random.random() < 0.5:
                kept = self.pending[: random.randint(0, len(self.pending))]
            else:
                kept = [entry for entry in self.pending if random.random() < 0.5]
            for entry in kept:
                _change(names, entry)
        after: dict[str, Node] = {}
        for name, node in names.items():
            made = known.get(id(node))
            if made is None:
                is_directory = isinstance(node, Directory)
                made = node.after_crash(random, known) if is_directory else node.after_crash(random)
                known[id(node)] = made
            after[name] = made
        return Directory(after)

    def contents(self) -> tuple[object, ...]:
        """Return all names with what they hold, as a reader sees it: equal for equal disks."""
        return tuple(
            (name, node.contents() if isinstance(node, Directory) else bytes(node.content))
            for name, node in sorted(self.names.items())
        )

    def files(self) -> Iterator[File]:
        """Yield every file that has a name."""
        for node in self.names.values():
            if isinstance(node, Directory):
                yield from node.files()
            else:
                yield node


Node = File | Directory


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    """Write `data` at `offset`, or set the length to `offset`; a gap is zeros."""
    end = offset if data is None else offset + len(data)
    if data is None:
        del content[end:]
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    if data is not None:
        content[offset:end] = data


def _torn(offset: int, data: bytes, random: Random) -> Iterator[tuple[int, bytes]]:
    """Yield what reaches the disk of a write that was cut: a first part, or some of its sectors.

    Sectors that do not arrive are as they were, zeros, or garbage.
    """
    if random.random() < 0.5:
        yield offset, data[: random.randint(0, len(data))]
        return
    if random.random() < 0.5:
        yield offset + len(data), b""  # the new length is on disk whatever sectors are
    spoils = random.random() < 0.3
    at = 0
    while at < len(data):
        length = min(SECTOR_BYTES - (offset + at) % SECTOR_BYTES, len(data) - at)
        if random.random() < 0.5:
            yield offset + at, data[at : at + length]
        elif spoils:
            yield offset + at, random.randbytes(length)
        at += length


def _change(names: dict[str, Node], entry: dict[str, Node | None]) -> None:
    for name, node in entry.items():
        if node is None:
            names.pop(name, None)
        else:
            names[name] = node
