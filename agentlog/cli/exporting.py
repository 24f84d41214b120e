"""`agentlog export`, `agentlog merge`, `agentlog restore export`: everything out, and in again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import App

from agentlog.cli.mending import restore
from agentlog.cli.options import NO_OPTIONS, At, Flag, Options
from agentlog.cli.progress import Progress, progress
from agentlog.cli.running import FINE, configured, finish, with_store
from agentlog.cli.show import Output
from agentlog.cli.values import moment

if TYPE_CHECKING:
    from agentlog.store import Store


def register(app: App) -> None:
    """Add the commands of this file."""
    app.command(export)
    app.command(merge)


def export(
    directory: Path,
    /,
    *,
    at: At = None,
    store: Flag = False,
    options: Options = NO_OPTIONS,
) -> int:
    """Write the log, or with --tenant that tenant's events, to a new directory: JSON lines and a manifest.

    Parameters
    ----------
    directory
        Where to; new or empty.
    at
        Up to a position of the log, or a time such as 2026-11-22T07:44:36Z; without it all of it.
    store
        Make a data directory that opens as a store of its own, with an embedded Postgres.
    """

    async def work(opened: Store, output: Output, bars: Progress) -> int:
        import msgspec

        if store:
            made = await opened.replay.export_store(directory, **moment(at), progress=bars.step)
        else:
            made = await opened.replay.export(directory, **moment(at), progress=bars.step)
        output.record({"directory": str(directory)} | msgspec.structs.asdict(made))
        return FINE

    return with_store(options, work)


def merge(directory: Path, /, *, options: Options = NO_OPTIONS) -> int:
    """Append the events of an export that the log has not yet. Again is harmless.

    They keep their ids, and get positions of this log. With --tenant only that tenant's are taken.

    Parameters
    ----------
    directory
        That `agentlog export` wrote.
    """

    async def work(store: Store, output: Output, bars: Progress) -> int:
        import msgspec

        output.record(msgspec.structs.asdict(await store.replay.merge(directory, progress=bars.step)))
        return FINE

    return with_store(options, work, create=True)


@restore.command(name="export")
def restore_export(directory: Path, /, *, options: Options = NO_OPTIONS) -> int:
    """Make a store of the export of a whole log, with the same positions, times and chain.

    Overwrites nothing: data directory and schema must hold no event; they are made when missing.

    Parameters
    ----------
    directory
        That `agentlog export` wrote.
    """
    return finish(_restore_export(directory, options))


async def _restore_export(directory: Path, options: Options) -> int:
    from agentlog.servers import server_of
    from replay.export_read import read_manifest
    from replay.import_log import import_empty

    configuration = configured(options)
    read_manifest(directory)  # before a server is started for it
    with progress() as bars:
        async with server_of(configuration, bars.say) as target:
            report = await import_empty(
                directory, configuration.data, target, settings=configuration.settings, progress=bars.step
            )
    seconds = report.seconds if options.json else f"{report.seconds:.3f}"
    Output(options.json).record({"restored": "export", "events": report.events, "seconds": seconds})
    return FINE
