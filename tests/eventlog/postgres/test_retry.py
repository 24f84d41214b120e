"""What is asked again, how often and after how long; and what is not."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from eventlog.errors import BadInput, LogUnavailable
from eventlog.postgres.connect import unavailable
from eventlog.postgres.retry import passes, retried, waits_s
from eventlog.settings import Settings

AT_ONCE = Settings(retry_wait_s=1e-6, retry_wait_max_s=1e-6)


def because(cause: BaseException) -> LogUnavailable:
    error = unavailable(cause)
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.DeadlockDetectedError("x"),
        asyncpg.SerializationError("x"),
        because(ConnectionRefusedError()),
        because(asyncpg.ConnectionDoesNotExistError("x")),
        because(asyncpg.CannotConnectNowError("x")),
        because(asyncpg.TooManyConnectionsError("x")),
        because(asyncpg.InterfaceError("connection is closed")),
    ],
    ids=repr,
)
def test_what_passes_by_itself_is_asked_again(error):
    assert passes(error)


@pytest.mark.parametrize(
    "error",
    [
        because(asyncpg.InvalidPasswordError("x")),
        because(TimeoutError()),
        because(asyncpg.ReadOnlySQLTransactionError("x")),
        LogUnavailable("the head row is missing"),
        asyncpg.InterfaceError("another operation is in progress"),
        asyncpg.UndefinedTableError("x"),
        asyncpg.UniqueViolationError("x"),
        BadInput("x"),
    ],
    ids=repr,
)
def test_what_does_not_pass_is_told_at_once(error):
    assert not passes(error)


def test_s0_fault_retry_decided_by_words_in_an_error_text():
    """Words of a lost connection in another error are no reason to ask again, nor other words one not to."""
    words = "connection timeout reset broken pipe serialization deadlock could not serialize"
    assert not passes(asyncpg.UniqueViolationError(f"a value {words!r} exists"))
    assert not passes(BadInput(words))
    assert passes(asyncpg.DeadlockDetectedError("verklemmt"))
    assert passes(because(asyncpg.PostgresConnectionError("Verbindung getrennt")))


async def test_it_is_asked_until_it_answers_and_not_once_more():
    asked = []

    async def ask() -> str:
        asked.append(1)
        if len(asked) < 3:
            raise asyncpg.DeadlockDetectedError("x")
        return "answer"

    assert await retried(ask, AT_ONCE) == "answer"
    assert len(asked) == 3


@pytest.mark.parametrize("retries_max", [0, 1, 4])
async def test_the_last_failure_is_told_after_so_many_repeats(retries_max: int):
    asked = []

    async def ask() -> None:
        asked.append(1)
        raise asyncpg.DeadlockDetectedError(f"number {len(asked)}")

    settings = Settings(retries_max=retries_max, retry_wait_s=1e-6, retry_wait_max_s=1e-6)
    with pytest.raises(asyncpg.DeadlockDetectedError, match=f"number {retries_max + 1}$"):
        await retried(ask, settings)


def test_waits_double_up_to_the_limit():
    settings = Settings(retries_max=5, retry_wait_s=0.5, retry_wait_max_s=3.0)
    assert list(waits_s(settings)) == [0.5, 1.0, 2.0, 3.0, 3.0]


async def test_who_is_cancelled_is_not_asked_again():
    async def ask() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await retried(ask, AT_ONCE)
