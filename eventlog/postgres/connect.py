"""Connections to Postgres, and what its errors mean: retry, unknown, or the caller's business.

Errors are told apart by exception class and SQLSTATE, never by the words of a message. No DSN and
no password ever reaches a message.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg

from eventlog.errors import LogUnavailable, PostgresTooOld, ProjectionMismatch, SchemaMismatch
from eventlog.postgres.pool import borrow
from eventlog.postgres.sql import text

OLDEST_MAJOR = 14
# A refusal of our own functions (functions/append.sql). The triggers that forbid to change the log
# have AL001 (migrations/0001_log.sql): no code of ours ever meets it.
OTHER_WRITER_SET = "AL002"

GOODBYE_S = 0.5
LOCK_TIMEOUT_S = 30.0

# A postgresql:// URL, keyword arguments of asyncpg.connect, or a pool of the caller's.
Target: TypeAlias = str | Mapping[str, Any] | asyncpg.Pool

# The connection is gone: whatever was in flight may or may not have been committed.
_BROKEN = (
    asyncpg.PostgresConnectionError,
    asyncpg.InternalClientError,  # the server said goodbye, and asyncpg has not closed it yet
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    ConnectionError,
    OSError,
    TimeoutError,
    asyncio.IncompleteReadError,
)
# The server is there and cannot take writes, whatever they are: a standby, one that was made read-only,
# a full disk, a gate that a stranger holds, a right that was taken away. It rolled back and says so.
_CANNOT_WRITE = (
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.DiskFullError,
    asyncpg.LockNotAvailableError,
    asyncpg.InsufficientPrivilegeError,
)
# It rolled back as well; whether this command or the server is at fault, its class does not tell.
_TROUBLE = (
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresSystemError,
    asyncpg.InternalServerError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
)
# The schema is not there, or not this release's.
_MISSING = (
    asyncpg.InvalidSchemaNameError,
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedFunctionError,
    asyncpg.UndefinedColumnError,
)
# The server has no room for it (53…: disk, memory) or its disk fails: rolled back; to no avail until mended.
_EXHAUSTED = (asyncpg.InsufficientResourcesError, asyncpg.PostgresIOError)
# The server rolled back and says so; the same call may succeed now.
_ROLLED_BACK = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.QueryCanceledError,
)
# After these a session is over, whatever the reason: idle for too long, killed, the server stopped.
_FATAL = ("FATAL", "PANIC")


def is_broken(error: BaseException, *, closed: bool) -> bool:
    """True when the connection is unusable and the outcome of what was in flight is unknown.

    Args:
        closed: `connection.is_closed()` when the error was raised.
    """
    # An InterfaceError is what asyncpg says of a closed connection, and of our own mistakes: a
    # wrong number of arguments, two operations at once. To retry those would hide them.
    if isinstance(error, asyncpg.InterfaceError):
        return closed
    return isinstance(error, _BROKEN) or getattr(error, "severity_en", "") in _FATAL


def is_rolled_back(error: BaseException) -> bool:
    """True when the server certainly rolled back and a retry makes sense."""
    return isinstance(error, _ROLLED_BACK)


def cannot_write(error: BaseException) -> bool:
    """True when the server certainly rolled back and would refuse any other command just so."""
    return isinstance(error, _CANNOT_WRITE)


async def connect(target: Target, *, timeout_s: float, command_timeout_s: float | None) -> asyncpg.Connection:
    """Open one connection and check that the server can hold a log.

    Args:
        timeout_s: for connecting.
        command_timeout_s: for each statement; a lock is waited for half as long, so that the server's
            own, certain answer comes first. None: without limit, a lock LOCK_TIMEOUT_S.

    Raises:
        LogUnavailable: no server, no such database, or no permission.
        PostgresTooOld: the server's major version is below 14.
    """
    lock_ms = 1000 * min(LOCK_TIMEOUT_S, (command_timeout_s or math.inf) / 2)
    session = {**_SESSION, "lock_timeout": f"{lock_ms:.0f}ms"}
    try:
        if isinstance(target, asyncpg.Pool):
            connection = await borrow(
                target, session, timeout_s=timeout_s, command_timeout_s=command_timeout_s
            )
        else:
            arguments: dict[str, Any] = {"dsn": target} if isinstance(target, str) else dict(target)
            arguments |= {
                "timeout": timeout_s,
                "command_timeout": command_timeout_s,
                "server_settings": {**arguments.get("server_settings", {}), **session},
            }
            connection = await asyncpg.connect(**arguments)
    except ValueError as error:
        # Its words quote what could not be parsed, which may be a part of the password.
        raise LogUnavailable(
            f"the address of Postgres or one of its parameters cannot be read ({type(error).__name__})",
            hint="it is postgresql://user:password@host:port/database; escape special characters (%40 for @)",
        ) from None
    except (*_BROKEN, asyncpg.InterfaceError, asyncpg.PostgresError) as error:
        raise unavailable(error) from error
    major = connection.get_server_version().major
    if major < OLDEST_MAJOR:
        await disconnect(connection)
        raise PostgresTooOld(
            f"Postgres {major} is too old: agentlog needs {OLDEST_MAJOR} or newer",
            hint="upgrade the server, or open without a URL to use the embedded one",
            major=major,
        )
    return connection


@asynccontextmanager
async def session(
    target: Target, *, timeout_s: float, command_timeout_s: float | None
) -> AsyncIterator[asyncpg.Connection]:
    """Lend a connection for a few statements, as `connect` opens it; close it whatever happens.

    Raises LogUnavailable when it breaks meanwhile, or when the server takes no writes.
    """
    connection = await connect(target, timeout_s=timeout_s, command_timeout_s=command_timeout_s)
    try:
        yield connection
    except Exception as error:
        if is_broken(error, closed=connection.is_closed()) or cannot_write(error):
            raise unavailable(error) from error
        raise
    finally:
        await disconnect(connection)


def check_writable(connection: asyncpg.Connection) -> None:
    """Refuse a server that takes no writes now. It said so when the connection was opened.

    Raises:
        LogUnavailable: it is a standby, or was made read-only.
    """
    told = connection.get_settings()
    for name, what in (("in_hot_standby", "is a standby"), ("default_transaction_read_only", "is read-only")):
        if getattr(told, name, "off") == "on":
            raise LogUnavailable(
                f"Postgres {what} ({name} = on)", hint="nothing was appended; write to the primary server"
            )


async def check_durable(connection: asyncpg.Connection) -> None:
    """Refuse a server on which "committed" does not mean "on disk", whatever durability was asked for.

    `synchronous_commit` is no matter: the append function sets it by itself.

    Raises:
        LogUnavailable: the server runs with fsync off.
    """
    fsync = await connection.fetchval(text("queries", "fsync"))
    if fsync != "on":
        raise LogUnavailable(
            f"Postgres runs with fsync = {fsync}, and agentlog needs fsync = on: a power cut would lose"
            " what was acknowledged, or the whole database",
            hint="set fsync = on in the server's configuration and reload it (`SELECT pg_reload_conf()`)",
        )


async def disconnect(connection: asyncpg.Connection) -> None:
    """Say goodbye and close; a server that does not answer is left without one."""
    try:
        await connection.close(timeout=GOODBYE_S)
    except (*_BROKEN, asyncpg.InterfaceError, asyncpg.PostgresError):
        connection.terminate()


_SESSION = {
    "application_name": "agentlog",
    "timezone": "UTC",
    "default_transaction_isolation": "read committed",
    "idle_in_transaction_session_timeout": "60s",
}


# For queries that must be as quick on tables nobody analysed as on others.
BY_INDEX = {
    "plan_cache_mode": "force_generic_plan",  # planning takes longer than the query
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_material": "off",
    "jit": "off",
}


def with_settings(target: Target, settings: Mapping[str, str]) -> Target:
    """Return a target whose sessions have these settings as well."""
    arguments: dict[str, Any] = {"dsn": target} if isinstance(target, str) else dict(target)
    return arguments | {"server_settings": {**arguments.get("server_settings", {}), **settings}}


def unavailable(error: BaseException) -> LogUnavailable:
    """Return the error users see when Postgres cannot be used. Says why, never the DSN."""
    reason = str(error).strip() or type(error).__name__
    return LogUnavailable(
        f"Postgres cannot be used: {type(error).__name__}: {reason}",
        hint="nothing was appended; check that the server runs and that the URL and user are right",
    )


def translate(error: Exception) -> Exception:
    """Return the agentlog error for a refusal of the append function, or the error itself.

    What the server rolled back because of its own state, not because of a command, is LogUnavailable.
    """
    if getattr(error, "sqlstate", None) == OTHER_WRITER_SET:
        return ProjectionMismatch(
            f"this log stands at {error.args[0]}",
            hint="another process migrated or restored it; open it again with the same release",
        )
    if isinstance(error, _MISSING):
        return SchemaMismatch(
            f"the database schema is not what this release needs: {error.args[0]}",
            hint="run `agentlog schema verify`, then `agentlog schema migrate`",
        )
    if isinstance(error, _EXHAUSTED):
        return LogUnavailable(
            f"Postgres cannot append: {type(error).__name__}: {error.args[0]}",
            hint="nothing was appended; free disk space or memory on its server, then append again",
        )
    if isinstance(error, (*_CANNOT_WRITE, *_TROUBLE)):
        return unavailable(error)
    return error
