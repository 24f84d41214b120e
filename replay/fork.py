"""Begin a new session with the history of another one, up to a moment. The other one stays as it is.

The events are appended once more on the new stream, their data to the byte, each noting in its `meta` whose
copy it is. A last event says which session the new one came from. Ids follow from what is copied and where
to, so a fork that was cut off goes on when it is asked for again, and nothing is copied twice.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from eventlog.command import Command, Receipt
from eventlog.envelope import KEY_FIELD, Event, NewEvent, StreamId, encode_meta, hashed
from eventlog.events import AgentEvent, new
from eventlog.log import Log

FORKED_FROM = "forked_from"
EVENTS_AT_ONCE = 1_000


def copies_of(events: Sequence[Event], target: StreamId) -> list[NewEvent]:
    """Return events as they stand on a new stream: same type, schema, data and time of the source."""
    return [_copy(event, target) for event in events]


def _copy(event: Event, target: StreamId) -> NewEvent:
    meta: dict[str, Any] = event.metadata
    meta.pop(KEY_FIELD, None)  # the key was used for the original
    meta[FORKED_FROM] = origin(event.stream_id, event.position, event.version) | {"id": event.id}
    return hashed(
        target, event.type, event.schema, _id(event.id, target), event.occurred_at or event.time,
        event.encoding, bytes(event.data), encode_meta(meta),
    )  # fmt: skip


def origin(stream: StreamId, position: int, version: int) -> dict[str, Any]:
    """Return where a copy comes from, as `meta` notes it."""
    return {"key": stream.key, "position": position, "version": version}


def _id(source: str, target: StreamId) -> str:
    return str(uuid.uuid5(uuid.UUID(source), "\n".join(target)))


async def append_fork(
    log: Log, events: Sequence[Event], target: StreamId, last: AgentEvent
) -> Receipt | None:
    """Append copies of `events` to a new stream and `last` behind them; None when all was there.

    Raises:
        Conflict: the stream holds something else already.
        Everything `Log.append` raises: asked for again, the fork goes on.
    """
    copies = copies_of(events, target)
    source = events[-1]
    note = encode_meta({FORKED_FROM: origin(source.stream_id, source.position, source.version)})
    copies.append(new(target, last, id=_id(source.id, target._replace(kind="fork")), meta=note))
    there = await log.read_stream(target, limit=len(copies) + 1)
    same = len(there) <= len(copies) and all(
        old.id == copy.id for old, copy in zip(there, copies, strict=False)
    )
    version = len(there) if same else 0
    receipt: Receipt | None = None
    while version < len(copies):
        part = copies[version : version + EVENTS_AT_ONCE]
        receipt = await log.append(Command(part, expected={target: version}))
        version += len(part)
    return receipt
