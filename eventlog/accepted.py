"""What became of a batch: the block for the segment and each caller's receipt. Pure, no I/O."""

from __future__ import annotations

from eventlog.acknowledge import Committed
from eventlog.batch import Batch, Entry
from eventlog.command import Receipt
from eventlog.envelope import encode_line, us_to_time
from eventlog.postgres.append import Appended
from eventlog.segment.store import Block


def accepted(batch: Batch, appended: Appended) -> Committed:
    """Number the events of the groups that were not refused, as the append function did."""
    refused, time = appended.refused, us_to_time(appended.time_us)
    position = appended.first_position
    lines: list[bytes] = []
    places: list[int] = []
    for event, slot, version in zip(batch.events, batch.event_slots, batch.versions, strict=True):
        places.append(position)
        if slot.group not in refused:
            lines.append(encode_line(event, position, version, time))
            position += 1
    waiting = [
        (entry.pending, _receipt(batch, entry, places[entry.ordinal - 1], time))
        for entry in batch.entries
        if batch.group_of(entry) not in refused
    ]
    block = Block(
        appended.first_position, len(lines), b"".join(lines), appended.chain_before, appended.chain_after
    )
    return Committed(position - 1, block, waiting)


def _receipt(batch: Batch, entry: Entry, first: int, time: str) -> Receipt:
    events = entry.pending.command.events
    versions = batch.versions[entry.ordinal - 1 : entry.ordinal - 1 + len(events)]
    by_stream = {event.stream: version for event, version in zip(events, versions, strict=True)}
    return Receipt(first, first + len(events) - 1, by_stream, time)
