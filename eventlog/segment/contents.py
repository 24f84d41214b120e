"""Check the lines of blocks: events, bytes, versions, times, hashes, chain. One checker per walk.

Works on values: no file, no zstd. A block proves itself by the chain values in its header; that
blocks follow one another is checked by `scanner`.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from eventlog.envelope import (
    Event,
    StreamId,
    chain_hash,
    decode_lines,
    encode_line,
    time_to_us,
    unplaced,
)
from eventlog.segment.format import BlockHeader


class ContentChecker:
    """Remembers the last version of each stream and the last time, over all blocks checked."""

    def __init__(self) -> None:
        self._versions: dict[StreamId, int] = {}
        self._time = ""
        self._gap = False

    def lost(self) -> None:
        """Note that events are missing: from here on a stream may have jumped ahead, never back."""
        self._gap = True

    def check(self, header: BlockHeader, lines: bytes) -> list[str]:
        """Return what is wrong with a block; empty when nothing is."""
        try:
            events = decode_lines(lines)
        except msgspec.DecodeError as error:
            self.lost()
            return [f"a line is not an event: {error}"]
        if len(events) != header.count:
            self.lost()
            return [f"the block has {len(events)} events; its header says {header.count}"]
        problems = self._places(header, events)
        try:
            problems += _bytes_and_chain(header, events, lines)
        except ValueError as error:
            problems.append(f"an event cannot be encoded again: {error}")
        return problems

    def _places(self, header: BlockHeader, events: Sequence[Event]) -> list[str]:
        problems = []
        for position, event in enumerate(events, header.first_position):
            if event.position != position:
                problems.append(f"position {event.position} stands where {position} belongs")
            stream = event.stream_id
            expected = self._versions.get(stream, 0) + 1
            if event.version != expected and not (self._gap and event.version > expected):
                problems.append(f"position {position} is version {event.version} of {stream}, not {expected}")
            self._versions[stream] = event.version
            if event.time < self._time:
                problems.append(f"the time of position {position} runs backwards")
            self._time = event.time
        return problems


def _bytes_and_chain(header: BlockHeader, events: Sequence[Event], lines: bytes) -> list[str]:
    """Encode every event again, compare bytes, and recompute the chain over the block."""
    problems = []
    chain, at = header.chain_before, 0
    for event in events:
        again = unplaced(event)
        line = encode_line(again, event.position, event.version, event.time)
        if lines[at : at + len(line)] != line:
            problems.append(f"the line of position {event.position} is not how that event is written")
            at = lines.find(b"\n", at) + 1
        else:
            at += len(line)
        chain = chain_hash(chain, event.position, event.version, time_to_us(event.time), again.hash)
    if not problems and at != len(lines):
        problems.append("there are bytes between the events that belong to none")
    if chain != header.chain_after:
        problems.append("the chain recomputed from the events is not the one in the block's header")
    return problems
