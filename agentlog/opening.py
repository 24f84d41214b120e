"""Opening a store: the one place where everything is put together. Decides nothing about the log.

data directory → (embedded Postgres) → schema → log → archive → one handle per noun
"""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from contextlib import AsyncExitStack
from typing import Any

from agentlog.configuration import Configuration, Postgres, configure
from agentlog.local import LocalStore
from agentlog.servers import Tell, bring_up_to_date, nobody_listens, server_of
from agentlog.store import Store
from eventlog.errors import AgentlogError, BadInput, shown
from eventlog.local import LocalCopy
from eventlog.log import Log
from eventlog.postgres.connect import Target
from eventlog.projection import InlineProjection
from eventlog.settings import Settings
from projections.archive import Archive
from projections.catalog import INLINE, VIEWS_SQL
from replay.rebuild import rebuild


def open(
    data: str | os.PathLike[str] | None = None,
    *,
    postgres: Postgres | None = None,
    tenant: str | None = None,
    settings: Settings | None = None,
    projections: Sequence[InlineProjection] | None = None,
    migrate: bool | None = None,
    progress: Tell | None = None,
) -> Opening:
    """Open a store: `async with agentlog.open("./data") as store:`, or `store = await agentlog.open(…)`.

    Args:
        data: the data directory, made when missing. Default: AGENTLOG_DATA, else ./data.
        postgres: postgresql:// URL, keyword arguments of asyncpg.connect, or an open asyncpg.Pool of this
            event loop. Default: AGENTLOG_POSTGRES, else a server of the store's own inside of the data
            directory.
        tenant: the only tenant whose data the store can name. Default: AGENTLOG_TENANT, else "",
            and then calls may name one with `tenant=`.
        settings: of the log. Default: AGENTLOG_…, see docs/reference/settings.md.
        projections: your own, kept in each append, at every opening. Default: AGENTLOG_PROJECTIONS.
        migrate: bring the database schema up to this release. Default: for the embedded server yes,
            for a URL no.
        progress: called with one line for people when something takes time.
    Raises:
        BadInput: an argument or a variable cannot be read. The rest comes when it is awaited:
        LogUnavailable, EmbeddedPostgresError, SchemaMismatch, ProjectionMismatch, FormatTooNew,
        MirrorUnavailable, Damaged, CopiesDisagree.
    """
    given = configure(data, postgres=postgres, tenant=tenant, settings=settings, projections=projections)
    return Opening(given, migrate, progress)


def open_local(data: str | os.PathLike[str] | None = None, *, tenant: str | None = None) -> LocalStore:
    """Read this host's copy of a log without Postgres: nothing is started, written, or to be closed.

    Args:
        data, tenant: as for `open`.
    Raises:
        BadInput: there is no log in that directory. Damaged, FormatTooNew: it does not read.
    """
    configuration = configure(data, tenant=tenant)
    return LocalStore(LocalCopy.open(configuration.data), configuration.tenant)


class Opening:
    """What `agentlog.open` returns: `await` it for a Store, or use it in `async with`."""

    def __init__(self, configuration: Configuration, migrate: bool | None, tell: Tell | None) -> None:
        self._configuration = configuration
        self._migrate = migrate
        self._tell = tell
        self._store: Store | None = None

    def __await__(self) -> Generator[Any, None, Store]:
        return _open(self._configuration, self._migrate, self._tell).__await__()

    async def __aenter__(self) -> Store:
        self._store = await self
        return self._store

    async def __aexit__(self, *exc: object) -> None:
        assert self._store is not None
        await self._store.close()


async def _open(configuration: Configuration, migrate: bool | None, tell: Tell | None) -> Store:
    say = tell or nobody_listens
    settings, folds = configuration.settings, configuration.folds

    async def open_log(target: Target, *, unfilled: bool = False) -> Log:
        return await Log.open(
            configuration.data,
            target,
            projections=folds,
            views_sql=(VIEWS_SQL,),
            settings=settings,
            unfilled=unfilled,
            progress=lambda position: say(f"copying from Postgres: position {position:,}"),
        )

    async with AsyncExitStack() as stack:
        target = await stack.enter_async_context(server_of(configuration, say))
        stale = await bring_up_to_date(target, configuration, migrate)
        if stale:
            say(f"folding {', '.join(stale)} anew")
            # Opened for this alone: nobody appends before these tables are filled.
            async with await open_log(target, unfilled=True) as log:
                await _fold_anew(log, stale, configuration)
        log = await open_log(target)
        stack.push_async_callback(log.close)
        archive = Archive(
            log.directory.archive,
            lambda after, until: log.segments.read(after, until),
            str(log.directory.log_id),
            memory_limit=f"{settings.archive_memory_bytes}B",
        )
        stack.callback(archive.close)
        store = Store(log, configuration, archive, stack.pop_all())
        if settings.scrub_events_per_s and not configuration.tenant:
            store.start_scrub(settings.scrub_events_per_s)
        return store


async def _fold_anew(log: Log, names: Sequence[str], configuration: Configuration) -> None:
    """Fill tables that are due. A fold of the caller's own may fail in any way: raises BadInput then."""
    try:
        await rebuild(log, names)
    except AgentlogError:
        raise
    except Exception as error:
        own = sorted({fold.name for fold in configuration.folds} - {fold.name for fold in INLINE})
        if not own:
            raise
        raise BadInput(
            f"the log cannot be folded into {', '.join(own)}: {type(error).__name__}: {shown(error)}",
            hint="mend that projection, or leave it out and run `agentlog schema migrate`; until then nobody"
            " can append",
        ) from error
