"""Follow the log: everything after a position, then what comes. Positions prove completeness.

A subscriber is in one of two states: catching up (reading blocks until the head) or waiting (for a
commit here, a notification from elsewhere, or the poll interval). Waking up proves nothing; only
reading does, so a lost or early notification costs time and never an event. While Postgres is away
it gets what this host's segments hold, and goes on by itself when Postgres is back.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Protocol

from eventlog.command import Head
from eventlog.envelope import Event
from eventlog.errors import BadInput, CopiesDisagree, Damaged, LogUnavailable

_logger = logging.getLogger(__name__)


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
        CopiesDisagree: Postgres came back without positions that were offered already.
    """
    if after < 0:
        raise BadInput(f"cannot follow after position {after}: positions begin with 1")
    position, away = after, False
    while True:
        before = position
        try:
            # Invariant: who has seen position n has been offered every one below n, once.
            async for block in log.read(position):
                for event in block:
                    if event.position != position + 1:
                        raise _gap(position, event.position)
                    position = event.position
                    yield event
            if position == before and (head := (await log.head()).position) < position:
                raise _beyond(after, position, head)
            away = False
        except LogUnavailable as error:
            if not away:
                _logger.warning("following the local copy alone, after position %d: %s", position, error)
            away = True
        await wait_beyond(position)


def _gap(position: int, following: int) -> Damaged:
    return Damaged(
        f"position {following} follows {position} in the log",
        hint="run `agentlog verify`",
        first_position=position + 1,
        last_position=following - 1,
        where="subscription",
    )


def _beyond(after: int, position: int, head: int) -> BadInput | CopiesDisagree:
    """The error for a place that the log does not reach."""
    if position == after:
        return BadInput(f"cannot follow after position {after}: the log holds 1 to {head}")
    return CopiesDisagree(
        f"position {position} was offered, and Postgres ends at {head} now: it lost commits",
        hint="open the store again, which names the repair; then follow from before that position",
        first_position=head + 1,
        last_position=position,
        where="subscription",
    )
