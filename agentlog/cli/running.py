"""Runs a command on an open store and turns errors into words and an exit status."""

from __future__ import annotations

import errno
import os
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from agentlog.cli.options import Options
from agentlog.cli.progress import Progress, progress
from agentlog.cli.show import Output, warn

if TYPE_CHECKING:
    from agentlog.configuration import Configuration
    from agentlog.store import Store

FINE, WRONG, MISUSE = 0, 1, 2

T = TypeVar("T")
Work = Callable[["Store", Output, Progress], Awaitable[int]]


def finish(work: Coroutine[Any, Any, int]) -> int:
    """Run something asynchronous to its end. (asyncio is imported here: `--help` needs none of it.)"""
    import asyncio

    return asyncio.run(work)


def with_store(options: Options, work: Work, *, create: bool = False, whole: bool = False) -> int:
    """Open the store that `options` name, do the work, close it; return the exit status.

    Args:
        create: make a log where there is none; otherwise that is an error.
        whole: the work concerns all tenants: a tenant that was named is not looked at.
    """
    return finish(_with_store(options, work, create, whole))


async def _with_store(options: Options, work: Work, create: bool, whole: bool) -> int:
    import agentlog

    configuration = configured(options)
    if not create:
        check_exists(configuration)
    tenant = "" if whole else configuration.tenant
    with progress() as bars:
        store = await agentlog.open(
            configuration.data,
            postgres=configuration.postgres,
            tenant=tenant,
            settings=configuration.settings,
            progress=bars.say,
        )
        async with store:
            return await work(store, Output(options.json), bars)


def configured(options: Options) -> Configuration:
    """Combine options, environment and defaults. Raises BadInput."""
    from agentlog.configuration import configure

    return configure(options.data, postgres=options.postgres, tenant=options.tenant)


def check_exists(configuration: Configuration) -> None:
    """Raise BadInput when there is no log in the data directory, so that looking makes none."""
    from agentlog.errors import BadInput
    from eventlog.directory import NAME

    if configuration.postgres is None and not (configuration.data / NAME).exists():
        raise BadInput(
            f"there is no log in {configuration.data}",
            hint="name its directory with --data or AGENTLOG_DATA;"
            " `agentlog import` makes a new one, `agentlog demo` a sample",
        )


def known(value: T | None, what: str, key: str) -> T:
    """Return the value; raise NotFound, which names `what` it is, when there is none."""
    from agentlog.errors import NotFound

    if value is None:
        raise NotFound(f"there is no {what} {key!r}", hint="check its name and the tenant", key=key)
    return value


def check_folder(path: Path) -> None:
    """Raise BadInput when the directory that a file is to be written into is not there."""
    from agentlog.errors import BadInput

    if not path.absolute().parent.is_dir():
        raise BadInput(f"{path} cannot be written: there is no directory {path.parent}", hint="make it first")


def guarded(command: Callable[[], int]) -> int:
    """Run a command; say its errors in one paragraph. AGENTLOG_DEBUG=1 shows the traceback."""
    from agentlog.configuration import DEBUG
    from agentlog.errors import AgentlogError, BadInput

    try:
        return command()
    except (AgentlogError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            raise
        if os.environ.get(DEBUG, "0") not in ("", "0"):
            raise
        warn(f"agentlog: {_said(error)}")
        return MISUSE if isinstance(error, BadInput) else WRONG


def _said(error: Exception) -> str:
    """An error in words; of the system's, without number and quotes, and what to do about a full disk."""
    if type(error).__module__ != "builtins" or not isinstance(error, OSError) or not error.strerror:
        return str(error)
    named = isinstance(error.filename, str | bytes)
    said = f"{os.fsdecode(error.filename)}: {error.strerror}" if named else error.strerror
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return f"{said}; free some space, then run the command again" if full else said
