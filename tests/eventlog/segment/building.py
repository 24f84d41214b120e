"""A small language for tests of segments: a history of events, blocks of it, stores on a LossyIo."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Any

from eventlog.envelope import (
    CHAIN_START,
    StreamId,
    chain_hash,
    encode_line,
    new_event,
    time_to_us,
    unplaced,
    us_to_time,
)
from eventlog.io import Io
from eventlog.segment.store import Block, SegmentStore
from eventlog.settings import Settings
from tests.support.lossy_io import LossyIo

LOG_ID = uuid.UUID("0190d5a0-0000-7000-8000-0000000000aa")
DIRECTORY = "/data/segments"
FIRST = f"{DIRECTORY}/00000000000000000001.ndjson.zst"
STREAM = StreamId("acme", "session", "one")
START_US = 1_790_000_000_000_000


class FixedClock:
    """A clock that stands where a test puts it."""

    def __init__(self) -> None:
        self.us = START_US

    def now_us(self) -> int:
        return self.us

    def monotonic(self) -> float:
        return self.us / 1e6


class History:
    """The events of a log as Postgres committed them: position n is always the same line."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.chains: list[bytes] = [CHAIN_START]
        self._versions: dict[StreamId, int] = {}

    @property
    def head(self) -> int:
        return len(self.lines)

    def commit(self, *payloads: Any, stream: StreamId = STREAM) -> History:
        """Add one event for each payload. Deterministic: ids and times come from the position."""
        for payload in payloads:
            position = self.head + 1
            version = self._versions[stream] = self._versions.get(stream, 0) + 1
            time = us_to_time(START_US + position)
            event = new_event(
                stream, "thing_happened", payload, id=str(uuid.UUID(int=position)), meta=b'{"host":"h"}'
            )
            self.lines.append(encode_line(event, position, version, time))
            link = chain_hash(self.chains[-1], position, version, time_to_us(time), event.hash)
            self.chains.append(link)
        return self

    def commit_many(self, count: int, size: int = 10) -> History:
        """Add `count` events over a few streams; `size` characters each that hardly compress."""
        for number in range(self.head, self.head + count):
            text = Random(number).randbytes(size).hex()[:size]
            self.commit({"n": number, "text": text}, stream=StreamId("", "session", f"s{number % 5}"))
        return self

    def block(self, after: int, until: int) -> Block:
        """Return positions (after, until] as one block."""
        lines = b"".join(self.lines[after:until])
        return Block(after + 1, until - after, lines, self.chains[after], self.chains[until])

    def blocks(self, after: int, counts: Iterable[int]) -> list[Block]:
        """Return blocks of so many events each, behind position `after`."""
        made = []
        for count in counts:
            made.append(self.block(after, after + count))
            after += count
        return made


def history_of(*payloads: Any) -> History:
    return History().commit(*payloads)


def machine(files: Mapping[str, bytes] | None = None, seed: int = 0) -> LossyIo:
    """Return a machine with an empty /data, or with these files."""
    return LossyIo.with_files({"/data/note": b"", **(files or {})}, Random(seed))


def open_store(io: Io, directory: str = DIRECTORY, **options: Any) -> SegmentStore:
    """Open a store; `witness` is what Postgres remembers, the rest are settings, clock and log id."""
    return SegmentStore.open(
        directory,
        log_id=options.pop("log_id", LOG_ID),
        io=io,
        clock=options.pop("clock", FixedClock()),
        durable_witness=options.pop("witness", 0),
        epoch=options.pop("epoch", 0),
        settings=Settings(**options),
    )


def filled(history: History, counts: Sequence[int], **options: Any) -> LossyIo:
    """Return a machine with a cleanly closed log of these blocks, one append each."""
    io = machine()
    store = open_store(io, **options)
    for block in history.blocks(0, counts):
        store.append([block])
        store.sync()
    store.close()
    return io


def lines_of(store: SegmentStore, after: int = 0, until: int | None = None) -> list[bytes]:
    """Return what a store reads, as lines again."""
    return [
        encode_line(unplaced(event), event.position, event.version, event.time)
        for events in store.read(after, until)
        for event in events
    ]
