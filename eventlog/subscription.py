"""Follow the log: everything after a position, then what comes. Positions prove completeness.

A subscriber is in one of two states: catching up (reading blocks until the head) or waiting (for a
commit here, a notification from elsewhere, or the poll interval). Waking up proves nothing; only
reading does, so a lost or early notification costs time and never an event.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Protocol

from eventlog.command import Head
from eventlog.envelope import Event
from eventlog.errors import BadInput, Damaged


class Readable(Protocol):
    """What following needs of a log."""

    async def head(self) -> Head: ...
    def read(self, after: int = 0, until: int | None = None) -> AsyncIterator[Sequence[Event]]: ...


async def follow(
    log: Readable, after: int, wait_beyond: Callable[[int], Awaitable[None]]
) -> AsyncIterator[Event]:
    """Yield every event after `after` exactly once, in order, for ever.

    Raises:
        BadInput: `after` is negative or beyond the head.
        Damaged: a position is missing. It cannot be skipped: whoever folds would be wrong for ever.
    """
    head = (await log.head()).position
    if not 0 <= after <= head:
        raise BadInput(f"cannot follow after position {after}: the log holds 1 to {head}")
    position = after
    while True:
        async for block in log.read(position):
            for event in block:
                # Invariant: who has seen position n has been offered every one below n, once.
                if event.position != position + 1:
                    raise Damaged(
                        f"position {event.position} follows {position} in the log",
                        hint="run `agentlog verify`",
                        first_position=position + 1,
                        last_position=event.position - 1,
                        where="subscription",
                    )
                position = event.position
                yield event
        await wait_beyond(position)
