"""What became of a batch: the block for the segment and each caller's receipt. Pure, no I/O."""

from __future__ import annotations

from eventlog.acknowledge import Committed
from eventlog.batch import Batch, Pending
from eventlog.command import Receipt
from eventlog.envelope import StreamId, encode_line, us_to_time
from eventlog.postgres.append import Appended
from eventlog.segment.index import Contents
from eventlog.segment.store import Block


def accepted(batch: Batch, appended: Appended) -> Committed:
    """Number the events of the groups that were not refused, as the append function did."""
    refused, time = appended.refused, us_to_time(appended.time_us)
    position = appended.first_position
    lines: list[bytes] = []
    streams: set[StreamId] = set()
    waiting: list[tuple[Pending, Receipt]] = []
    for entry in batch.entries:
        if refused and batch.group_of(entry) in refused:
            continue
        events = entry.pending.command.events
        first, at = position, entry.ordinal - 1
        versions: dict[StreamId, int] = {}
        for event, version in zip(events, batch.versions[at : at + len(events)], strict=True):
            lines.append(encode_line(event, position, version, time))
            versions[event.stream] = version
            position += 1
        streams.update(versions)
        receipt = Receipt(first, position - 1, versions, time, states=entry.pending.observed)
        waiting.append((entry.pending, receipt))
    block = Block(
        appended.first_position,
        len(lines),
        b"".join(lines),
        appended.chain_before,
        appended.chain_after,
        Contents(streams, appended.time_us, appended.time_us),
    )
    return Committed(position - 1, block, waiting)
