"""What claimed things hold: their events, read together and decoded, whatever they turn out to be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agentlog.claims import Claimed
from agentlog.scope import Scope
from eventlog.errors import BadPayload

Said = list[tuple[str, dict[str, Any]]]  # type and fields of each event, oldest first


async def said_until(scope: Scope, won: Sequence[Claimed], types: Sequence[str]) -> dict[int, Said]:
    """Return what the streams of claims said in events of these types before them, by stream id.

    What cannot be read has no fields, and its claim holds none the less: a thing is not lost because
    this release does not understand it.
    """
    found: dict[int, Said] = {one.candidate.stream_id: [] for one in won}
    ids = {one.candidate.stream: one.candidate.stream_id for one in won}
    if ids:
        events = await scope.log.reads.said(list(found), [one.version for one in won], types)
        for stored in events:
            found[ids[stored.event.stream]].append((stored.event.type, fields_of(stored.to_event())))
    return found


def fields_of(event: Any) -> dict[str, Any]:
    """Return the fields of an event as Python values; none when it cannot be read."""
    try:
        value = event.value
    except BadPayload:
        return {}
    return value if isinstance(value, dict) else {}
