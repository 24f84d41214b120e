"""What became of a batch: the block for the segment and each caller's receipt. Pure, no I/O."""

from __future__ import annotations

from eventlog.acknowledge import Committed
from eventlog.batch import Batch, Pending
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
        (pending, _receipt(batch, pending, ordinal, places[ordinal - 1], time))
        for pending, ordinal, index in batch.entries
        if batch.slots[index - 1].group not in refused
    ]
    block = Block(
        appended.first_position, len(lines), b"".join(lines), appended.chain_before, appended.chain_after
    )
    return Committed(position - 1, block, waiting)


def _receipt(batch: Batch, pending: Pending, ordinal: int, first: int, time: str) -> Receipt:
    events = pending.command.events
    versions = batch.versions[ordinal - 1 : ordinal - 1 + len(events)]
    by_stream = {event.stream: version for event, version in zip(events, versions, strict=True)}
    return Receipt(first, first + len(events) - 1, by_stream, time)
