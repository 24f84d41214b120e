"""Looks at everything a log stands on and says what is wrong and what to do. Changes nothing.

Each check is one line. A check that cannot be made, because one before it failed, is left out.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import msgspec

from agentlog.configuration import Configuration, unknown_variables
from agentlog.errors import AgentlogError
from agentlog.scope import query_text
from agentlog.servers import server_of
from eventlog.clock import Clock, SystemClock
from eventlog.directory import NAME, DataDirectory
from eventlog.embedded.binaries import find_binaries
from eventlog.envelope import time_to_us
from eventlog.io import SystemIo
from eventlog.log import Log
from eventlog.postgres import migrate as schema
from eventlog.postgres.connect import OLDEST_MAJOR, Target, connect

OLDEST_PYTHON = (3, 11)
FREE_BYTES_MIN = 1024**3
CLOCK_DIFFERENCE_MAX_S = 2.0
# Settings of the server without which "committed" does not mean "on disk".
DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at.

    Attributes:
        name: what; ok: whether it is fine.
        found: what is there; advice: what to do, when it is not fine.
    """

    name: str
    ok: bool
    found: str
    advice: str = ""


async def examine(
    configuration: Configuration, tell: Callable[[str], None], clock: Clock | None = None
) -> AsyncIterator[Check]:
    """Yield one check after the other."""
    clock = clock or SystemClock()
    yield check_python()
    for check in check_environment():
        yield check
    embedded = configuration.postgres is None
    if embedded:
        yield check_binaries()
    for check in check_directory(configuration.data):
        yield check
    if embedded and not (configuration.data / NAME).exists():
        return  # looking must not make a log
    async with AsyncExitStack() as stack:
        try:
            target = await stack.enter_async_context(server_of(configuration, tell))
            async for check in check_postgres(target, configuration, clock):
                yield check
        except (AgentlogError, asyncpg.PostgresError) as error:
            yield _wrong("postgres", error)
            return
        async for check in check_log(target, configuration, clock):
            yield check


def check_python() -> Check:
    """Python is one that agentlog is made for."""
    found = sys.version.split()[0]
    return Check(
        name="python",
        ok=sys.version_info[:2] >= OLDEST_PYTHON,
        found=found,
        advice=f"use Python {'.'.join(map(str, OLDEST_PYTHON))} or newer",
    )


def check_environment() -> list[Check]:
    """No variable is misspelt: it would be ignored silently."""
    unknown = unknown_variables(os.environ)
    if not unknown:
        return []
    return [
        Check(
            name="environment",
            ok=False,
            found=f"{', '.join(unknown)} means nothing",
            advice="correct or unset it; docs/reference/settings.md lists all names",
        )
    ]


def check_binaries() -> Check:
    """The programs of the embedded server are there and run."""
    try:
        binaries = find_binaries()
    except AgentlogError as error:
        return _wrong("binaries", error)
    return Check(name="binaries", ok=True, found=f"PostgreSQL {binaries.major} in {binaries.directory}")


def check_directory(path: Path) -> list[Check]:
    """The data directory can be written, has room, and is of a format we read."""
    nearest = path
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    checks = []
    if not (path / NAME).exists():
        checks.append(
            Check(
                name="log",
                ok=True,
                found=f"none in {path} yet; `agentlog import` or `agentlog demo` makes one",
            )
        )
    else:
        try:
            directory = DataDirectory(path, SystemIo())
            checks.append(Check(name="log", ok=True, found=f"{directory.log_id} in {path}"))
        except AgentlogError as error:
            checks.append(_wrong("log", error))
    writable = nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)
    checks.append(
        Check(
            name="directory",
            ok=writable,
            found=f"{nearest} can{'' if writable else 'not'} be written",
            advice="make it a directory that this user can write to, or name another with --data",
        )
    )
    free = SystemIo().free_bytes(str(nearest))
    checks.append(
        Check(
            name="disk",
            ok=free >= FREE_BYTES_MIN,
            found=f"{free / 1024**3:.1f} GiB free",
            advice="free some space: without it appends are refused",
        )
    )
    return checks


async def check_postgres(target: Target, configuration: Configuration, clock: Clock) -> AsyncIterator[Check]:
    """The server is new enough and durable, its clock is ours, and the schema is this release's."""
    settings = configuration.settings
    connection = await connect(target, timeout_s=settings.connect_timeout_s, command_timeout_s=30)
    try:
        major = connection.get_server_version().major
        yield Check(
            name="postgres",
            ok=major >= OLDEST_MAJOR,
            found=f"{configuration.shown_postgres}, version {major}",
        )
        for name, value in await connection.fetch(query_text("server_settings"), list(DURABLE)):
            wanted = DURABLE[name]
            yield Check(
                name=name,
                # agentlog sets synchronous_commit itself in each append.
                ok=value == wanted or name == "synchronous_commit",
                found=value,
                advice=f"set {name} = {wanted} on the server: a power cut can lose what was acknowledged",
            )
        before = clock.now_us()
        theirs = await connection.fetchval(query_text("server_time"))
        difference_s = abs(theirs - (before + clock.now_us()) / 2) / 1_000_000
        yield Check(
            name="clock",
            ok=difference_s <= CLOCK_DIFFERENCE_MAX_S,
            found=f"{difference_s:.3f} s from the server's",
            advice="synchronise the clocks (NTP); order never depends on them, times of events do",
        )
        try:
            await schema.check(connection, settings.schema, configuration.folds)
            yield Check(name="schema", ok=True, found=f"{settings.schema}, as this release needs it")
        except AgentlogError as error:
            yield _wrong("schema", error)
    finally:
        await connection.close()


async def check_log(target: Target, configuration: Configuration, clock: Clock) -> AsyncIterator[Check]:
    """The log opens, both copies agree on its head, and no event comes from the future."""
    try:
        log = await Log.open(
            configuration.data, target, projections=configuration.folds, settings=configuration.settings
        )
    except (AgentlogError, OSError) as error:
        yield _wrong("segments", error)
        return
    async with log:
        head = await log.head()
        segments = await asyncio.to_thread(log.segments.segments)
        durable = log.segments.durable_position
        yield Check(
            name="segments",
            ok=durable >= head.position,
            found=f"{len(segments)} files, synced up to position {durable} of {head.position}",
            advice="run `agentlog verify`",
        )
        ahead_s = (time_to_us(head.time) - clock.now_us()) / 1_000_000
        yield Check(
            name="last event",
            ok=ahead_s <= CLOCK_DIFFERENCE_MAX_S,
            found=head.time if head.position else "none yet",
            advice="a clock was wrong: it lies in the future, and new events get its time until then",
        )


def _wrong(name: str, error: Exception) -> Check:
    return Check(
        name=name,
        ok=False,
        found=str(error),
        advice=getattr(error, "hint", "") or "see the words before this",
    )
