"""The Postgres behind a configuration: lend its server, bring its schema up to date, verify it closed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from agentlog.configuration import Configuration
from agentlog.errors import ProjectionMismatch, SchemaMismatch
from eventlog.clock import SystemClock
from eventlog.embedded.server import attach
from eventlog.postgres import migrate as schema
from eventlog.postgres.connect import Target, session
from eventlog.projection import InlineProjection, versions_of
from projections.catalog import VIEWS_SQL
from replay.against import verify_against
from replay.receipt import LogReceipt
from replay.report import Finding, Progress
from replay.site import open_site
from replay.verify import verify_store

Tell = Callable[[str], None]


@asynccontextmanager
async def server_of(configuration: Configuration, tell: Tell | None = None) -> AsyncIterator[Target]:
    """Give the Postgres of a configuration; the embedded one is started, and let go of at the end.

    Raises EmbeddedPostgresError.
    """
    if configuration.postgres is not None:
        yield configuration.postgres
        return
    server = await attach(configuration.data, clock=SystemClock(), progress=tell or nobody_listens)
    try:
        yield server.connection
    finally:
        await server.close()


async def verify_closed(
    configuration: Configuration, progress: Progress | None = None, against: LogReceipt | None = None
) -> list[Finding]:
    """Verify a store that cannot be opened; see `replay.verify`. The archive is not looked at."""
    async with server_of(configuration) as target:
        settings, folds = configuration.settings, configuration.folds
        found: list[Finding] = []
        if against is not None:
            site = open_site(configuration.data, target, folds, (VIEWS_SQL,), settings)
            try:
                found = await verify_against(site, against, progress)
            finally:
                await site.reads.close()
        return found + await verify_store(
            configuration.data, target, projections=folds, settings=settings, progress=progress
        )


async def bring_up_to_date(
    target: Target, configuration: Configuration, migrate: bool | None
) -> Sequence[str]:
    """Migrate the schema where that was asked for; return the projection tables that are to be rebuilt.

    Where nobody asked for it, a schema that is as it should be is left alone: migrating takes the gate.
    Raises:
        SchemaMismatch, ProjectionMismatch: it is not, and nobody asked for it to be changed; or a
            newer release made it.
    """
    settings, folds = configuration.settings, configuration.folds
    embedded, wait_s = configuration.postgres is None, settings.connect_timeout_s
    async with session(target, timeout_s=wait_s, command_timeout_s=settings.command_timeout_s) as connection:
        try:
            await schema.check(connection, settings.schema, folds)
            if not migrate:
                return ()
        except ProjectionMismatch as mismatch:
            if not (migrate or (embedded and migrate is None)):
                raise
            if not _is_upgrade(mismatch, folds, without_unfilled=bool(migrate)):
                raise
        except SchemaMismatch:
            if not (migrate or (embedded and migrate is None)):
                raise
    # A migration may take its time.
    async with session(target, timeout_s=wait_s, command_timeout_s=None) as connection:
        return (await schema.migrate(connection, settings.schema, folds, (VIEWS_SQL,))).rebuild


def _is_upgrade(
    mismatch: ProjectionMismatch, projections: Sequence[InlineProjection], *, without_unfilled: bool = False
) -> bool:
    """Whether every fold that the store knows is known here, in that version or a later one.

    Args:
        without_unfilled: or has a table that was never filled, which goes: the way back from a projection
            of one's own whose fold fails.
    """
    ours = {projection.name: projection.version for projection in projections}
    stored = versions_of(str(mismatch.__dict__.get("stored", "")))
    # Negative: that table has yet to be rebuilt, for that version.
    return all(
        abs(version) <= ours.get(name, -1) or (without_unfilled and version < 0 and name not in ours)
        for name, version in stored.items()
    )


def nobody_listens(text: str) -> None:
    """For callers that gave nobody to tell."""
