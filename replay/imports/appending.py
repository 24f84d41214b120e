"""Append what an import found and the log has not, in order, however often somebody else is faster."""

from __future__ import annotations

from collections.abc import Sequence

from eventlog.command import Command
from eventlog.envelope import NewEvent
from eventlog.errors import Conflict
from eventlog.log import Log
from replay.imports.batches import BATCH_BYTES_MAX, BATCH_EVENTS_MAX
from replay.imports.present import Present

# Conflicts on one command before giving up: each means that somebody else got further.
ATTEMPTS_MAX = 50


async def append_fresh(
    log: Log, events: Sequence[NewEvent], present: Present, *, idempotency_key: str | None = None
) -> int:
    """Append those events the log does not have, as one command; return how many those were.

    Raises Conflict when others on the same streams never let up; what `Log.append` raises.
    """
    streams = list(dict.fromkeys(event.stream for event in events))
    await present.meet(streams)
    for attempt in range(1, ATTEMPTS_MAX + 1):
        fresh = list({event.id: event for event in events if not present.has(event)}.values())
        if not fresh:
            break
        expected = {event.stream: present.version(event.stream) for event in fresh}
        try:
            receipt = await log.append(Command(fresh, expected, idempotency_key=idempotency_key))
        except Conflict:
            if attempt == ATTEMPTS_MAX:
                raise
            await log.reload(streams)
            await present.refresh(streams)
            continue
        if receipt.duplicate:
            return 0  # somebody else used that key, for something of theirs
        present.note(fresh, receipt.versions)
        break
    return len(fresh)


async def append_all(log: Log, events: Sequence[NewEvent], present: Present) -> int:
    """As `append_fresh`, in commands of a size that suits the log; an interrupted one goes on next time."""
    fresh, start, length = 0, 0, 0
    for end, event in enumerate(events):
        added = len(event.data) + len(event.meta)
        if end > start and (end - start == BATCH_EVENTS_MAX or length + added > BATCH_BYTES_MAX):
            fresh += await append_fresh(log, events[start:end], present)
            start, length = end, 0
        length += added
    return fresh + (await append_fresh(log, events[start:], present) if events else 0)
