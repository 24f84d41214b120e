"""`agentlog repair` and `agentlog restore …`: one copy of the log mended or made again from the other.

They work on a store that does not open. What is done is in replay/.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from cyclopts import App

from agentlog.cli.options import NO_OPTIONS, Flag, Options
from agentlog.cli.progress import Progress, progress
from agentlog.cli.running import FINE, WRONG, check_exists, configured, finish
from agentlog.cli.show import Output

if TYPE_CHECKING:
    from agentlog.configuration import Configuration
    from eventlog.postgres.connect import Target
    from replay.report import RepairReport, RestoreReport

Mend = Callable[["Configuration", "Target", Progress], Awaitable[int]]

restore = App(name="restore", help="Make one copy of the log again, as a whole, from the other.")


def register(app: App) -> None:
    """Add the commands of this file."""
    app.command(repair)
    app.command(restore)


def repair(
    *,
    dry_run: Flag = False,
    options: Options = NO_OPTIONS,
) -> int:
    """Mend damage in one copy of the log from the other, then verify. The log must be open nowhere.

    What is replaced is kept in quarantine/. Positions that both copies lost are refused, and
    nothing is changed then. Exit status 1 when something is wrong still.

    Parameters
    ----------
    dry_run
        Change nothing; say what is wrong and whether it can be mended.
    """

    async def work(configuration: Configuration, target: Target, bars: Progress) -> int:
        from replay.repair import repair as mend

        report = await mend(
            configuration.data, target, projections=configuration.folds, settings=configuration.settings,
            progress=bars.step, dry_run=dry_run,
        )  # fmt: skip
        return _show_repair(report, Output(options.json), dry_run)

    return finish(_on_closed(options, work))


@restore.command(name="postgres")
def restore_postgres(*, options: Options = NO_OPTIONS) -> int:
    """Fill an empty schema (made when missing) from the segments: events, streams, head, projections.

    For a database that was lost. Overwrites nothing. The segments must be whole.
    """

    async def work(configuration: Configuration, target: Target, bars: Progress) -> int:
        from replay.restore import restore_postgres as fill

        report = await fill(
            configuration.data, target, projections=configuration.folds, settings=configuration.settings,
            progress=bars.step,
        )  # fmt: skip
        return _show_restore(report, "postgres", Output(options.json))

    return finish(_on_closed(options, work))


@restore.command(name="segments")
def restore_segments(*, options: Options = NO_OPTIONS) -> int:
    """Write the segments of a data directory that has none, from Postgres.

    For a disk that was lost. Overwrites nothing. With --postgres other hosts may go on meanwhile.
    """

    async def work(configuration: Configuration, target: Target, bars: Progress) -> int:
        from replay.restore import restore_segments as write

        report = await write(configuration.data, target, settings=configuration.settings, progress=bars.step)
        return _show_restore(report, "segments", Output(options.json))

    # Other hosts have segments of their own; with the server of this directory there are none.
    return finish(_on_closed(options, work, others_may_go_on=True))


async def _on_closed(options: Options, work: Mend, *, others_may_go_on: bool = False) -> int:
    """Do something to the store that `options` name, without opening it."""
    from agentlog.servers import server_of

    configuration = configured(options)
    check_exists(configuration)
    with progress() as bars:
        async with server_of(configuration, bars.say) as target:
            if configuration.postgres is None or not others_may_go_on:
                await _refuse_in_use(configuration, target)
            return await work(configuration, target, bars)


async def _refuse_in_use(configuration: Configuration, target: Target) -> None:
    from agentlog.errors import Refused
    from replay.use import users_of

    alone = configuration.postgres is None
    users = await users_of(target, configuration.settings, alone=alone)
    if users:
        raise Refused(
            f"the log is in use: {'; '.join(users)}",
            hint="close it everywhere, then try again; nothing was changed",
            users=users,
        )


def _show_repair(report: RepairReport, output: Output, dry_run: bool) -> int:
    import msgspec

    status = WRONG if report.left else FINE
    if output.json:
        output.document({"repaired": status == FINE, "dry_run": dry_run, **msgspec.structs.asdict(report)})
        return status
    for finding in report.found:
        output.say(f"found: {finding}")
    if dry_run:
        what = "nothing is wrong" if not report.found else "nothing was changed, as asked"
        output.say(f"{len(report.found):,} findings; {what}")
        return status
    output.record(_done(report))
    for finding in report.left:
        output.say(f"wrong still: {finding}")
    output.say("something is wrong still" if report.left else "verified: nothing is wrong")
    return status


def _done(report: RepairReport) -> dict[str, Any]:
    return {
        "rows_written": len(report.rows),
        "blocks_mended": len(report.blocks),
        "segments_rewritten_from": report.rewritten_from,
        "tables": ", ".join(report.tables),
        "kept": ", ".join(report.kept),
    }


def _show_restore(report: RestoreReport, copy: str, output: Output) -> int:
    seconds = report.seconds if output.json else f"{report.seconds:.3f}"
    output.record({"restored": copy, "events": report.events, "seconds": seconds})
    return FINE
