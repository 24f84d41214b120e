"""Small logs on a disk in memory, with every kind of record, to be damaged. Nothing is damaged here.

Made by the real segment store. Each is a few kilobytes, so that every bit of all of them can be tried.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any, NamedTuple

from eventlog.envelope import StreamId
from eventlog.errors import MirrorUnavailable
from eventlog.segment.store import SegmentStore
from tests.eventlog.segment.building import DIRECTORY, FixedClock, History, machine, open_store
from tests.support.lossy_io import LossyIo

HEAD = f"{DIRECTORY}/HEAD"
STREAMS = [StreamId("acme", "session", f"agent:{number}") for number in range(8)]
FILLER = bytes.fromhex("5f2a4d18") + (40).to_bytes(4, "little") + bytes(40)
A_DAY_US = 10**12  # more than a segment's age: the next append begins another segment


class Reference(NamedTuple):
    """A log as it was synced and closed.

    Attributes:
        name: what is special about it.
        lines: the events; all of them were acknowledged.
        files: by path, segments, HEAD and LOCK.
        older: the same directory as it was after each append, oldest first.
    """

    name: str
    lines: Sequence[bytes]
    files: dict[str, bytes]
    older: Sequence[dict[str, bytes]]

    @property
    def segments(self) -> list[str]:
        return sorted(path for path in self.files if path.endswith(".zst"))


def references(seed: int) -> list[Reference]:
    """Return the logs; the same ones for the same seed."""
    random = Random(seed)
    return [
        _log("single events", random, _words(random, 20, 20), [1] * 20, rolls=(3, 12)),
        _log("hard content", random, HARD, [1, 3, 4], rolls=(1, 4)),
        _log("several events in a block", random, _words(random, 15, 30), [5, 1, 9], rolls=(5,), streams=5),
        _log("what zstd stores raw", random, _noise(random, 8, 1200), [1, 4, 3], rolls=(5,)),
        _log("what zstd makes tiny", random, ["a" * 9000, "ab" * 4000, "c" * 20000], [1, 1, 1], rolls=(2,)),
        _log("zstd level 19", random, _words(random, 12, 600), [8, 4], rolls=(8,), zstd_level=19),
        _log("a filler behind the end", random, _words(random, 4, 40), [2, 2], rolls=(2,), end=_add_filler),
        _log("sealed, none after it", random, _words(random, 5, 30), [2, 3], rolls=(2,), end=_seal),
        _log("one mark", random, _words(random, 3, 10), [1, 2], rolls=(), end=_one_mark),
    ]


def large_reference(seed: int) -> Reference:
    """Return a log of some hundred kilobytes, for damage by sectors and pages."""
    random = Random(seed)
    return _log("large", random, _noise(random, 120, 1500), [3] * 40, rolls=(30, 75), streams=7)


# What events of agents hold, and readers of JSON trip over.
HARD: list[Any] = [
    "\x00", "\ud800", "\u2028\u2029\x85", 12345678901234567890, {"": None, "a": [[], {}]},
    {"block": "\x51\x2a\x4d\x18" * 3}, 1e-300, "😀\n\r\t\\\"",
]  # fmt: skip

End = Callable[[SegmentStore, LossyIo, FixedClock, History, int], None]


def _log(
    name: str,
    random: Random,
    payloads: Sequence[Any],
    counts: Sequence[int],
    *,
    rolls: Sequence[int],
    streams: int = 2,
    end: End | None = None,
    **settings: Any,
) -> Reference:
    """Write a log, one append for each count; a segment ends behind each position of `rolls`."""
    with _seeded_ids(random):
        history = History()
        for payload in payloads:
            history.commit(payload, stream=STREAMS[random.randrange(streams)])
        io, clock, older = machine(), FixedClock(), []
        store = open_store(io, clock=clock, **settings)
        for block in history.blocks(0, counts):
            if store.head_position in rolls:
                clock.us += A_DAY_US
            store.append([block])
            store.sync()
            store.write_mark()
            older.append(io.files(DIRECTORY))
        if end is not None:
            end(store, io, clock, history, store.head_position)
        store.close()
    return Reference(name, history.lines, io.files(DIRECTORY), older[:-1])


def _add_filler(store: SegmentStore, io: LossyIo, clock: FixedClock, history: History, head: int) -> None:
    """Keep space behind the last block, as a later release may."""
    path = store.segments()[-1].path
    fd = io.open(path, os.O_RDWR)
    io.pwrite(fd, FILLER, io.size(fd))
    io.close(fd)


def _seal(store: SegmentStore, io: LossyIo, clock: FixedClock, history: History, head: int) -> None:
    """Close the newest segment, and fail to begin the next one."""
    clock.us += A_DAY_US
    beyond = History().commit(*range(head + 1))
    io.failures["rename"] = errno.EIO
    try:
        store.append([beyond.block(head, head + 1)._replace(chain_before=store.head_chain)])
    except MirrorUnavailable:
        io.failures.clear()
    assert store.segments()[-1].sealed


def _one_mark(store: SegmentStore, io: LossyIo, clock: FixedClock, history: History, head: int) -> None:
    """Leave HEAD with one slot, as after the first idle moment."""
    fd = io.open(HEAD, os.O_RDWR)
    newest = io.pread(fd, 68, 512)
    io.ftruncate(fd, 0)
    io.pwrite(fd, newest, 0)
    io.close(fd)


def _words(random: Random, count: int, length: int) -> list[str]:
    """Return texts as people write them, more or less."""
    words = ["the", "agent", "reads", "a", "file", "and", "says", "what", "was", "found", "in", "it"]
    return [" ".join(random.choices(words, k=length // 4)) for _ in range(count)]


def _noise(random: Random, count: int, length: int) -> list[str]:
    return ["".join(chr(random.randrange(32, 127)) for _ in range(length)) for _ in range(count)]


@contextmanager
def _seeded_ids(random: Random) -> Iterator[None]:
    """Let segment ids come from the seed, so that a failure can be repeated."""
    system, os.urandom = os.urandom, random.randbytes
    try:
        yield
    finally:
        os.urandom = system
