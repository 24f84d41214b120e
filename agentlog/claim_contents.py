"""What claimed things hold: their events, read together and decoded, whatever they turn out to be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agentlog.claims import Candidate, Said
from agentlog.scope import Scope
from eventlog.errors import BadPayload


async def said_until(scope: Scope, found: Sequence[Candidate], types: Sequence[str]) -> dict[int, Said]:
    """Return what candidates said in events of these types until they were read, by stream id.

    What cannot be read has no fields, and its claim holds none the less: a thing is not lost because
    this release does not understand it.
    """
    said: dict[int, Said] = {one.stream_id: [] for one in found}
    ids = {one.stream: one.stream_id for one in found}
    if ids:
        for stored in await scope.log.reads.said(list(said), [one.version for one in found], types):
            said[ids[stored.event.stream]].append((stored.event.type, fields_of(stored.to_event())))
    return said


def fields_of(event: Any) -> dict[str, Any]:
    """Return the fields of an event as Python values; none when it cannot be read."""
    try:
        value = event.value
    except BadPayload:
        return {}
    return value if isinstance(value, dict) else {}
