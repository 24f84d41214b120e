"""Ask again after what passes by itself: a lost connection, a server that starts, a deadlock.

Errors are told apart by class and SQLSTATE. A timeout is not asked again: whoever set it has waited long
enough. Appends are not retried here; the writer does that, who knows what was committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import asyncpg

from eventlog.errors import LogUnavailable
from eventlog.settings import Settings

R = TypeVar("R")

_PASSES = (
    asyncpg.PostgresConnectionError,  # 08…
    asyncpg.InternalClientError,
    asyncpg.InterfaceError,  # as a cause of LogUnavailable: the connection was closed
    asyncpg.AdminShutdownError,  # 57P01
    asyncpg.CrashShutdownError,  # 57P02
    asyncpg.CannotConnectNowError,  # 57P03
    asyncpg.TooManyConnectionsError,  # 53300
    asyncpg.IdleInTransactionSessionTimeoutError,  # 25P03
    asyncpg.DeadlockDetectedError,  # 40P01
    asyncpg.SerializationError,  # 40001
    OSError,
    asyncio.IncompleteReadError,
)


async def retried(ask: Callable[[], Awaitable[R]], settings: Settings) -> R:
    """Return what `ask` answers; ask again, up to `retries_max` times, after what passes by itself.

    `ask` must be harmless to repeat. Raises what it raised last.
    """
    for wait_s in waits_s(settings):
        try:
            return await ask()
        except Exception as error:
            if not passes(error):
                raise
        await asyncio.sleep(wait_s)
    return await ask()


def waits_s(settings: Settings) -> Iterator[float]:
    """Yield how long to wait before each repeat: twice as long every time, up to the limit."""
    wait_s = settings.retry_wait_s
    for _ in range(settings.retries_max):
        yield min(wait_s, settings.retry_wait_max_s)
        wait_s *= 2


def passes(error: BaseException) -> bool:
    """True when the same question may well be answered a moment later."""
    cause = error
    if isinstance(error, LogUnavailable):
        if error.__cause__ is None:
            return False
        cause = error.__cause__
    elif isinstance(error, asyncpg.InterfaceError):
        return False  # a mistake of the caller's; of a closed connection LogUnavailable tells
    return isinstance(cause, _PASSES) and not isinstance(cause, TimeoutError)
